//! Corpora beside the project: where they are, and what happens where they are not.

use std::path::{Path, PathBuf};

/// The folder of a corpus: the one that the environment variable names, else this one in the project's folder.
///
/// `None` where it has no file of that name: the test is skipped, and says so. With `ONTRACE_REQUIRE_CORPORA=1`, as in CI, it fails instead.
pub fn folder(variable: &str, default: &str, file: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default));
    if folder.join(file).exists() {
        return Some(folder);
    }
    let required = std::env::var("ONTRACE_REQUIRE_CORPORA").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    assert!(!required, "ONTRACE_REQUIRE_CORPORA is set, and there is no {}", folder.join(file).display());
    println!("skipped: no {default}");
    None
}
