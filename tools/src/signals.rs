//! Signals: an interrupt ends the program with 128 and its number, and leaves no temporary file; a limit on the size of files is an error of writing.

#[cfg(unix)]
pub use unix::install;

/// No signals to handle on this system.
#[cfg(not(unix))]
pub fn install() {}

#[cfg(unix)]
mod unix {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use std::sync::Arc;

    /// Handles the signals that end a program, except those that the caller has the program ignore (`nohup`).
    pub fn install() {
        // Handled, so that a write over the limit is an error (EFBIG) and not the end of the program.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
        let ignored = ignored();
        let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let Ok(mut signals) = Signals::new(wanted) else { return };
        let wait = move || {
            if let Some(signal) = signals.forever().next() {
                ontrace::onnx::remove_temporary_files();
                signal_hook::low_level::exit(128 + signal);
            }
        };
        let _ = std::thread::Builder::new().name("signals".into()).spawn(wait);
    }

    /// The signals that are ignored since the program started, bit `n - 1` for signal `n`; none where the system does not say.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}
