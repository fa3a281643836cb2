//! Images as inputs: the values are those that torchvision makes of the same files (`tools/reference/photo.py`).

use super::program::{Folder, data};
use ontrace::{Array, DType, Example, Tensor, module, read, record};

/// A model that gives its input back, of this type.
fn same(folder: &Folder, dtype: DType, shape: &[usize]) {
    let x = Tensor::zeros(shape.to_vec(), dtype).unwrap();
    let model = record(&module::from_fn(|x: Tensor| x.mul(1)), Example::new().input("x", &x)).unwrap();
    folder.save("m.onnx", model.to_model().unwrap(), |_| {});
}

/// The input as the model got it, and what torchvision made.
#[track_caller]
fn compared(folder: &Folder, source: &str, expected: &str) -> (Array, Array) {
    let ran = folder.run(&["run", "m.onnx", "-i", source, "--out", "y.npz"]).exits(0);
    assert!(ran.stderr.contains("note"), "{}", ran.stderr);
    let expected = read::checkpoint(data("photo.safetensors")).unwrap()[expected].clone();
    let got = folder.outputs("y.npz").remove(0);
    assert_eq!((got.shape(), got.dtype()), (expected.shape(), expected.dtype()));
    (got, expected)
}

/// The largest difference, and how many elements differ by more than rounding.
fn apart((got, expected): &(Array, Array)) -> (f64, usize) {
    let differences = got.to_f64s().unwrap().into_iter().zip(expected.to_f64s().unwrap()).map(|(a, b)| (a - b).abs());
    differences.fold((0.0, 0), |(most, count), apart| (apart.max(most), count + usize::from(apart > 1e-4)))
}

/// One of 256 levels, divided by the smallest standard deviation. torchvision resamples bytes with weights in fixed point: that rounds a few elements
/// the other way.
const LEVEL: f64 = 1.0 / 255.0 / 0.224;

#[test]
fn a_png_is_resized_cropped_and_normalised_as_torchvision_does_it() {
    let folder = Folder::new();
    same(&folder, DType::F32, &[1, 3, 32, 32]);
    let pair = compared(&folder, &format!("x=@{}", data("photo.png")), "png");
    let (most, differing) = apart(&pair);
    assert!(most < 1.1 * LEVEL && differing < 3 * 32 * 32 / 20, "{most} in {differing}");
    // The same, spelled out; without a name.
    let spelled = "resize=37,crop=32,mean=0.485/0.456/0.406,std=0.229/0.224/0.225,scale=255,layout=nchw,color=rgb";
    let again = compared(&folder, &format!("@{},{spelled}", data("photo.png")), "png");
    assert_eq!(again.0, pair.0);
}

#[test]
fn a_jpeg_is_within_the_rounding_of_its_decoder() {
    let folder = Folder::new();
    same(&folder, DType::F32, &[1, 3, 32, 32]);
    let (most, _) = apart(&compared(&folder, &format!("x=@{}", data("photo.jpg")), "jpg"));
    assert!(most < 6.0 * LEVEL, "{most}");
}

#[test]
fn bytes_stay_bytes_and_the_layout_is_that_of_the_model() {
    let folder = Folder::new();
    same(&folder, DType::U8, &[1, 32, 32, 3]);
    let (most, differing) = apart(&compared(&folder, &format!("x=@{}", data("photo.png")), "bytes"));
    assert!(most <= 1.0 && differing < 3 * 32 * 32 / 20, "{most} in {differing}");
    same(&folder, DType::F32, &[1, 1, 32, 48]);
    let (most, differing) = apart(&compared(&folder, &format!("x=@{}", data("photo_gray.png")), "gray"));
    assert!(most < 1.1 / 255.0 && differing < 32 * 48 / 20, "{most} in {differing}");
}

#[test]
fn half_precision_batches_and_other_normalisations() {
    let folder = Folder::new();
    same(&folder, DType::F16, &[2, 3, 20, 30]);
    let source = format!("x=@{},resize=none,crop=20x30,mean=0,std=1,scale=1,color=bgr", data("photo.png"));
    let ran = folder.run(&["run", "m.onnx", "-i", &source, "--out", "y.npz"]).exits(0);
    ran.says(&["40x60 pixels", "cropped to 20x30", "repeated 2 times"]);
    let values = folder.outputs("y.npz").remove(0);
    assert_eq!((values.dtype(), values.shape()), (DType::F16, &[2, 3, 20, 30][..]));
    let values = values.to_f64s().unwrap();
    assert_eq!(values[..1800], values[1800..]);
    // Blue comes first: 255 inside the circle around (20, 30) of the photo, which is (10, 15) of the crop.
    assert_eq!((values[10 * 30 + 15], values[0]), (255.0, 0.0));
}

#[test]
fn what_is_no_image_or_does_not_fit_is_refused() {
    let folder = Folder::new();
    same(&folder, DType::F32, &[1, 3, 32, 32]);
    std::fs::write(folder.path("text.png"), "no image").unwrap();
    let png = std::fs::read(data("photo.png")).unwrap();
    std::fs::write(folder.path("cut.png"), &png[..png.len() / 2]).unwrap();
    let mut large = png.clone();
    large[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    std::fs::write(folder.path("large.png"), large).unwrap();
    let photo = data("photo.png");
    for (source, exit, says) in [
        ("x=@nowhere.png".to_string(), 1, "nowhere.png"),
        ("x=@text.png".to_string(), 1, "not a PNG or JPEG image"),
        ("x=@cut.png".to_string(), 1, "error[E0302]"),
        ("x=@large.png".to_string(), 1, "error["),
        (format!("x=@{photo},size=3"), 2, "`size=3` is no option of an image"),
        (format!("x=@{photo},resize=16"), 2, "larger than the image"),
        (format!("x=@{photo},mean=1/2"), 2, "2 values for 3 channels"),
        (format!("x=@{photo},color=gray"), 2, "the model takes 3 channels"),
        (format!("x=@{photo},layout=chw"), 2, "has 3 axes"),
    ] {
        let ran = folder.run(&["run", "m.onnx", "-i", &source]);
        assert!(ran.exit == exit || exit == 1 && ran.exit == 5, "{source}: {} {}", ran.exit, ran.stderr);
        ran.says(&[says]);
    }
}
