"""The package without torch: small models of the project's tests."""

import json
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import ontrace

DATA = pathlib.Path(__file__).resolve().parents[3] / "tests" / "data"


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "resnet.onnx"
    ontrace.convert(DATA / "resnet_tiny.pt", path, dynamic={"x": {0: "batch"}})
    return path


def test_a_conversion_is_verified_and_written(tmp_path):
    converted = ontrace.convert(DATA / "mlp.pt", tmp_path / "m.onnx", opset=19)
    assert converted.verified and converted.opset == 19 and converted.path.read_bytes() == bytes(converted)


def test_bytes_become_bytes():
    source = (DATA / "mlp.pt").read_bytes()
    converted = ontrace.convert(source)
    assert converted.path is None and ontrace.inspect(bytes(converted))["format"].lower().startswith("onnx")
    assert ontrace.compare(source, bytes(converted))["ok"]


def test_axes_are_free_in_every_spelling():
    spellings = ["x:0=batch", ["x:0=batch"], {"x": {0: "batch"}}, {"x": ["batch", None, None, None]}, {"x": {0: ("batch", 1, 64)}}]
    for dynamic in spellings:
        session = ontrace.Session(DATA / "resnet_tiny.pt", dynamic=dynamic)
        assert session.inputs == [("x", "f32", ("batch", 3, 32, 32))], dynamic
        assert session(np.zeros((2, 3, 32, 32), np.float32)).shape == (2, 10)
    assert ontrace.Session(DATA / "resnet_tiny.pt", dynamic={"x": [0]}).inputs[0].shape[0] == "x_0"


def test_a_session_takes_and_gives_arrays(resnet):
    session = ontrace.Session(resnet)
    x = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    y = session(x)
    assert y.shape == (3, 10) and y.dtype == np.float32
    np.testing.assert_array_equal(session(x=x), y)
    np.testing.assert_array_equal(session.run({"x": x})["y"], y)
    # Views, other memory orders and other byte orders are the same values.
    np.testing.assert_array_equal(session(np.asfortranarray(x)), y)
    np.testing.assert_array_equal(session(x[:, ::-1][:, ::-1]), y)
    np.testing.assert_array_equal(session(x.astype(">f4")), y)
    np.testing.assert_allclose(session(x[1:2]), y[1:2], rtol=1e-4, atol=1e-5)
    assert "Session(resnet.onnx: (x: f32[batch,3,32,32])" in repr(session)


def test_wrong_inputs_are_errors_that_name_them(resnet):
    session = ontrace.Session(resnet)
    with pytest.raises(ontrace.Error, match=r"input x: expected f32\[batch,3,32,32\], got f64"):
        session(np.zeros((1, 3, 32, 32)))
    with pytest.raises(TypeError, match="no input `y`; the inputs are: x"):
        session.run({"y": np.zeros(1)})
    with pytest.raises(TypeError, match="the model takes 1 inputs"):
        session(1, 2)
    with pytest.raises(TypeError, match="dtype <U1"):
        session(np.array(["a"]))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"])
def test_every_dtype_passes_through(dtype, tmp_path):
    onnx = pytest.importorskip("onnx")
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    types = [onnx.helper.make_tensor_value_info(name, element, [2, None]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", types[:1], types[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), tmp_path / "m.onnx")
    x = np.arange(6).reshape(2, 3).astype(dtype)
    y = ontrace.Session(tmp_path / "m.onnx")(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)


def test_numbers_arrays_and_shapes_are_inputs():
    inputs = {"x": np.ones((5, 3), np.float32), "n": 2, "a": 0.5, "step": 2}
    assert ontrace.convert(DATA / "numbers.pt", inputs=inputs).verified
    assert ontrace.convert(DATA / "mlp.pt", inputs={"input": (4, 16)}).verified
    assert ontrace.convert(DATA / "mlp.pt", inputs=["input:4,16"]).verified


def test_an_answer_that_is_no_is_a_value(resnet):
    assert ontrace.check(resnet)["ok"]
    x = np.ones((1, 3, 32, 32), np.float32)
    y = ontrace.Session(resnet)(x)
    assert ontrace.check(resnet, inputs={"x": x}, against={"y": y})["ok"]
    wrong = ontrace.check(resnet, inputs={"x": x}, against={"y": y + 1})
    assert not wrong["ok"] and wrong["error"]["code"] == "E0403" and "10 of 10" in wrong["error"]["message"]


def test_errors_have_a_code_a_location_and_help(tmp_path):
    with pytest.raises(ontrace.Error) as caught:
        ontrace.convert(DATA / "mlp.pt", tmp_path / "m.onnx", dynamic="y:0=batch")
    assert caught.value.exit_code == 2 and "the inputs are: input" in caught.value.help and not list(tmp_path.iterdir())
    with pytest.raises(ontrace.Error, match="no such file"):
        ontrace.inspect("nowhere.pt")
    with pytest.raises(ontrace.Error) as caught:
        ontrace.command("frobnicate")
    assert caught.value.exit_code == 2


def test_every_command_can_be_called(tmp_path):
    report = ontrace.command("draw", DATA / "mlp.pt", "-o", tmp_path / "m.svg")
    assert report["schema"] == "ontrace.draw/1" and (tmp_path / "m.svg").read_text().startswith("<svg")


def test_threads_share_a_session(resnet):
    session = ontrace.Session(resnet)
    x = [np.full((1 + i, 3, 32, 32), i, np.float32) for i in range(4)]
    expected = [session(one) for one in x]
    got = [None] * 4

    def work(i):
        for _ in range(3):
            got[i] = session(x[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for one, other in zip(got, expected):
        np.testing.assert_array_equal(one, other)


def test_other_threads_run_while_a_model_runs(resnet):
    session = ontrace.Session(resnet)
    x = np.zeros((64, 3, 32, 32), np.float32)
    done, ticks = threading.Event(), 0

    def work():
        session(x)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks > 3


def test_the_command_line_is_that_of_the_program():
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "ontrace", *arguments], capture_output=True, text=True)

    answer = run("--json", "inspect", str(DATA / "mlp.pt"))
    assert answer.returncode == 0 and json.loads(answer.stdout)["schema"] == "ontrace.inspect/1"
    assert run("frobnicate").returncode == 2 and run("inspect", "nowhere.pt").returncode == 1
    assert run("--version").stdout.strip() == f"ontrace {ontrace.__version__}"


def test_stub_and_extension_have_the_same_names():
    from ontrace import _native

    stub = (pathlib.Path(ontrace.__file__).parent / "_native.pyi").read_text()
    for name in ["Error", "NativeSession", "main", "answer", "__version__"]:
        assert hasattr(_native, name) and name in stub
