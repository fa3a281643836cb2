//! Torch's own tests of its tracer (`test/jit/test_tracer.py`), a test each: `tNNN_…` answers row NNN of `torch_tests.rs`, which has torch's name.

mod calls;
mod checker;
mod control;
mod harness;
mod modules;
mod saving;
mod sizes;
mod structs;
mod torch_tests;
mod trees;
mod values;
mod views;

use torch_tests::ROWS;

/// The files that hold the tests.
const FILES: &[&str] = &[
    include_str!("calls.rs"),
    include_str!("checker.rs"),
    include_str!("control.rs"),
    include_str!("modules.rs"),
    include_str!("saving.rs"),
    include_str!("sizes.rs"),
    include_str!("structs.rs"),
    include_str!("trees.rs"),
    include_str!("values.rs"),
    include_str!("views.rs"),
];

/// Rows without a test, each with the reason.
const LEFT_OUT: &[(u16, &str)] = &[];

/// The rows that a file has a test for: the function below `#[test]` is called `t`, the number, `_` and what it shows.
fn tested(file: &str) -> Vec<u16> {
    let lines: Vec<&str> = file.lines().map(str::trim).collect();
    let row =
        |pair: &[&str]| -> Option<u16> { pair[1].strip_prefix("fn t").filter(|_| pair[0] == "#[test]")?.split('_').next()?.parse().ok() };
    lines.windows(2).filter_map(row).collect()
}

#[test]
fn every_torch_test_has_one_test_or_a_reason() {
    assert_eq!(ROWS.len(), 127);
    let mut found: Vec<u16> = FILES.iter().flat_map(|file| tested(file)).collect();
    let tested = found.len();
    assert!(LEFT_OUT.iter().all(|(_, reason)| !reason.is_empty()));
    found.extend(LEFT_OUT.iter().map(|row| row.0));
    found.sort_unstable();
    let missing: Vec<_> = ROWS.iter().filter(|row| !found.contains(&row.0)).collect();
    assert!(missing.is_empty(), "neither tested nor left out with a reason: {missing:?}");
    assert_eq!(found, ROWS.iter().map(|row| row.0).collect::<Vec<_>>(), "each once, in order");
    let names: std::collections::BTreeSet<&str> = ROWS.iter().map(|row| row.1).collect();
    assert_eq!(names.len(), ROWS.len(), "each names another test of torch");
    println!("{tested} of {} tests of torch are answered", ROWS.len());
}
