//! Torch's own tests of its tracer (`test/jit/test_tracer.py`), a row a test; which rows there are is data.

mod calls;
mod checker;
mod control;
mod harness;
mod modules;
mod saving;
mod sizes;
mod structs;
mod trees;
mod values;
mod views;

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

/// The rows of torch's list that say something about a tracer without gradients, Python or scripting.
const ROWS: &[u16] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,
    38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 51, 52, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 67, 68, 69, 70, 71, 72, 77, 78, 79, 80,
    81, 82, 83, 87, 88, 89, 90, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 114, 115, 116,
    117, 118, 119, 121, 122, 123, 124, 126, 128, 130, 131, 133, 134, 136, 137, 138, 139, 140, 141, 143, 146, 147, 148, 149, 150, 152, 153,
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
fn every_row_is_one_test_or_has_a_reason() {
    assert_eq!(ROWS.len(), 127);
    let mut found: Vec<u16> = FILES.iter().flat_map(|file| tested(file)).collect();
    assert!(found.len() >= 120, "{} rows are tested", found.len());
    assert!(LEFT_OUT.iter().all(|(_, reason)| !reason.is_empty()));
    found.extend(LEFT_OUT.iter().map(|row| row.0));
    found.sort_unstable();
    assert_eq!(found, ROWS);
}
