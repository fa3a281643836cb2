//! Every command on every format of model, and the table of them in docs/cli.md.

use crate::program::{Folder, data};
use std::path::Path;

/// The commands that take a model, with their arguments (`M` is the model), and the file here that tests what they do.
const COMMANDS: [(&str, &str); 13] = [
    ("inspect M", "usage.rs"),
    ("convert M -o out.onnx", "verification.rs"),
    ("check M", "verification.rs"),
    ("run M", "inputs.rs"),
    ("compare M M", "compare.rs"),
    ("diff M M", "diff.rs"),
    ("draw M -o out.svg", "draw.rs"),
    ("bench M --runs 2", "bench.rs"),
    ("simplify M -o out.onnx", "simplify.rs"),
    ("edit M -o out.onnx --set author=me", "edit.rs"),
    ("batch M --to out", "batch.rs"),
    ("serve-layout M --repo repo", "serve_layout.rs"),
    ("strip M -o out.onnx", "usage.rs"),
];

const MARKS: (&str, &str) = ("<!-- formats: written by tools/tests/options/formats.rs -->\n", "<!-- end of formats -->");

#[test]
fn every_command_takes_every_format_and_the_table_says_so() {
    let folder = Folder::new();
    std::fs::copy(data("mlp.pt"), folder.path("m.pt")).unwrap();
    std::fs::copy(data("map.pt2"), folder.path("m.pt2")).unwrap();
    folder.run(&["convert", "m.pt", "-o", "m.onnx"]).exits(0);
    let mut table = "| command | `.pt` | `.pt2` | `.onnx` | what it does is tested in |\n|---|---|---|---|---|\n".to_string();
    for (command, tested) in COMMANDS {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/options").join(tested);
        let name = command.split(' ').next().unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains(&format!("\"{name}\"")), "{tested} does not run {name}");
        table += &format!("| `{name}` |");
        for format in ["pt", "pt2", "onnx"] {
            for output in ["out.onnx", "out.svg"] {
                let _ = std::fs::remove_file(folder.path(output));
            }
            for output in ["out", "repo"] {
                let _ = std::fs::remove_dir_all(folder.path(output));
            }
            let model = format!("m.{format}");
            let arguments: Vec<&str> = command.split(' ').map(|word| if word == "M" { &model } else { word }).collect();
            let ran = folder.run(&arguments);
            table += match ran.exit {
                0 => " yes |",
                1 | 2 if ran.stderr.contains("error[E0") => " refused |",
                code => panic!("{arguments:?}: {code} {}", ran.stderr),
            };
        }
        table += &format!(" [{tested}](../tools/tests/options/{tested}) |\n");
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let text = std::fs::read_to_string(&document).unwrap();
    let (before, rest) = text.split_once(MARKS.0).unwrap();
    let (shown, after) = rest.split_once(MARKS.1).unwrap();
    if std::env::var_os("ONTRACE_RENEW").is_some() {
        std::fs::write(&document, format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1)).unwrap();
    } else {
        assert_eq!(shown, table, "ONTRACE_RENEW=1 renews the table");
    }
}
