//! The versions that torch's archives say of themselves: files of a torch that is newer than this reader are refused.
//!
//! A zip archive of torch has the version of the file format in `.data/version`, before version 6 in `version`
//! ([versions.h](https://github.com/pytorch/pytorch/blob/main/caffe2/serialize/versions.h)). It says what some operators of a TorchScript program mean.

use super::zip::Archive;
use crate::error::{Error, ErrorCode, Result, ResultExt};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The newest version of the file format, since torch 1.12 (`kMaxSupportedFileFormatVersion`).
const FILE_FORMAT: u32 = 10;
/// The newest version of the layout of `.pt2` archives (`archive_version`).
const PT2_ARCHIVE: u32 = 0;
/// The major version of torch.export's schema (`SCHEMA_VERSION`); minor versions only add to it. Torch reads no other, but for 0.0 of files that
/// say none.
const EXPORT_SCHEMA: u32 = 8;

/// What a program says of its versions.
#[derive(Deserialize)]
pub(super) struct SchemaHeader {
    #[serde(default)]
    pub schema_version: Option<SchemaVersion>,
    /// The versions of the operators, by namespace.
    #[serde(default)]
    pub opset_version: BTreeMap<String, u32>,
}

/// The version of the schema: only the major one can break a reader. The first programs have no minor one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum SchemaVersion {
    Split {
        major: u32,
        #[serde(default)]
        minor: u32,
    },
    Major(u32),
}

/// The version of the file format; torch reads no program from an archive without one.
///
/// # Errors
/// [`TooNew`](ErrorCode::TooNew); [`Damaged`](ErrorCode::Damaged) where there is none or it is no number from 1.
pub(super) fn required(archive: &Archive) -> Result<u32> {
    stated(archive)?.ok_or_else(|| {
        Error::damaged("the archive has no entry `version` or `.data/version`, which says what its operators mean")
            .help("torch refuses it too: save the model again with torch.jit.save, or restore the entry of the original file")
    })
}

/// The version of the file format, where the archive says one.
///
/// # Errors
/// [`TooNew`](ErrorCode::TooNew); [`Damaged`](ErrorCode::Damaged) where it is no number from 1.
pub(super) fn stated(archive: &Archive) -> Result<Option<u32>> {
    let Some(name) = [".data/version", "version"].into_iter().find(|name| archive.has(name)) else { return Ok(None) };
    let version = number(&archive.text(name)?).at(name)?;
    if version == 0 {
        return Err(Error::damaged("version 0 of torch's file format; the first is 1").at(name));
    }
    known("version", version, "of torch's file format", FILE_FORMAT).at(name)?;
    Ok(Some(version))
}

/// Checks the versions of a `.pt2` archive that stand outside its program.
///
/// # Errors
/// [`TooNew`](ErrorCode::TooNew); [`Damaged`](ErrorCode::Damaged) where one is no number.
pub(super) fn check_archive(archive: &Archive) -> Result<()> {
    // The flat archives of before torch 2.7 have the version of the schema, `8.1`, where others have that of the file format.
    if archive.has("serialized_exported_program.json") {
        return if archive.has("version") { check_major(&archive.text("version")?).at("version") } else { Ok(()) };
    }
    stated(archive)?;
    if archive.has("archive_version") {
        let version = number(&archive.text("archive_version")?).at("archive_version")?;
        known("version", version, "of the .pt2 archive layout", PT2_ARCHIVE).at("archive_version")?;
    }
    Ok(())
}

/// Checks the versions that a program of torch.export says.
///
/// # Errors
/// [`TooNew`](ErrorCode::TooNew).
pub(super) fn check_schema(header: &SchemaHeader) -> Result<()> {
    match header.schema_version {
        None | Some(SchemaVersion::Split { major: 0, minor: 0 }) => {}
        Some(SchemaVersion::Split { major, .. } | SchemaVersion::Major(major)) => schema(major)?,
    }
    match header.opset_version.get("aten") {
        Some(&version) => known("operator version", version, "of aten", FILE_FORMAT),
        None => Ok(()),
    }
}

fn check_major(version: &str) -> Result<()> {
    schema(number(version.split('.').next().unwrap_or(version))?)
}

/// Refuses programs of another major version of the schema, which torch refuses too: what they say means something else.
fn schema(major: u32) -> Result<()> {
    if major < EXPORT_SCHEMA {
        let help = "torch refuses it too: load it with the version of torch that saved it, and export the module again with one that writes version 8";
        return Err(Error::unsupported(format!("schema version {major} of torch.export; only version {EXPORT_SCHEMA} is read")).help(help));
    }
    known("schema version", major, "of torch.export", EXPORT_SCHEMA)
}

