//! The known failures of a corpus: `tests/data/NAME.txt`, compared with what a run finds.
//!
//! The first line gives the number of cases, `# 2036 cases`. Every other line is a case, the ways of running it that fail, and the reason, with tabs
//! between. Among the ways may stand `rtol=1e-2` and `atol=1e-3`: beyond the corpus's own tolerance, the case is right within this one.
//!
//! A case that is not listed must pass; one that is listed must still fail. `ONTRACE_RENEW=1` rewrites the list instead: it keeps the reasons that are
//! there and takes the message of the failure for a new one, which is then to be put in words.

use ontrace::array::Tolerance;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A case that is known to fail.
#[derive(Clone, Debug, Default)]
struct Row {
    ways: BTreeSet<String>,
    /// Within which it is right where the corpus's own is too close.
    tolerance: Option<Tolerance>,
    reason: String,
}

/// The rows of a list, and how many cases the corpus has.
#[derive(Clone, Debug)]
pub struct KnownFailures {
    name: &'static str,
    cases: usize,
    rows: BTreeMap<String, Row>,
}

/// How failures begin that no list excuses: panics, what is beyond the list's own tolerance, and errors that say that the library is wrong.
const NEVER: &[&str] = &["panic", "beyond", "E0901", "E0403"];

/// Two tests renew a list one after the other.
static RENEWAL: Mutex<()> = Mutex::new(());

impl KnownFailures {
    /// Of the list `tests/data/NAME.txt`.
    pub fn of(name: &'static str) -> KnownFailures {
        let text = std::fs::read_to_string(path(name)).unwrap_or_default();
        let cases = text.lines().next().and_then(|line| line.strip_prefix("# ")?.strip_suffix(" cases")?.parse().ok()).unwrap_or_default();
        let rows = text.lines().filter(|line| !line.starts_with('#')).map(row).collect();
        KnownFailures { name, cases, rows }
    }

    /// The tolerance of a case that fails in this way by the corpus's own.
    pub fn tolerance(&self, case: &str, way: &str) -> Option<Tolerance> {
        self.rows.get(case).filter(|row| row.ways.contains(way))?.tolerance
    }

    /// Compares what a run in one way found with the list: `None` where a case passes, else why it fails.
    ///
    /// `whole` says that every case of the corpus was run, and that the corpus is the one of the list.
    ///
    /// # Panics
    /// Where they differ, with every difference.
    pub fn compare(mut self, way: &str, whole: bool, verdicts: &[(String, Option<String>)]) {
        let passed = verdicts.iter().filter(|verdict| verdict.1.is_none()).count();
        println!("{} {way}: {passed} of {} pass", self.name, verdicts.len());
        if whole && std::env::var_os("ONTRACE_RENEW").is_some() {
            let _guard = RENEWAL.lock().unwrap_or_else(|error| error.into_inner());
            self = KnownFailures::of(self.name);
            return self.renew(way, verdicts);
        }
        let differences = self.differences(way, whole, verdicts);
        assert!(
            differences.is_empty(),
            "{} differ from tests/data/{}.txt (ONTRACE_RENEW=1 renews it)\n{}",
            differences.len(),
            self.name,
            differences.join("\n")
        );
    }

    /// What is to be said of a run: what fails without being listed, what is listed without failing, and a list that is of another corpus.
    fn differences(&self, way: &str, whole: bool, verdicts: &[(String, Option<String>)]) -> Vec<String> {
        let mut differences = Vec::new();
        for (case, verdict) in verdicts {
            let known = self.rows.get(case).is_some_and(|row| row.ways.contains(way));
            match verdict {
                Some(why) if !known || NEVER.iter().any(|never| why.starts_with(never)) => differences.push(format!("{case}: {why}")),
                None if known => differences.push(format!("{case}: passes now, take it off tests/data/{}.txt", self.name)),
                _ => {}
            }
        }
        if whole {
            let run: BTreeSet<&String> = verdicts.iter().map(|verdict| &verdict.0).collect();
            differences
                .extend(self.rows.keys().filter(|case| !run.contains(case)).map(|case| format!("{case}: is listed, and is no case")));
            if verdicts.len() != self.cases {
                differences.push(format!("{} cases were run, the list is of {}", verdicts.len(), self.cases));
            }
        }
        differences
            .extend(self.rows.iter().filter(|row| row.1.reason.is_empty()).map(|row| format!("{}: is listed without a reason", row.0)));
        differences
    }

    fn renew(mut self, way: &str, verdicts: &[(String, Option<String>)]) {
        self.cases = verdicts.len();
        self.rows.retain(|case, _| verdicts.iter().any(|verdict| verdict.0 == *case));
        for (case, verdict) in verdicts {
            match verdict {
                Some(why) => {
                    let row = self.rows.entry(case.clone()).or_default();
                    row.ways.insert(way.to_string());
                    if row.reason.is_empty() {
                        row.reason = why.replace(['\n', '\t'], " ").chars().take(200).collect();
                    }
                }
                None => {
                    if let Some(row) = self.rows.get_mut(case) {
                        row.ways.remove(way);
                    }
                }
            }
        }
        self.rows.retain(|_, row| !row.ways.is_empty());
        let mut text = format!("# {} cases\n", self.cases);
        for (case, row) in &self.rows {
            let mut fields: Vec<String> = row.ways.iter().cloned().collect();
            fields.extend(row.tolerance.iter().flat_map(|t| [format!("rtol={:e}", t.rel), format!("atol={:e}", t.abs)]));
            text.push_str(&format!("{case}\t{}\t{}\n", fields.join(" "), row.reason));
        }
        std::fs::write(path(self.name), text).unwrap();
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{name}.txt"))
}

fn row(line: &str) -> (String, Row) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [case, ways, reason] = fields[..] else { panic!("a row is a case, ways and a reason: {line}") };
    let number = |prefix: &str| ways.split(' ').find_map(|word| word.strip_prefix(prefix)).map(|text| text.parse().expect("a number"));
    let tolerance = match (number("rtol="), number("atol=")) {
        (None, None) => None,
        (rel, abs) => Some(Tolerance { rel: rel.unwrap_or(1e-3), abs: abs.unwrap_or(1e-7) }),
    };
    let ways = ways.split(' ').filter(|word| !word.contains('=')).map(str::to_string).collect();
    (case.to_string(), Row { ways, tolerance, reason: reason.to_string() })
}

#[test]
fn a_list_excuses_what_it_names_and_nothing_else() {
    let list = KnownFailures { name: "none", cases: 2, rows: [row("a\teager\tno strings")].into() };
    let verdicts = |a: Option<&str>, b: Option<&str>| [("a".to_string(), a.map(str::to_string)), ("b".to_string(), b.map(str::to_string))];
    let differs = |way: &str, a, b| list.differences(way, true, &verdicts(a, b)).join(", ");
    assert_eq!(differs("eager", Some("unread"), None), "");
    assert!(differs("eager", None, None).starts_with("a: passes now"));
    assert_eq!(differs("eager", Some("unread"), Some("wrong")), "b: wrong");
    assert_eq!(differs("eager", Some("panic: index"), None), "a: panic: index");
    assert_eq!(differs("session", Some("unread"), None), "a: unread");
    let one = list.differences("eager", true, &verdicts(Some("unread"), None)[..1]).join(", ");
    assert_eq!(one, "1 cases were run, the list is of 2");
}
