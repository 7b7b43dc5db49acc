"""Whole programs through the emitted module: LeNet-5's training step and inference, a residual block with dropout."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cupy_networks
import cupy_programs
import fake_cupy
import numpy as np
import nvrtc
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.graph.read import parse_graph
from cnndsl.graph.text import to_text
from cnndsl.runtime.compile import compile
from cnndsl.runtime.safetensors import write_weights
from cnndsl.targets.cupy import TARGET, device
from cnndsl.targets.reference.interpreter import evaluate

BATCH = 6


def inputs_of(g: Graph, seed: int) -> dict[str, Any]:
    """Pictures, labels, rate and seed for a step graph."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, value in g.inputs.items():
        shape = value.type.sizes
        if name == "label":
            found[name] = rng.integers(0, 10, shape).astype(np.int32)
        elif name == "rate":
            found[name] = np.asarray(0.05, np.float32)
        elif name == "seed":
            found[name] = np.asarray(9, np.uint64)
        else:
            found[name] = rng.normal(size=shape).astype(np.float32)
    return found


@pytest.mark.parametrize("build", [cupy_networks.lenet5, cupy_networks.residual])
def test_training_steps(build: Callable[[], Graph], on_cpu: Callable[..., Any]) -> None:
    """Three steps: loss and every array of the state against the reference in float64, threads in both orders."""
    g = cupy_networks.step_graph(build(), BATCH)
    module = on_cpu(g, BATCH, training=True)
    weights = cupy_networks.random_weights(g)
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in g.state.items()} | weights
    nets = [module.Network().load(weights), module.Network().load(weights)]
    for k in range(3):
        given = inputs_of(g, k)
        outputs, updates = evaluate(g, given, state, dtype="float64")
        state |= updates
        for backwards, net in enumerate(nets):
            fake_cupy.RawModule.backwards = backwards
            loss = net.step(*given.values())
            assert abs(loss - outputs["loss"]) <= 1e-5 * abs(outputs["loss"])
    changed = {n for n in state if not np.array_equal(state[n], weights.get(n, 0))}
    assert changed == set(g.updates)
    total = np.sqrt(sum(np.sum(np.square(np.asarray(x, np.float64))) for x in state.values()))
    for name, want in state.items():
        got = nets[0].state[name]
        assert got.dtype == g.state[name].type.dtype
        assert np.array_equal(got, nets[1].state[name])
        assert np.max(np.abs(got - want)) <= 1e-4 * max(np.max(np.abs(want)), 1e-3 * total), name


def test_inference_in_chunks(on_cpu: Callable[..., Any], tmp_path: Path) -> None:
    """Eleven images in batches of four; weights from a mapping or a file; the caller's own output; what is refused."""
    g = cupy_networks.specialised(cupy_networks.lenet5(), 4)
    weights = cupy_networks.random_weights(g)
    net = on_cpu(g, 4).Network().load(weights)
    images = np.random.default_rng(0).normal(size=(11, 28, 28, 1)).astype(np.float32)
    got = net.run(images)
    wants = [
        evaluate(cupy_networks.specialised(cupy_networks.lenet5(), 11), {"image": images}, weights, dtype="float64")[0][
            "output"
        ]
    ]
    assert got.shape == (11, 10)
    assert np.max(np.abs(got - wants[0])) <= 1e-4
    out = np.empty((11, 10), np.float32)
    assert net.run(images, out=out) is out
    assert np.array_equal(out, got)
    assert np.array_equal(net.run(images[0])[0], got[0])
    write_weights(tmp_path / "w.safetensors", weights)
    assert np.array_equal(net.load(tmp_path / "w.safetensors").run(images), got)
    with pytest.raises(ValueError, match="has shape"):
        net.run(images[:, :27])
    with pytest.raises(ValueError, match="weights are missing: conv"):
        net.load({})


def test_text_is_a_module_of_its_own() -> None:
    """It parses, imports nothing of ours, and holds the planned sizes; names that would break out of strings do not."""
    g = Graph('bad"""\nname')
    x = g.input("in'put", (4, 4, 2))
    g.output(x.conv(3, (3, 3), name="first").relu(), 'out"put')
    g = parse_graph(to_text(g).replace('"first', '"a\\"\\"\\"\\n*/ b'))
    text = TARGET.emit(cupy_programs.program(cupy_networks.specialised(g, 2), 2))
    tree = ast.parse(text)
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert modules <= {
        "numpy",
        "itertools",
        "math",
        "numpy.typing",
        "cupy",
        "json",
        "os",
        "sys",
        "threading",
        "typing",
        "collections.abc",
        "__future__",
        "types",
    }
    assert all(re.fullmatch(r"k[0-9]+_[A-Za-z0-9_]+", name) for name in re.findall(r"launch\('([^']*)'", text))
    assert all(line.isascii() for line in text.split('CUDA = r"""')[1].split('"""')[0].splitlines())
    assert "a.given[0]" in text


def test_running_needs_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CnnError) as caught:
        TARGET.check_device()
    assert caught.value.code == "E641"
    assert "cnndsl[cuda12]" in str(caught.value)
    assert device.describe() == "none used: the cupy target needs CuPy to run"
    with pytest.raises(CnnError, match="needs CuPy"):
        compile(cupy_networks.lenet5(), target="cupy")


