//! A campaign of hostile runs of the `ontrace` program: mutated files, every command, limits, kills and full devices. It prints the table of
//! `docs/reliability.md`.
//!
//! ```text
//! cargo run -p ontrace-cli --example torture -- --minutes 20 --binary target/release/ontrace [--seed N] [--corpus DIR] [--keep DIR] [--python PATH]
//! ```
//!
//! With `--runs N` in place of `--minutes` it ends after as many mutated files: the same ones on every machine.
//!
//! The exit code is 1 where something must not have happened. With `--keep` the files are kept for which it did. With a Python that has onnx and onnxruntime,
//! models that `check` accepts are judged by them, and what both run must agree.

mod judge;
mod mutate;
mod process;
mod protobuf;
mod random;

use random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a run may take before it is a hang: long, because a busy machine is no fault of the program.
const HANG: Duration = Duration::from_secs(120);

/// The CPU time that `inspect` and `check` may take of a file smaller than 1 MB, in seconds, and that a run counts as slow from.
const SLOW: f64 = 1.0;

/// What a run that executes the model may take, in MB: the limit of 1 GiB for its values, and the program.
const RUN: f64 = 1400.0;

/// What reading a file may take beside four times its size, in MB: 64 MiB, and what the program takes without a file.
const READ: f64 = 68.0 + 50.0;

/// The longest text of a run that fails, in bytes.
const TEXT: usize = 20_000;

struct Options {
    minutes: f64,
    /// How many mutated files, whatever time they take.
    runs: Option<u64>,
    seed: u64,
    binary: PathBuf,
    corpus: PathBuf,
    keep: Option<PathBuf>,
    python: Option<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        minutes: 1.0,
        runs: None,
        seed: 0,
        binary: PathBuf::from("target/debug/ontrace"),
        corpus: PathBuf::from("tests/data"),
        keep: None,
        python: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--minutes" => options.minutes = value.parse().map_err(|_| "--minutes takes a number".to_string())?,
            "--runs" => options.runs = Some(value.parse().map_err(|_| "--runs takes a whole number".to_string())?),
            "--seed" => options.seed = value.parse().map_err(|_| "--seed takes a whole number".to_string())?,
            "--binary" => options.binary = value.into(),
            "--corpus" => options.corpus = value.into(),
            "--keep" => options.keep = Some(value.into()),
            "--python" => options.python = Some(value.into()),
            _ => return Err(format!("unknown option {name}; known: --minutes --runs --seed --binary --corpus --keep --python")),
        }
    }
    options.binary = options.binary.canonicalize().map_err(|error| format!("{}: {error}", options.binary.display()))?;
    Ok(options)
}

/// The files that are mutated: of the formats that commands read, and not larger than 200 kB.
fn corpus(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_small = path.metadata().is_ok_and(|metadata| metadata.len() < 200_000);
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => corpus(&path, found),
            Some("pt" | "pt2" | "onnx" | "pth" | "safetensors" | "npy" | "npz") if is_small => found.push(path),
            _ => {}
        }
    }
}

/// The commands for a file of this kind, as arguments; `m` is the file in the folder of the run.
fn commands(extension: &str) -> Vec<Vec<String>> {
    let m = format!("m.{extension}");
    let of = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    match extension {
        "npy" | "npz" | "safetensors" => vec![of(&["run", "relu.onnx", "-i", &format!("x=@{m}")]), of(&["inspect", &m])],
        "pth" => vec![of(&["inspect", &m, "--tensors"])],
        _ => vec![
            of(&["inspect", &m]),
            of(&["inspect", &m, "--json"]),
            of(&["check", &m]),
            of(&["check", &m, "--json", "--effort", "1"]),
            of(&["convert", &m, "-o", "out.onnx"]),
            of(&["convert", &m, "-o", "out.onnx", "--no-check"]),
            of(&["convert", &m, "-o", "out.onnx", "--dynamic", "all", "--effort", "1"]),
            of(&["run", &m, "--out", "y.npz"]),
            of(&["run", &m, "--backend", "eager"]),
            of(&["compare", &m, &m]),
        ],
    }
}

#[derive(Default)]
struct Campaign {
    runs: usize,
    /// By format: runs, accepted, refused.
    formats: BTreeMap<String, [usize; 3]>,
    mutators: BTreeMap<&'static str, usize>,
    codes: BTreeMap<String, usize>,
    /// Processes that a signal ended inside the isolation, which are errors with a code.
    isolated: usize,
    seconds: f64,
    megabytes: f64,
    /// Runs above [`SLOW`].
    slow: usize,
    /// What must not happen: by kind, how often, and the first run.
    wrong: BTreeMap<&'static str, (usize, String)>,
}

