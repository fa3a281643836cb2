//! Errors at the boundary have a code and a location, and leave what was there intact.

use ontrace::{Array, DType, Dim, DynModule, ErrorCode, Tensor, Traced, read, trace_fn};

fn doubled() -> Traced {
    trace_fn(|x: Tensor| 2.0 * &x, &Tensor::new([2, 3], vec![1.0f32; 6]).unwrap()).unwrap()
}

/// Calls that a module of one f32[2,3] must refuse.
fn wrong() -> Vec<Vec<Array>> {
    let array = |dtype, shape: &[usize]| Array::full(dtype, shape, 1.into());
    vec![
        vec![],
        vec![array(DType::F32, &[2, 3]), array(DType::F32, &[2, 3])],
        vec![array(DType::F32, &[2, 4])],
        vec![array(DType::F32, &[3])],
        vec![array(DType::F64, &[2, 3])],
        vec![array(DType::I64, &[2, 3])],
    ]
}

fn refuses(module: &dyn DynModule) {
    for inputs in wrong() {
        let tensors: Vec<Tensor> = inputs.iter().cloned().map(Tensor::from).collect();
        let error = module.forward(&tensors).expect_err("a wrong call");
        assert_eq!(error.code(), ErrorCode::Input, "{error:?}");
    }
    let right = module.forward(&[Tensor::new([2, 3], vec![1.0f32; 6]).unwrap()]).unwrap();
    assert_eq!(right[0].to_vec::<f32>().unwrap(), [2.0; 6], "a refused call leaves the module as it was");
}

#[test]
fn a_traced_graph_refuses_wrong_inputs() {
    refuses(&doubled());
}

#[cfg(feature = "tract")]
#[test]
fn a_session_refuses_wrong_inputs() {
    refuses(&doubled().session().unwrap());
}

#[test]
fn an_onnx_file_refuses_wrong_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doubled.onnx");
    doubled().save(&path).unwrap();
    refuses(&read::open(&path).unwrap());
}

#[test]
fn an_input_is_named_where_it_is_wrong() {
    let error = doubled().forward(&[Tensor::new([2, 4], vec![1.0f32; 8]).unwrap()]).unwrap_err();
    assert!(error.locations().any(|location| location == "input x"), "{error:?}");
}

#[test]
fn sizes_of_one_name_must_be_equal() {
    let x = Tensor::new([2], vec![1.0f32; 2]).unwrap();
    let example = ontrace::Example::new().input("a", &x).input("b", &x).symbolic("a", 0, "n").unwrap().symbolic("b", 0, "n").unwrap();
    let sum = ontrace::module::from_fn(|(a, b): (Tensor, Tensor)| &a + &b);
    let traced = ontrace::trace(&sum, example).unwrap();
    let vector = |n: usize| Tensor::new([n], vec![1.0f32; n]).unwrap();
    assert_eq!(traced.forward(&[vector(5), vector(5)]).unwrap()[0].shape()[0], Dim::Fixed(5));
    let error = traced.forward(&[vector(5), vector(4)]).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::Input | ErrorCode::Size), "{error:?}");
}

#[test]
fn a_folder_is_no_file_to_write() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(doubled().save(folder.path()).unwrap_err().code(), ErrorCode::Write);
    assert!(folder.path().is_dir());
    assert_eq!(
        std::fs::read_dir(folder.path().parent().unwrap()).unwrap().filter(|entry| entry.as_ref().unwrap().path() == folder.path()).count(),
        1
    );
}

#[test]
fn a_missing_folder_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert_eq!(doubled().save(missing.join("x.onnx")).unwrap_err().code(), ErrorCode::Write);
    assert!(!missing.exists());
}

#[test]
fn a_failing_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.onnx");
    doubled().save(&path).unwrap();
    let old = std::fs::read(&path).unwrap();
    // A folder whose name the temporary cannot be moved over.
    let blocked = folder.path().join("blocked.onnx");
    std::fs::create_dir(&blocked).unwrap();
    std::fs::write(blocked.join("kept"), &old).unwrap();
    assert_eq!(doubled().save(&blocked).unwrap_err().code(), ErrorCode::Write);
    assert_eq!(std::fs::read(blocked.join("kept")).unwrap(), old);
    assert_eq!(std::fs::read(&path).unwrap(), old);
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "no temporary is left behind");
}

#[test]
fn saving_again_replaces_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.onnx");
    std::fs::write(&path, "something else").unwrap();
    doubled().save(&path).unwrap();
    refuses(&read::open(&path).unwrap());
}

#[test]
fn a_missing_file_is_a_reading_error() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read::open(folder.path().join("none.onnx")).err().map(|error| error.code()), Some(ErrorCode::Read));
    assert_eq!(read::open(folder.path()).err().map(|error| error.code()), Some(ErrorCode::Read), "a folder");
}

#[test]
fn an_empty_file_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.onnx");
    std::fs::write(&path, "").unwrap();
    let code = read::open(&path).err().map(|error| error.code());
    assert!(matches!(code, Some(ErrorCode::NotAModel | ErrorCode::Damaged)), "{code:?}");
}
