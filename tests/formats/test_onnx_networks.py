"""Whole networks through ONNX Runtime against the reference in float64, on random weights and statistics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.errors import CnnError
from cnndsl.formats.onnx import export_onnx
from cnndsl.graph.graph import Graph
from cnndsl.targets.reference.interpreter import walk
from tests.models.reduced import reduced

sys.path.insert(0, str(Path(__file__).parent))
import onnx_networks

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

NETWORKS = {
    "lenet5": lambda: onnx_networks.bundled("lenet5"),
    "resnet20": lambda: onnx_networks.bundled("resnet20"),
    "resnet18, small": lambda: reduced("resnet18", 64).graph,
    "googlenet, small": lambda: reduced("googlenet", 65, classes=5).graph,
    "oddities": onnx_networks.oddities,
}
AS_PUBLISHED = {name: lambda name=name: onnx_networks.bundled(name) for name in ("resnet18", "googlenet")}


def reference(g: Graph, weights: dict[str, Any], images: Any) -> dict[str, Any]:
    values = walk(g, {"image": images}, weights, dtype="float64")
    return {name: values[v] for name, v in (g.names | g.heads | g.outputs).items()}


def session(path: Path) -> Any:
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", [*NETWORKS, *(pytest.param(name, marks=pytest.mark.campaign) for name in AS_PUBLISHED)])
def test_network(name: str, tmp_path: Path) -> None:
    """Batches of 1 and 3 from one file; heads and a named value too. Compared before the softmax, where there is one."""
    g = (NETWORKS | AS_PUBLISHED)[name]()
    weights = onnx_networks.random_weights(g)
    export_onnx(g, weights, tmp_path / "net.onnx", heads=True, outputs=tuple(g.names))
    run = session(tmp_path / "net.onnx")
    shape = g.inputs["image"].shape[1:]
    assert run.get_inputs()[0].shape == ["N", *shape]
    names = [y.name for y in run.get_outputs()]
    assert names == ["output", *g.heads, *g.names]
    images = np.random.default_rng(1).normal(0, 1, (3, *shape)).astype(np.float32)
    want = reference(g, weights, images)
    for n in (1, 3):
        found = dict(zip(names, run.run(None, {"image": images[:n]}), strict=True))
        for key, y in found.items():
            assert y.shape == (n, *want[key].shape[1:])
            if key != "output" or not g.names:
                assert np.max(np.abs(y - want[key][:n])) <= 1e-4 * np.max(np.abs(want[key][:n])), key
        assert np.array_equal(found["output"].argmax(-1), want["output"][:n].argmax(-1)) or not g.names


def test_batch_is_fixed_on_request_and_heads_stay_out(tmp_path: Path) -> None:
    g = onnx_networks.bundled("googlenet")
    weights = onnx_networks.random_weights(g)
    export_onnx(g, weights, tmp_path / "net.onnx", batch=2)
    run = session(tmp_path / "net.onnx")
    assert run.get_inputs()[0].shape == [2, 224, 224, 3]
    assert [y.name for y in run.get_outputs()] == ["output"]
    written = {t.name for t in onnx.load(tmp_path / "net.onnx").graph.initializer} & set(weights)
    assert len(weights) - len(written) == 2 * 6  # a conv and two dense layers with their biases, in each head


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    g = onnx_networks.bundled("lenet5")
    weights = onnx_networks.random_weights(g)
    for name in "ab":
        export_onnx(g, weights, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_flatten_is_row_major_over_height_width_channels(tmp_path: Path) -> None:
    g = Graph("flat")
    g.output(g.input("image", (2, 3, 4)).flatten())
    export_onnx(g, {}, tmp_path / "flat.onnx")
    x = np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4)
    assert np.array_equal(session(tmp_path / "flat.onnx").run(None, {"image": x})[0], x.reshape(2, 24))


def test_shared_weights_are_written_once(tmp_path: Path) -> None:
    g = Graph("twice")
    x = g.input("image", (6, 6, 4)).conv(4, (3, 3), pad=1, name="first")
    node = x.node
    g.output(g.add(node.op, (x, *node.operands[1:]), node.attrs)[0])
    weights = onnx_networks.random_weights(g)
    export_onnx(g, weights, tmp_path / "twice.onnx")
    assert len(onnx.load(tmp_path / "twice.onnx").graph.initializer) == 2
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)
    y = session(tmp_path / "twice.onnx").run(None, {"image": images})[0]
    want = reference(g, weights, images)["output"]
    assert np.max(np.abs(y - want)) <= 1e-4 * np.max(np.abs(want))


def refused(*args: Any, **keys: Any) -> str:
    with pytest.raises(CnnError) as caught:
        export_onnx(*args, **keys)
    return f"{caught.value.code} {caught.value}"


def test_what_is_refused(tmp_path: Path) -> None:
    g = onnx_networks.bundled("lenet5")
    weights = onnx_networks.random_weights(g)
    path = tmp_path / "x.onnx"
    assert "E643" in (text := refused(g, weights, path, outputs=("logit",)))
    assert "did you mean logits?" in text
    assert "missing: conv.weight" in refused(g, {n: x for n, x in weights.items() if n != "conv.weight"}, path)
    assert "conv.weight has shape 5x5x6x1, the model needs 5x5x1x6" in refused(
        g, weights | {"conv.weight": np.zeros((5, 5, 6, 1))}, path
    )
    assert "E598" in refused(g, weights, tmp_path / "none" / "x.onnx")
    h = Graph("moments")
    h.output(h.moments(h.input("image", (2, 2, 1)))[0])
    assert "E642" in (text := refused(h, {}, path))
    assert "moments cannot be written as ONNX" in text
    assert not path.exists()


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    text = refused(
        onnx_networks.bundled("lenet5"), onnx_networks.random_weights(onnx_networks.bundled("lenet5")), tmp_path / "x.onnx"
    )
    assert "E641" in text
    assert 'pip install "cnndsl[onnx]"' in text