impl Campaign {
    fn fault(&mut self, kind: &'static str, run: &str) {
        self.wrong.entry(kind).or_insert((0, run.to_string())).0 += 1;
    }

    /// Judges a run by what it came to; gives what is wrong with it.
    fn judge(&mut self, arguments: &[String], size: usize, outcome: &process::Outcome, extension: &str) -> Vec<&'static str> {
        self.runs += 1;
        let row = self.formats.entry(extension.to_string()).or_default();
        row[0] += 1;
        row[if outcome.exit == Some(0) { 1 } else { 2 }] += 1;
        *self.codes.entry(outcome.code().unwrap_or("accepted").to_string()).or_default() += 1;
        self.isolated += usize::from(outcome.text.contains("the process was ended by signal"));
        self.seconds = self.seconds.max(outcome.seconds);
        self.slow += usize::from(outcome.seconds > SLOW);
        self.megabytes = self.megabytes.max(outcome.megabytes);
        let is_read = arguments[0] == "inspect" || arguments.iter().any(|word| word == "--no-check");
        let is_json = arguments.iter().any(|word| word == "--json");
        let is_coded = outcome.code().is_some() || (is_json && outcome.text.contains("\"code\":\"E"));
        let limit = if is_read { READ } else { RUN } + 4.0 * size as f64 / 1e6;
        let checks = [
            ("hang", outcome.is_late),
            ("signal", outcome.exit.is_none() && !outcome.is_late),
            ("panic", outcome.exit == Some(101) || outcome.text.contains("E0901") || outcome.text.contains("panicked at")),
            ("over the memory budget", outcome.megabytes > limit),
            ("an error without a code", outcome.exit.is_some_and(|exit| exit != 0 && exit != 101) && !is_coded),
            ("a failure that says more than 20 kB", outcome.exit != Some(0) && outcome.text.len() > TEXT && !is_json),
        ];
        checks.into_iter().filter(|check| check.1).map(|check| check.0).collect()
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match campaign(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn campaign(options: &Options) -> std::io::Result<bool> {
    // Of all that is started from here: nothing needs more than this, and a mistake does not take the machine.
    if let Ok((_, hard)) = rlimit::Resource::AS.get() {
        let _ = rlimit::Resource::AS.set((8u64 << 30).min(hard), hard);
    }
    let mut files = Vec::new();
    corpus(&options.corpus, &mut files);
    files.sort();
    if files.is_empty() {
        return Err(std::io::Error::other(format!("no model files in {}", options.corpus.display())));
    }
    let (started, mut campaign) = (Instant::now(), Campaign::default());
    let mut judge = options.python.as_deref().map(judge::Judge::start).transpose()?;
    let until = Duration::from_secs_f64(options.minutes * 60.0);
    for seed in options.seed.. {
        let is_over = match options.runs {
            Some(runs) => seed - options.seed >= runs,
            // A tenth of the time is for kills.
            None => started.elapsed() > until.mul_f64(0.9),
        };
        if is_over {
            break;
        }
        one(options, &files, seed, &mut campaign, judge.as_mut())?;
    }
    let streams = streams(options, &files, &mut campaign)?;
    let writers = writers(options, &files, &mut campaign)?;
    let left = if options.runs.is_some() { Duration::ZERO } else { until.saturating_sub(started.elapsed()) };
    let (kills, ended) = kills(options, &files, left, &mut campaign)?;
    report(options, &campaign, started.elapsed(), judge.as_ref(), Others { kills, ended, streams, writers });
    Ok(campaign.wrong.is_empty())
}

/// One mutated file and one command.
fn one(options: &Options, files: &[PathBuf], seed: u64, campaign: &mut Campaign, judge: Option<&mut judge::Judge>) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    // Formats are tried equally often, however many files each has.
    let format = |path: &Path| path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_string();
    let formats: BTreeSet<String> = files.iter().map(|path| format(path)).collect();
    let extension = random.of(&formats.into_iter().collect::<Vec<_>>()).clone();
    let same: Vec<&PathBuf> = files.iter().filter(|path| format(path) == extension).collect();
    let original = *random.of(&same);
    let (bytes, mutator) = mutate::file(&std::fs::read(original)?, &extension, &mut random);
    let folder = tempfile::tempdir()?;
    let model = folder.path().join(format!("m.{extension}"));
    std::fs::write(&model, &bytes)?;
    if ["npy", "npz", "safetensors"].contains(&&*extension) {
        std::fs::write(folder.path().join("relu.onnx"), relu())?;
    }
    let arguments = random.of(&commands(&extension)).clone();
    let outcome = process::run(&options.binary, &arguments, folder.path(), HANG, None)?;
    *campaign.mutators.entry(mutator).or_default() += 1;
    let name = format!("seed {seed}: {} of {}, {}", mutator, original.display(), arguments.join(" "));
    let mut wrong = campaign.judge(&arguments, bytes.len(), &outcome, &extension);
    let names = std::fs::read_dir(folder.path())?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_left = names.into_iter().any(|name| name.ends_with(".part") || (name == "out.onnx" && outcome.exit != Some(0)));
    wrong.extend(is_left.then_some("a file left by a failure"));
    if let (Some(judge), "onnx", Some(0), "check") = (judge, &*extension, outcome.exit, arguments[0].as_str()) {
        wrong.extend(judge.of(&options.binary, &model, folder.path(), HANG)?);
    }
    if outcome.seconds > SLOW {
        eprintln!("slow, {:.1} s: {name}", outcome.seconds);
    }
    for kind in &wrong {
        campaign.fault(kind, &name);
        let first = outcome.text.lines().next().unwrap_or_default().chars().take(300).collect::<String>();
        eprintln!("{kind}: {name}\n    {first}");
    }
    if let (Some(keep), false) = (&options.keep, wrong.is_empty()) {
        std::fs::create_dir_all(keep)?;
        std::fs::write(keep.join(format!("{seed}.{extension}")), &bytes)?;
    }
    Ok(())
}

/// The bytes of an ONNX model `y = Relu(x)`, `x: f32[n]`.
fn relu() -> Vec<u8> {
    fn field(number: u8, inner: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, inner.len() as u8], inner].concat()
    }
    let value = |name: &str| {
        let shape = field(2, &field(1, &field(2, b"n")));
        [field(1, name.as_bytes()), field(2, &field(1, &[&b"\x08\x01"[..], &shape].concat()))].concat()
    };
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Relu")].concat();
    let graph = [field(1, &node), field(2, b"g"), field(11, &value("x")), field(12, &value("y"))].concat();
    [&b"\x08\x08"[..], &field(7, &graph), &field(8, b"\x10\x12")].concat()
}

