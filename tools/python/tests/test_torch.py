"""`ontrace.export`: skipped without torch."""

import numpy as np
import pytest

import ontrace

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


class Tokens(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 8)
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, input_ids, attention_mask=None):
        mask = None if attention_mask is None else attention_mask == 0
        return {"hidden": self.layer(self.table(input_ids), src_key_padding_mask=mask), "count": input_ids.sum(-1)}


def test_a_module_is_exported_and_compared_with_torch(tmp_path):
    net, x = Net(), torch.randn(2, 3, 8, 8)
    net.train()
    exported = ontrace.export(net, (x,), tmp_path / "m.onnx", dynamic={"x": {0: "batch"}})
    assert exported.verified and exported.method == "trace" and net.training and net.norm.training
    assert [call.name for call in exported.calls] == ["example", "random", "batch=3", "batch=1", "batch=7"]
    assert all(call.rejected is None and max(call.differences.values()) < 1e-4 for call in exported.calls)
    session = ontrace.Session(exported.path)
    assert session.inputs[0] == ("x", "f32", ("batch", 3, 8, 8))
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(session(x), net(x).numpy(), rtol=1e-4, atol=1e-5)


def test_it_takes_the_arguments_of_torch_onnx_export(tmp_path):
    net, x = Net(), torch.randn(2, 3, 8, 8)
    names = {"input_names": ["image"], "output_names": ["scores"], "opset_version": 20}
    exported = ontrace.export(net, x, tmp_path / "m.onnx", dynamic_axes={"image": {0: "n"}, "scores": {0: "n"}}, **names)
    session = ontrace.Session(exported.path)
    assert (session.inputs[0].name, session.outputs[0].name, exported.report["opset"]) == ("image", "scores", 20)
    exported = ontrace.export(net, (x,), f=tmp_path / "n.onnx", dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1, max=16)}})
    assert ontrace.Session(exported.path).inputs[0].shape[0] == "batch"


def test_named_arguments_and_dictionaries_keep_their_names():
    kwargs = {"attention_mask": torch.ones(2, 6, dtype=torch.int64), "input_ids": torch.randint(0, 50, (2, 6))}
    axes = {0: "batch", 1: "seq"}
    exported = ontrace.export(Tokens(), kwargs=kwargs, dynamic={"input_ids": axes, "attention_mask": axes})
    session = ontrace.Session(bytes(exported))
    assert {one.name for one in session.inputs} == set(kwargs) and {one.name for one in session.outputs} == {"hidden", "count"}
    assert exported.verified and len(exported.calls) == 5
    got = session.run({"input_ids": np.zeros((1, 9), np.int64), "attention_mask": np.ones((1, 9), np.int64)})
    assert got["hidden"].shape == (1, 9, 8) and got["count"].shape == (1,)


def test_lists_numbers_and_tuples_are_arguments():
    class Sum(torch.nn.Module):
        def forward(self, xs, scale=1.0):
            return xs[0] * scale, [xs[1] + xs[0], xs[1]]

    exported = ontrace.export(Sum(), ([torch.ones(2), torch.zeros(2)], 3.0))
    session = ontrace.Session(bytes(exported))
    results = session(np.ones(2, np.float32), np.zeros(2, np.float32))
    np.testing.assert_array_equal(results[0], [3, 3])
    assert len(results) == 3 and [one.name for one in session.inputs] == ["xs_0", "xs_1"]


def test_scripted_modules_keep_their_branches():
    class Loop(torch.nn.Module):
        def forward(self, x, n: int):
            for _ in range(n):
                x = x * 2 if bool(x.sum() > 0) else x - 1
            return x

    exported = ontrace.export(torch.jit.script(Loop()), (torch.randn(3, 4), 3), dynamic={"x": {0: "batch"}})
    assert exported.method == "script" and exported.verified
    session = ontrace.Session(bytes(exported))
    np.testing.assert_array_equal(session(-np.ones((1, 4), np.float32), 2), -3 * np.ones((1, 4)))


def test_a_scripted_module_may_call_itself_what_it_likes():
    class Net(torch.nn.Module):
        def forward(this, x):
            return x + 1

    exported = ontrace.export(torch.jit.script(Net()), (torch.randn(3, 4),), dynamic={"x": {0: "batch"}})
    assert exported.method == "script" and exported.verified


def test_exported_programs_are_taken_as_they_are():
    program = torch.export.export(Net().eval(), (torch.randn(2, 3, 8, 8),))
    exported = ontrace.export(program, (torch.randn(2, 3, 8, 8),))
    assert exported.method == "export" and exported.verified


def test_what_a_trace_loses_is_an_error_and_writes_nothing(tmp_path):
    class Branch(torch.nn.Module):
        def forward(self, x):
            return x * 2 if x.shape[0] > 4 else x + 1

    with pytest.raises(ontrace.Error, match="differs from torch") as caught:
        ontrace.export(Branch(), (torch.randn(3, 4),), tmp_path / "m.onnx", dynamic={"x": {0: "batch"}})
    assert caught.value.exit_code == 6 and not list(tmp_path.iterdir())


def test_sizes_that_torch_refuses_are_said():
    class Table(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = torch.nn.Parameter(torch.randn(6, 3))

        def forward(self, x):
            return x + self.rows[: x.shape[0]]

    exported = ontrace.export(Table(), (torch.randn(4, 3),), dynamic={"x": {0: "n"}})
    assert [call.name for call in exported.calls if call.rejected] == ["n=11"] and exported.verified


def test_the_module_is_left_as_it_was():
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            return x.relu_() + 1

    module, x = Counter(), -torch.ones(2)
    ontrace.export(module, (x,))
    assert "forward" not in vars(module) and float(x[0]) == -1 and module.training


def test_functions_and_wrong_calls_are_refused_with_a_reason():
    x = torch.ones(2)
    with pytest.raises(ValueError, match="method"):
        ontrace.export(Net(), (x,), method="onnx")
    with pytest.raises(ValueError, match="input_names"):
        ontrace.export(Net(), (x,), input_names=["a", "b"])
    with pytest.raises(ValueError, match="identifier"):
        ontrace.export(Net(), (x,), input_names=["a b"])


def test_bfloat16_is_compared_by_value():
    exported = ontrace.export(torch.nn.Linear(4, 3).bfloat16(), (torch.randn(2, 4).bfloat16(),))
    session = ontrace.Session(bytes(exported))
    assert session.inputs[0].dtype == "bf16" and session(torch.ones(2, 4).bfloat16()).shape == (2, 3)