def test_public_functions(on_cpu: Callable[..., Any], fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cnndsl.compile` and `cnndsl.compile_step` with target = cupy, as on a machine with a GPU."""
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(type(TARGET), "check_device", lambda self: None)
    net = cnndsl.load("lenet5")
    steps = [cnndsl.compile_step(net, batch=5, target=target, seed=3) for target in ("cupy", "numpy")]
    rng = np.random.default_rng(0)
    for _ in range(2):
        images = rng.normal(size=(5, 28, 28, 1)).astype(np.float32)
        labels = rng.integers(0, 10, 5).astype(np.int32)
        losses = [step(images, labels) for step in steps]
        assert abs(losses[0] - losses[1]) <= 1e-5 * losses[1]
    weights = [step.weights for step in steps]
    for name, want in weights[1].items():
        assert np.max(np.abs(weights[0][name] - want)) <= 1e-4 * np.max(np.abs(want)), name
    runs = [cnndsl.compile(net, weights[0], target=target, batch=4) for target in ("cupy", "numpy")]
    assert np.max(np.abs(runs[0](images) - runs[1](images))) <= 1e-5


@pytest.mark.parametrize(
    ("build", "architecture"),
    [
        (cupy_networks.lenet5, "sm_80"), (cupy_networks.residual, "sm_90"),
        pytest.param(cupy_networks.lenet5, "sm_90", marks=pytest.mark.campaign),
        pytest.param(cupy_networks.residual, "sm_80", marks=pytest.mark.campaign),
    ],
)  # fmt: skip
def test_nvrtc_compiles_whole_steps(build: Callable[[], Graph], architecture: str) -> None:
    """What only a whole step has: fused chains, updates in place."""
    library = nvrtc.library()
    if library is None:
        pytest.skip("the package nvidia-cuda-nvrtc is not installed")
    text = TARGET.emit(cupy_programs.program(cupy_networks.step_graph(build(), BATCH), BATCH, True))
    code, log = nvrtc.cubin(library, text.split('CUDA = r"""')[1].split('"""')[0], architecture)
    assert len(code) > 10_000
    assert set(re.findall(r"(\d+) bytes spill stores", log)) == {"0"}


@pytest.mark.gpu
def test_lenet5_step_on_a_gpu() -> None:
    """The same on a real GPU; the same bits from two networks."""
    from cnndsl.runtime.load import load_source

    try:
        TARGET.check_device()
    except CnnError as e:
        pytest.skip(e.diagnostics[0].message)
    g = cupy_networks.step_graph(cupy_networks.lenet5(), 32)
    module = load_source(TARGET.emit(cupy_programs.program(g, 32, True)), "lenet5")
    weights = cupy_networks.random_weights(g)
    state: dict[str, Any] = {n: np.zeros(s.type.sizes, s.type.dtype) for n, s in g.state.items()} | weights
    nets = [module.Network().load(weights), module.Network().load(weights)]
    for k in range(3):
        given = inputs_of(g, k)
        outputs, updates = evaluate(g, given, state, dtype="float64")
        state |= updates
        for net in nets:
            loss = net.step(*given.values())
            assert abs(loss - outputs["loss"]) <= 1e-4 * abs(outputs["loss"])
    for name, want in state.items():
        assert np.array_equal(nets[0].state[name], nets[1].state[name])
        assert np.max(np.abs(nets[0].state[name] - want)) <= 1e-3 * max(np.max(np.abs(want)), 1e-2), name


def test_runs_and_steps_that_cannot_be_right_are_refused(on_cpu: Callable[..., Any]) -> None:
    """As on NumPy: what is of the whole batch in parts, labels of no class; of no images, what is beside them."""
    g = Graph("total")
    c, x = g.input("c", (3,), batched=False), g.input("x", (3,))
    g.output(g.pointwise(lambda e, p: p + 1.0, c), "alone")
    g.output(x.relu(), "each")
    net = on_cpu(cupy_networks.specialised(g, 4), 4).Network().load({})
    alone, each = net.run(np.ones(3, np.float32), np.zeros((0, 3), np.float32))
    assert alone.tolist() == [2, 2, 2] and each.shape == (0, 3)
    g.output(g.reduce_sum(x, axes=(0,)), "sum")
    net = on_cpu(cupy_networks.specialised(g, 4), 4).Network().load({})
    assert net.run(np.ones(3, np.float32), np.ones((4, 3), np.float32))[2].tolist() == [4, 4, 4]
    with pytest.raises(ValueError, match=r"total computes with 4 images at once, so it does not run on 6$"):
        net.run(np.ones(3, np.float32), np.ones((6, 3), np.float32))
    g = cupy_networks.step_graph(cupy_networks.lenet5(), BATCH)
    net = on_cpu(g, BATCH, training=True).Network().load(cupy_networks.random_weights(g))
    given = inputs_of(g, 0)
    given["label"][0] = 10
    with pytest.raises(ValueError, match=r"label holds \d to 10, expected 0 to 9$"):
        net.step(*given.values())