/// Every command with both streams on a device that is full: a failure, never a panic.
fn streams(options: &Options, files: &[PathBuf], campaign: &mut Campaign) -> std::io::Result<usize> {
    let Some(file) = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "onnx")) else { return Ok(0) };
    let folder = tempfile::tempdir()?;
    std::fs::copy(file, folder.path().join("m.onnx"))?;
    let mut all = commands("onnx");
    all.push(vec!["--help".to_string()]);
    let count = all.len();
    for arguments in all {
        let outcome = process::run(&options.binary, &arguments, folder.path(), HANG, Some("/dev/full"))?;
        // A command that fails by itself keeps its exit code.
        if matches!(outcome.exit, None | Some(0 | 101)) {
            campaign.fault("no failure on a full device", &format!("{} gives {:?}", arguments.join(" "), outcome.exit));
        }
    }
    Ok(count)
}

/// Pairs of conversions to one file at the same time: both succeed, the file is that of one of them, and nothing else is left.
fn writers(options: &Options, files: &[PathBuf], campaign: &mut Campaign) -> std::io::Result<usize> {
    let Some(conversions) = Conversions::new(options, files)? else { return Ok(0) };
    let pairs = 20;
    for pair in 1..=pairs {
        let folder = conversions.folder.path();
        let both = Conversions::OPSETS.map(|opset| process::start(&options.binary, &conversions.to(opset, "out.onnx"), folder));
        for child in both {
            if !child?.wait()?.success() {
                campaign.fault("a failure of one of two writers", &format!("pair {pair}"));
            }
        }
        conversions.judge(&format!("pair {pair}"), campaign)?;
    }
    conversions.judge_rest(&format!("{pairs} pairs of writers"), campaign)?;
    Ok(pairs)
}

/// Conversions that are killed at a random time: the file before or the file after is there whole, and the next write leaves nothing else.
fn kills(options: &Options, files: &[PathBuf], time: Duration, campaign: &mut Campaign) -> std::io::Result<(usize, usize)> {
    let Some(conversions) = Conversions::new(options, files)? else { return Ok((0, 0)) };
    let folder = conversions.folder.path();
    let (mut random, mut kills, mut ended, started) = (Random::new(options.seed), 0, 0, Instant::now());
    while started.elapsed() < time || kills < 20 {
        let after = conversions.longest.mul_f64(random.below(1000) as f64 / 1000.0);
        let arguments = conversions.to(Conversions::OPSETS[kills % 2], "out.onnx");
        ended += usize::from(process::killed(&options.binary, &arguments, folder, after)?);
        kills += 1;
        conversions.judge(&format!("kill {kills}"), campaign)?;
    }
    process::run(&options.binary, &conversions.to("18", "out.onnx"), folder, HANG, None)?;
    conversions.judge_rest(&format!("{kills} kills"), campaign)?;
    Ok((kills, ended))
}

