"""One module for several batches: the same bits as the modules for one, weights prepared once, other batches refused."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import compile, lower, lower_batches
from cnndsl.runtime.load import load_source
from cnndsl.targets.numpy.batches import merge
from cnndsl.targets.numpy.texts import WIDTH


def weights_of(graph: Graph) -> dict[str, Any]:
    """With statistics that folding cannot leave out."""
    rng = np.random.default_rng(1)
    w = graph.initial_weights(0)
    for name in w:
        if name.endswith(("variance", "gamma")):
            w[name] = rng.uniform(0.5, 2, w[name].shape).astype(np.float32)
        elif name.endswith(("mean", "beta")):
            w[name] = rng.standard_normal(w[name].shape).astype(np.float32)
    return w


def two_inputs() -> Graph:
    g = Graph("pair")
    scale = g.input("scale", (), batched=False)
    x = g.input("left", (8, 8, 3)).conv(4, (3, 3), pad=1, name="a").add(g.input("right", (8, 8, 4)))
    g.output(g.pointwise(lambda e, p, q: p * q, x, scale).relu().global_avg_pool().dense(3, name="b"), "scores")
    g.heads.clear()
    return g


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", ["lenet5", "resnet20", "squeezenet"])
def test_the_same_bits_as_the_file_for_each_batch(name: str, threads: int) -> None:
    net = cnndsl.load(name)
    w = weights_of(net.graph)
    batches = (1, 2, 9)
    text = lower_batches(net.graph, target="numpy", options=Options(workers=threads), batches=batches)[1]
    both = load_source(text, "several").Network().load(w)
    shape = next(iter(net.graph.inputs.values())).type.shape[1:]
    images = np.random.default_rng(0).standard_normal((9, *map(int, map(str, shape)))).astype(np.float32)
    alone = {n: compile(net, w, batch=n, threads=threads) for n in batches}
    for n in (*batches, *batches):
        np.testing.assert_array_equal(both.run(images[:n]), alone[n](images[:n]))
    assert len(both.spare) == 1


def test_it_is_read_as_the_others_are_and_grows_by_its_steps_alone() -> None:
    net = cnndsl.load("resnet20")
    options = Options(workers=2)
    text = lower_batches(net.graph, target="numpy", options=options, batches=(1, 8))[1]
    singles = [str(compile(net, batch=n, threads=2).source) for n in (1, 8)]  # type: ignore[union-attr]
    assert [line for line in text.split("\n") if len(line) > WIDTH] == []
    assert [line for line in text.split("\n") if line.startswith("# The network")] == [
        "# The network on 1 image, layer by layer ".ljust(WIDTH - 10, "-"),
        "# The network on 8 images, layer by layer ".ljust(WIDTH - 10, "-"),
    ]
    defined = [line for line in text.split("\n") if line.startswith(("def ", "class "))]
    assert len(defined) == len({*defined})
    names = [x.string for x in tokenize.generate_tokens(io.StringIO(text).readline) if x.type == tokenize.NAME]
    tops = [line.split()[1].partition("(")[0].strip(":") for line in defined]
    assert [x for x in tops if names.count(x) < 2] == []
    assert max(map(len, singles)) < len(text) < 0.75 * sum(map(len, singles))
    again = lower_batches(net.graph, target="numpy", options=options, batches=(1, 8))[1]
    assert text == again


def test_what_two_programs_prepare_alike_is_prepared_once() -> None:
    net = cnndsl.load("resnet18")
    programs = lower_batches(net.graph, target="numpy", options=Options(workers=2), batches=(1, 8))[0]
    first, second = (p.prepare.kernels for p in programs)
    merged = merge(programs)
    assert merged.parts[0].kernels == list(first)
    assert 0 < len(merged.parts[1].kernels) < len(second) // 3
    assert merged.nbytes < programs[0].prepared_bytes + programs[1].prepared_bytes
    same = merge((programs[0], programs[0]))
    assert same.parts[1].kernels == []
    assert {k: v for k, v in same.parts[0].keys.items() if k in same.parts[1].keys} == same.parts[1].keys
    assert same.nbytes == programs[0].prepared_bytes


def test_what_is_there_is_not_made_again_on_the_way() -> None:
    """One program keeps a folded weight; the other makes tiles of it, and keeps those."""
    g = Graph("two")
    x = g.input("image", (32, 32, 32))
    g.output(x.conv(32, (3, 3), pad=1, bias=False).batch_norm().relu())
    plain, tiled = (
        lower(g, target="numpy", options=Options(batch=n, without=without))[0]
        for n, without in ((1, frozenset({"winograd"})), (8, frozenset[str]()))
    )
    assert len(tiled.prepare.kernels) == 3
    assert [k.node.op.name for k in merge((plain, tiled)).parts[1].kernels] == ["winograd_filter"]


@pytest.mark.parametrize("count", [0, 2, 9])
def test_another_batch_is_refused_with_those_that_there_are(count: int) -> None:
    net = cnndsl.load("lenet5")
    text = lower_batches(net.graph, target="numpy", options=Options(), batches=(1, 8))[1]
    found = load_source(text, "several").Network().load(net.initial_weights(0))
    with pytest.raises(
        ValueError, match=f"^lenet5 runs on 1 or 8 images here, not on {count}; a file for one batch takes any number$"
    ):
        found.run(np.zeros((count, 28, 28, 1), np.float32))
    assert found.run(np.zeros((28, 28, 1), np.float32)).shape == (1, 10)


def test_several_inputs_and_the_callers_own_array() -> None:
    g = two_inputs()
    w = g.initial_weights(0)
    text = lower_batches(g, target="numpy", options=Options(), batches=(4, 2))[1]
    found = load_source(text, "several").Network().load(w)
    rng = np.random.default_rng(0)
    given = {
        name: np.float32(2) if name == "scale" else rng.standard_normal((4, *v.type.sizes[1:])).astype(np.float32)
        for name, v in compile(g, w, batch=4, threads=1).graph.inputs.items()  # type: ignore[union-attr]
    }
    out = np.empty((4, 3), np.float32)
    assert found.run(*given.values(), out=out) is out
    np.testing.assert_array_equal(out, compile(g, w, batch=4, threads=1)(*given.values()))
    few = [x[:2] if x.ndim else x for x in given.values()]
    np.testing.assert_array_equal(found.run(*few), compile(g, w, batch=2, threads=1)(*few))
    mixed = [x[: 2 + n] if x.ndim else x for n, x in enumerate(given.values())]
    with pytest.raises(ValueError, match=r"the inputs have different numbers of images: \[[23], [34]\]"):
        found.run(*mixed)


def test_new_weights_serve_every_batch() -> None:
    net = cnndsl.load("resnet20")
    text = lower_batches(net.graph, target="numpy", options=Options(), batches=(1, 3))[1]
    found = load_source(text, "several").Network()
    images = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype(np.float32)
    for seed in (0, 1):
        w = net.initial_weights(seed)
        found.load(w)
        for n in (1, 3):
            np.testing.assert_array_equal(found.run(images[:n]), compile(net, w, batch=n, threads=1)(images[:n]))


def test_it_runs_alone(tmp_path: Path) -> None:
    from cnndsl.runtime.safetensors import write_weights

    net = cnndsl.load("lenet5")
    options = Options(file="net", takes=net.takes)
    (tmp_path / "net.py").write_text(lower_batches(net.graph, target="numpy", options=options, batches=(1, 3))[1])
    write_weights(tmp_path / "w.safetensors", net.initial_weights(0))
    for n, code in ((3, 0), (2, 1)):
        np.save(tmp_path / "x.npy", np.zeros((n, 28, 28, 1), np.float32))
        command = [sys.executable, "-I", "net.py", "w.safetensors", "x.npy"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert len(done.stdout.splitlines()) == (n if code == 0 else 0)
    assert done.stderr == "lenet5 runs on 1 or 3 images here, not on 2; a file for one batch takes any number\n"


def test_what_has_no_batch_and_what_prints_no_such_file() -> None:
    net = cnndsl.load("lenet5")
    with pytest.raises(CnnError, match="one batch each"):
        lower_batches(net.graph, target="cupy", options=Options(), batches=(1, 8))
    g = Graph("still")
    g.output(g.input("x", (4,), batched=False).relu())
    with pytest.raises(CnnError, match="no input of still has a batch"):
        lower_batches(g, target="numpy", options=Options(), batches=(1, 8))


def test_runs_at_the_same_time_have_memory_of_their_own() -> None:
    net = cnndsl.load("lenet5")
    text = lower_batches(net.graph, target="numpy", options=Options(workers=2), batches=(1, 8))[1]
    found = load_source(text, "several").Network().load(net.initial_weights(0))
    images = np.random.default_rng(0).random((8, 28, 28, 1), np.float32)
    wanted = {n: found.run(images[:n]) for n in (1, 8)}
    wrong: list[int] = []

    def call(n: int) -> None:
        wrong.extend(n for _ in range(30) if not np.array_equal(found.run(images[:n]), wanted[n]))

    callers = [threading.Thread(target=call, args=(n,)) for n in (1, 8, 1, 8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
