//! Random typed programs: eager, traced, replayed at other sizes, run by tract and read back, they do one thing.

mod choose;
mod fit;
mod found;
mod generate;
mod methods;
mod print;
mod program;
mod run;
mod shrink;
mod values;

use crate::exported;
use program::Program;
use rayon::prelude::*;
use run::Failure;
use std::collections::BTreeMap;
use std::path::Path;

/// A number of the environment.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// The program of a seed, run every way there is; left for other runtimes where that is asked for.
fn attempt(seed: u64, leave: bool) -> Result<Program, (Program, Failure)> {
    let program = generate::program(seed)?;
    match run::agrees(&program) {
        Ok(traced) => {
            if leave {
                let call = program.calls() - 1;
                let expected = run::expected(&program).expect("what agreed runs again");
                exported::save(&traced.to_model().unwrap(), &format!("program_{seed}"), &program.arrays(call), &expected[call]);
            }
            Ok(program)
        }
        Err(failure) => Err((program, failure)),
    }
}

// CONTRIBUTING.md has the command of the long campaign.
#[test]
fn random_programs_do_the_same_everywhere() {
    let (count, seed, leave) = (number("ONTRACE_PROGRAMS", 300), number("ONTRACE_SEED", 1), number("ONTRACE_LEAVE", 0));
    let results: Vec<_> = (seed..seed + count).into_par_iter().map(|i| (i, attempt(i, i - seed < leave))).collect();
    let mut methods: BTreeMap<&str, usize> = methods::METHODS.iter().map(|method| (method.source, 0)).collect();
    let (mut steps, mut failures) = (0, Vec::new());
    for (seed, result) in results {
        match result {
            Ok(program) => {
                steps += program.steps().count();
                program.steps().for_each(|step| *methods.entry(step.method.source).or_default() += 1);
            }
            Err((program, failure)) => failures.push((seed, program, failure)),
        }
    }
    let shrunk = |(seed, program, failure)| {
        let (program, failure) = shrink::smallest(program, failure, |program| run::agrees(program).err());
        print::rust(&program, &failure, seed)
    };
    let failures: Vec<String> = failures.into_par_iter().map(shrunk).collect();
    // How often each method was called, for those who look for what is never tried.
    let rows: Vec<String> =
        methods.iter().map(|(method, count)| format!("{count:6} {}\n", method.split_whitespace().collect::<Vec<_>>().join(" "))).collect();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs.txt"), rows.concat()).unwrap();
    println!("seed {seed}: {} of {count} programs agree, of {steps} calls", count as usize - failures.len());
    assert!(failures.is_empty(), "seed {seed}: {} of {count} programs fail\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn a_program_is_shrunk_to_the_call_that_fails() {
    let fails = |program: &Program| {
        let run = run::expected(program).ok()?;
        program.steps().find(|step| step.method.source.contains("softmax")).map(|_| Failure::new("planted", run.len()))
    };
    let programs = (0..).filter_map(|seed| generate::program(seed).ok()).filter(|program| program.steps().count() > 4);
    let (program, failure) = programs.into_iter().find_map(|program| Some((fails(&program)?, program))).map(|(f, p)| (p, f)).unwrap();
    let (program, _) = shrink::smallest(program, failure, fails);
    assert_eq!((program.steps().count(), program.calls(), program.inputs().count()), (1, 1, 1));
}

#[test]
fn a_seed_is_a_program() {
    let text = |seed| generate::program(seed).ok().map(|program| print::rust(&program, &Failure::new("planted", ""), seed));
    assert!((1..20).all(|seed| text(seed) == text(seed)));
}