/// Conversions that replace one file by another: of the same model to two opsets.
struct Conversions {
    model: String,
    folder: tempfile::TempDir,
    /// The files that may be there.
    whole: Vec<Vec<u8>>,
    /// How long one takes.
    longest: Duration,
}

impl Conversions {
    const OPSETS: [&str; 2] = ["17", "18"];

    /// Writes the file once; `None` where the corpus does not have the model.
    fn new(options: &Options, files: &[PathBuf]) -> std::io::Result<Option<Conversions>> {
        let Some(model) = files.iter().rev().find(|path| path.file_name().is_some_and(|name| name == "resnet_tiny.pt")) else {
            return Ok(None);
        };
        let model = model.canonicalize()?.display().to_string();
        let mut conversions = Conversions { model, folder: tempfile::tempdir()?, whole: Vec::new(), longest: Duration::ZERO };
        for opset in Self::OPSETS {
            let started = Instant::now();
            process::run(&options.binary, &conversions.to(opset, "out.onnx"), conversions.folder.path(), HANG, None)?;
            conversions.longest = conversions.longest.max(started.elapsed());
            conversions.whole.push(std::fs::read(conversions.folder.path().join("out.onnx"))?);
        }
        Ok(Some(conversions))
    }

    /// The arguments of a conversion to an opset.
    fn to(&self, opset: &str, out: &str) -> Vec<String> {
        ["convert", &self.model, "--no-check", "--opset", opset, "-o", out].map(str::to_string).to_vec()
    }

    /// Whether the file is one of those that may be there.
    fn judge(&self, when: &str, campaign: &mut Campaign) -> std::io::Result<()> {
        if !self.whole.contains(&std::fs::read(self.folder.path().join("out.onnx"))?) {
            campaign.fault("a torn file", when);
        }
        Ok(())
    }

    /// Whether temporary files are left.
    fn judge_rest(&self, when: &str, campaign: &mut Campaign) -> std::io::Result<()> {
        let is_temporary = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".part");
        let left = std::fs::read_dir(self.folder.path())?.flatten().filter(is_temporary).count();
        if left > 0 {
            campaign.fault("a temporary file left after the next write", &format!("{left} after {when}"));
        }
        Ok(())
    }
}

/// What a campaign did beside the runs on mutated files.
struct Others {
    kills: usize,
    /// Kills that came before the end.
    ended: usize,
    streams: usize,
    writers: usize,
}

/// The table as Markdown.
fn report(options: &Options, campaign: &Campaign, time: Duration, judge: Option<&judge::Judge>, others: Others) {
    let commit = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default();
    let list = |counts: Vec<(String, usize)>| counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    println!("| what | figure |\n|---|---|");
    println!("| commit, first seed | {commit}, {} |", options.seed);
    println!("| time | {:.1} minutes |", time.as_secs_f64() / 60.0);
    println!("| runs on mutated files | {} |", campaign.runs);
    for (format, [runs, accepted, refused]) in &campaign.formats {
        println!("| of .{format} | {runs}: {accepted} accepted, {refused} refused |");
    }
    println!("| mutations | {} |", list(campaign.mutators.iter().map(|(name, count)| (name.to_string(), *count)).collect()));
    println!("| answers | {} |", list(campaign.codes.iter().map(|(name, count)| (name.clone(), *count)).collect()));
    println!("| processes ended by a signal inside the isolation, each an error with a code | {} |", campaign.isolated);
    println!(
        "| longest run (CPU), runs above {SLOW} s, highest memory | {:.1} s, {}, {:.0} MB |",
        campaign.seconds, campaign.slow, campaign.megabytes
    );
    if let Some(judge) = judge {
        println!(
            "| accepted models judged by ONNX's checker and ONNX Runtime | {}: {} run by both and compared |",
            judge.asked, judge.compared
        );
        println!(
            "| of these, other outputs in ONNX Runtime, and ONNX's reference implementation agrees with this program | {} |",
            judge.departures
        );
    }
    println!("| kills while a file is replaced | {}, {} of them before the end |", others.kills, others.ended);
    println!("| pairs of writers of one file | {} |", others.writers);
    println!("| commands on a full device | {} |", others.streams);
    println!("| must not happen | {} |", if campaign.wrong.is_empty() { "nothing did" } else { "see below" });
    for (kind, (count, first)) in &campaign.wrong {
        println!("| {kind} | {count}, first: {first} |");
    }
}
