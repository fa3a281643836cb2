//! Panics of a program whose every command is a process: an error with a code, whether the program is built to unwind or not.

use super::system;
use crate::error::Error;
use crate::onnx::remove_temporary_files;
use crate::runtime::TractPanic;
use std::ffi::OsString;
use std::panic::PanicHookInfo;
use std::sync::Mutex;

/// From now on a panic ends this process, in place of a message on the terminal: `report` is given the error, which is
/// [`Internal`](crate::ErrorCode::Internal) for a panic of ontrace, and answers the exit code. Temporary files are removed.
///
/// Where tract panicked, the process becomes `program`, a command line that starts this program with its arguments, once more (`exec`, on Unix): every
/// [`Session`](crate::runtime::Session) of it runs on ontrace's kernels, and says tract's panic where it is asked for tract. So nothing has to unwind, and a
/// program may be built with `panic = "abort"`, which makes it smaller by a tenth.
pub fn end_on_panic(program: &[OsString], report: impl Fn(Error) -> u8 + Send + Sync + 'static) {
    /// Held by the thread that ends the process.
    static ENDING: Mutex<()> = Mutex::new(());
    let program = program.to_vec();
    TractPanic::is_left_to_the_hook();
    std::panic::set_hook(Box::new(move |info| {
        let _ending = ENDING.lock();
        let error = match TractPanic::under_way(text(info)) {
            Some(panic) => {
                restart(&program, &panic);
                panic.error()
            }
            None => internal(info),
        };
        let code = report(error);
        remove_temporary_files();
        system::exit(code.into())
    }));
}

/// The error of a panic that is a bug of ontrace.
pub(super) fn internal(info: &PanicHookInfo) -> Error {
    Error::internal(info.to_string().replace('\n', " ")).help("this is a bug of ontrace: please report it with the file (SECURITY.md)")
}

/// What a panic says.
fn text(info: &PanicHookInfo) -> String {
    info.payload_as_str().unwrap_or_default().to_string()
}

/// Makes this process the program from its start, without tract; comes back where the system cannot.
fn restart(program: &[OsString], panic: &TractPanic) {
    #[cfg(unix)]
    if let Some((executable, arguments)) = program.split_first() {
        use std::os::unix::process::CommandExt;
        remove_temporary_files();
        let mut command = std::process::Command::new(executable);
        panic.tell(command.args(arguments));
        // It returns where it failed: the panic is reported then.
        let _ = command.exec();
    }
    #[cfg(not(unix))]
    let _ = (program, panic);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::runtime::Session;
    use crate::{Tensor, trace_fn};
    use std::process::{Command, Output};

    /// What a test asks of the process that it starts.
    const TASK: &str = "ONTRACE_TEST_TASK";

    #[test]
    #[ignore = "a process that the other tests start"]
    fn a_process_that_panics() {
        let Ok(task) = std::env::var(TASK) else { return };
        let program: Vec<OsString> = std::env::args_os().collect();
        end_on_panic(&program, |error| {
            eprintln!("reported {}: {}", error.code().id(), error.message());
            7
        });
        if task == "bug" {
            panic!("an index");
        }
        let x = Tensor::new([2, 3], vec![1.0f32; 6]).unwrap();
        let mut model = trace_fn(|x: Tensor| x.transpose(0, 1)?.relu(), &x).unwrap().to_model().unwrap();
        if task == "tract" {
            // tract panics where it takes this for a permutation, and our kernels say what is wrong with the node.
            model.proto.graph.as_mut().unwrap().node[0].attribute[0].ints = vec![7, 0];
        }
        eprintln!("started");
        match Session::new(&model).and_then(|session| session.run(&[x.to_array().unwrap()])) {
            Ok(outputs) => eprintln!("ran {}", outputs.iter().map(|array: &Array| format!("{:?}", array.shape())).collect::<String>()),
            Err(error) => eprintln!("failed {}", error.code().id()),
        }
    }

    fn process(task: &str, variables: &[(&str, &str)]) -> Output {
        let test = concat!(module_path!(), "::a_process_that_panics");
        let test = test.split_once("::").unwrap().1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env(TASK, task).envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// The lines that the task wrote.
    fn said(output: &Output) -> Vec<String> {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours = |line: &&str| ["started", "reported", "ran", "failed"].iter().any(|word| line.starts_with(word));
        text.lines().filter(ours).map(str::to_string).collect()
    }

    #[test]
    fn a_panic_is_reported_and_ends_the_process() {
        let output = process("bug", &[]);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert!(matches!(&said(&output)[..], [line] if line.starts_with("reported E0901: ") && line.ends_with("an index")), "{output:?}");
    }

    #[cfg(unix)]
    #[test]
    fn where_tract_panics_the_program_starts_again_without_it() {
        let output = process("tract", &[]);
        assert_eq!(said(&output), ["started", "started", "failed E0103"], "{output:?}");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let output = process("valid", &[("ONTRACE_TRACT_PANIC", "a reason\nnode `n`")]);
        assert_eq!(said(&output), ["started", "ran [3, 2]"], "a session without tract runs on ontrace's kernels: {output:?}");
    }
}
