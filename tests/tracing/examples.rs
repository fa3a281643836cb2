//! Every program in `examples/` runs to its end. Their `main` is `pub(crate)` so that this file can call it.

/// Includes an example as a module, and runs its `main` as a test.
macro_rules! examples {
    ($($name:ident: $file:literal,)*) => {
        $(#[path = $file]
        #[allow(dead_code)]
        mod $name;)*

        $(#[test]
        fn $name() -> ontrace::Result<()> {
            $name::main()
        })*

        const LISTED: &[&str] = &[$(stringify!($name)),*];
    };
}

examples! {
    closure: "../../examples/closure.rs",
    control_flow: "../../examples/control_flow.rs",
    convert_pt: "../../examples/convert_pt.rs",
    custom_op: "../../examples/custom_op.rs",
    from_ndarray: "../../examples/from_ndarray.rs",
    network: "../../examples/network.rs",
    serve: "../../examples/serve.rs",
    swap_weights: "../../examples/swap_weights.rs",
    trees: "../../examples/trees.rs",
}

/// Those that start themselves once more, which a test cannot: `.ci/run` runs them.
const PROGRAMS: &[&str] = &["isolated"];

#[test]
fn every_example_is_listed_and_short() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 60, "{} has {lines} lines", path.display());
        names.push(path.file_stem().unwrap().to_str().unwrap().to_string());
    }
    names.sort();
    let mut listed = [LISTED, PROGRAMS].concat();
    listed.sort();
    assert_eq!(names, listed);
}