/// The number that an entry holds; one that no 32 bits hold is newer than all.
fn number(text: &str) -> Result<u32> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let shown: String = text.chars().take(20).collect();
        return Err(Error::damaged(format!("expected the number of a version, got {shown:?}")));
    }
    Ok(digits.parse().unwrap_or(u32::MAX))
}

fn known(what: &str, version: u32, of: &str, newest: u32) -> Result<()> {
    if version <= newest {
        return Ok(());
    }
    let help = "update ontrace, or save the model again with an older torch (2.15 writes files that this reads)";
    Err(Error::new(ErrorCode::TooNew, format!("{what} {version} {of}; the newest known is {newest}")).help(help))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Packed, pack};
    use super::*;

    fn archive(entries: &[(&str, &str)]) -> Archive {
        let entry = |&(name, text): &(&str, &str)| Packed::stored(&format!("m/{name}"), text.as_bytes());
        Archive::open(pack(&entries.iter().map(entry).collect::<Vec<_>>()).into()).unwrap()
    }

    #[test]
    fn the_version_stands_in_the_folder_of_data_or_beside_it() {
        for version in 1..=10 {
            for name in [".data/version", "version"] {
                for end in ["", "\n"] {
                    assert_eq!(required(&archive(&[("code/a.py", ""), (name, &format!("{version}{end}"))])).unwrap(), version);
                }
            }
        }
        assert_eq!(required(&archive(&[("version", "3\n"), (".data/version", "6\n")])).unwrap(), 6);
    }

    #[test]
    fn a_version_that_is_too_new_says_what_to_do() {
        for version in ["11", "99999", "4294967297", "99999999999999999999999"] {
            let error = required(&archive(&[("code/a.py", ""), ("version", version)])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::TooNew, "{version}");
            assert!(error.help_line().is_some_and(|help| help.contains("older torch")));
        }
    }

    #[test]
    fn a_version_that_is_missing_or_no_number_is_a_damaged_file() {
        for version in ["", "\n", "0", "-1", "3.5", "three", "3 4", "0x3"] {
            let error = required(&archive(&[("code/a.py", ""), ("version", version)])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged, "{version}");
        }
        assert_eq!(required(&archive(&[("code/a.py", ""), ("data.pkl", "")])).unwrap_err().code(), ErrorCode::Damaged);
        assert_eq!(stated(&archive(&[("code/a.py", ""), ("data.pkl", "")])).unwrap(), None);
    }

    #[test]
    fn layouts_and_schemas_of_exported_programs_have_versions_too() {
        let code = |entries: &[(&str, &str)]| check_archive(&archive(entries)).err().map(|error| error.code());
        assert_eq!(code(&[("archive_format", "pt2"), ("archive_version", "0"), (".data/version", "6\n")]), None);
        assert_eq!(code(&[("archive_format", "pt2"), ("archive_version", "1")]), Some(ErrorCode::TooNew));
        assert_eq!(code(&[("archive_format", "pt2"), ("archive_version", "new")]), Some(ErrorCode::Damaged));
        assert_eq!(code(&[("archive_format", "pt2"), (".data/version", "11")]), Some(ErrorCode::TooNew));
        assert_eq!(code(&[("serialized_exported_program.json", "{}"), ("version", "8.1")]), None);
        assert_eq!(code(&[("serialized_exported_program.json", "{}"), ("version", "9.1")]), Some(ErrorCode::TooNew));
        assert_eq!(code(&[("serialized_exported_program.json", "{}"), ("version", "7.3")]), Some(ErrorCode::Unsupported));
    }

    #[test]
    fn only_the_schema_that_torch_reads_is_read() {
        let code = |json: &str| check_schema(&serde_json::from_str(json).unwrap()).err().map(|error| error.code());
        for (version, expected) in [
            (r#"{"major": 8, "minor": 20}"#, None),
            (r#"{"major": 8}"#, None),
            (r#"{"major": 0, "minor": 0}"#, None),
            (r#"{"major": 0, "minor": 1}"#, Some(ErrorCode::Unsupported)),
            (r#"{"major": 7, "minor": 3}"#, Some(ErrorCode::Unsupported)),
            ("1", Some(ErrorCode::Unsupported)),
            (r#"{"major": 9, "minor": 0}"#, Some(ErrorCode::TooNew)),
        ] {
            assert_eq!(code(&format!(r#"{{"schema_version": {version}}}"#)), expected, "{version}");
        }
    }
}
