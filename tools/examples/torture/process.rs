//! Runs of the program with a time limit, and what each took.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a run came to.
pub struct Outcome {
    /// The exit code; `None` where a signal ended the program.
    pub exit: Option<i32>,
    pub is_late: bool,
    /// CPU time of the program and its child, where the system says it.
    pub seconds: f64,
    /// The highest resident size that was seen.
    pub megabytes: f64,
    /// What it wrote to both streams.
    pub text: String,
}

impl Outcome {
    /// The code of the error that the program ended with.
    pub fn code(&self) -> Option<&str> {
        let start = self.text.find("error[E")? + 6;
        self.text.get(start..start + 5)
    }
}

/// Runs the program in a folder; what it writes goes to a file there, or to `stream` (`/dev/full`).
pub fn run(program: &Path, arguments: &[String], folder: &Path, limit: Duration, stream: Option<&str>) -> std::io::Result<Outcome> {
    let log = folder.join("log");
    let output = match stream {
        Some(path) => File::create(path)?,
        None => File::create(&log)?,
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn()?;
    let (started, id) = (Instant::now(), child.id());
    let (mut outcome, mut pause) = (Outcome { exit: None, is_late: false, seconds: 0.0, megabytes: 0.0, text: String::new() }, 1);
    // A process that has ended can be asked for its time until it is waited for.
    while let Some((is_ended, seconds)) = times(id) {
        outcome.seconds = seconds;
        outcome.megabytes = outcome.megabytes.max(resident(id));
        if is_ended {
            break;
        }
        if started.elapsed() > limit && !outcome.is_late {
            outcome.is_late = true;
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(pause));
        pause = (pause + 1).min(5);
    }
    outcome.exit = child.wait()?.code();
    if stream.is_none() {
        outcome.text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    }
    Ok(outcome)
}

/// Whether a process has ended, and its CPU time with that of its children in seconds; `None` where the system does not say (not Linux).
fn times(id: u32) -> Option<(bool, f64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((fields.first() == Some(&"Z"), ticks as f64 / 100.0))
}

/// The highest resident size so far of a process and its children, in MB.
fn resident(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| child.parse().ok()).map(resident);
    children.fold(own.unwrap_or(0.0) / 1000.0, f64::max)
}

/// Starts a run whose streams are not read.
pub fn start(program: &Path, arguments: &[String], folder: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Starts a run, ends it after a time by a signal that no program handles, and waits for its child too.
pub fn killed(program: &Path, arguments: &[String], folder: &Path, after: Duration) -> std::io::Result<bool> {
    let mut child = start(program, arguments, folder)?;
    std::thread::sleep(after);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    child.kill()?;
    let is_killed = child.wait()?.code().is_none();
    for id in children.split_whitespace() {
        // It ends by itself when its parent has; until then it may still write.
        while Path::new("/proc").join(id).exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(is_killed)
}
