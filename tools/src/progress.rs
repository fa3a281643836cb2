//! Progress of long steps, on terminals only and after half a second: what is done, how much of it, and how long it still takes where that is known.
//! Operators are counted while a model is traced, calls while results are compared, bytes while a file is written.

use crate::console::bytes;
use indicatif::{ProgressBar, ProgressStyle};
use ontrace::work::Work;
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a step takes before anything is shown of it.
const SILENT: Duration = Duration::from_millis(500);

/// How often what is shown is renewed.
const STEP: Duration = Duration::from_millis(100);

/// A step that is shown until this is dropped.
pub struct Progress {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct State {
    is_over: bool,
    /// How many of how many parts are done, where that is known.
    done: Option<(u64, u64)>,
    /// What the library counts, what it had counted when the step began, and how much there will be where that is known.
    counted: Option<(Work, u64, Option<u64>)>,
}

impl State {
    /// How much is done, in words.
    fn amount(&self) -> Option<String> {
        let (work, before, of) = self.counted?;
        let done = work.done().saturating_sub(before);
        let amount = |n: u64| if work == Work::BytesWritten { bytes(n) } else { n.to_string() };
        let of = of.filter(|&of| of >= done).map(|of| format!(" of {}", amount(of))).unwrap_or_default();
        let noun = match work {
            Work::Operators => " operators",
            Work::Calls => " calls",
            _ => "",
        };
        Some(format!("{}{of}{noun}", amount(done)))
    }
}

/// Whether progress is shown: on a terminal that can move its cursor, unless the user or a program asks for silence.
fn is_shown(is_terminal: bool, is_silent: bool, term: Option<&str>) -> bool {
    is_terminal && !is_silent && term != Some("dumb")
}

impl Progress {
    /// Shows a step, `tracing resnet18.pt`, on stderr.
    pub fn new(what: &str, is_silent: bool) -> Progress {
        let term = std::env::var("TERM").ok();
        let shared = Arc::new(Shared::default());
        let thread = is_shown(std::io::stderr().is_terminal(), is_silent, term.as_deref()).then(|| {
            let (shared, what) = (Arc::clone(&shared), what.to_string());
            std::thread::spawn(move || show(&shared, &what))
        });
        Progress { shared, thread }
    }

    /// Shows how much of a kind of work is done from here on, and of how much where that is known.
    pub fn counting(self, work: Work, of: Option<u64>) -> Progress {
        self.shared.lock().counted = Some((work, work.done(), of));
        self
    }

    /// Says how many parts are done, and of how many.
    pub fn set(&self, done: u64, of: u64) {
        self.shared.lock().done = Some((done, of));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state when it is over, or after this time.
    fn wait(&self, time: Duration) -> State {
        let waiting = self.changed.wait_timeout_while(self.lock(), time, |state| !state.is_over);
        *waiting.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        // What is shown is cleared before anything else is printed.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let template = if colour { template.replace("{spinner}", "{spinner:.cyan}") } else { template.to_string() };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn show(shared: &Shared, what: &str) {
    let started = Instant::now();
    if shared.wait(SILENT).is_over {
        return;
    }
    let bar = ProgressBar::new_spinner().with_elapsed(started.elapsed()).with_message(what.to_string());
    bar.set_style(style("{spinner} {msg}   {elapsed}"));
    let mut is_counted = false;
    loop {
        let state = shared.wait(STEP);
        if state.is_over {
            break;
        }
        if let Some(amount) = state.amount() {
            bar.set_message(format!("{what}   {amount}"));
        }
        if let Some((done, of)) = state.done {
            if !is_counted {
                bar.set_style(style("{spinner} {msg}   {pos} of {len}   {elapsed}, {eta} left"));
                is_counted = true;
            }
            bar.set_length(of);
            bar.set_position(done);
        }
        bar.tick();
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_nobody_silenced_shows_progress() {
        assert!(is_shown(true, false, Some("xterm")) && is_shown(true, false, None));
        assert!(!is_shown(false, false, Some("xterm")) && !is_shown(true, true, Some("xterm")) && !is_shown(true, false, Some("dumb")));
    }

    #[test]
    fn what_is_done_is_said_in_its_unit() {
        let state = |work: Work, of| State { counted: Some((work, work.done(), of)), ..State::default() };
        assert_eq!(state(Work::Calls, None).amount().as_deref(), Some("0 calls"));
        assert_eq!(state(Work::BytesWritten, Some(2_500_000)).amount().as_deref(), Some("0 B of 2.5 MB"));
        assert_eq!(State::default().amount(), None);
        let before = state(Work::Operators, Some(1));
        ontrace::trace_fn(|x: ontrace::Tensor| x.exp()?.tanh(), &ontrace::Tensor::from(&[1.0f32])).unwrap();
        let amount = before.amount().unwrap();
        assert!(amount.ends_with("operators") && !amount.contains("of 1 "), "{amount}");
    }

    #[test]
    fn a_short_step_shows_nothing_and_ends_at_once() {
        let shared = Arc::new(Shared::default());
        let progress = Progress {
            thread: Some(std::thread::spawn({
                let shared = Arc::clone(&shared);
                move || show(&shared, "step")
            })),
            shared,
        };
        progress.set(1, 2);
        let started = Instant::now();
        drop(progress);
        assert!(started.elapsed() < SILENT);
    }
}
