//! The commonest mistakes of tracing do not compile.

#[test]
fn mistakes_of_tracing_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
