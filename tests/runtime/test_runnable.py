"""What `compile` gives, whatever the target and whether sizes are open: the same names, inputs, outputs and errors."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.sizes import Affine
from cnndsl.runtime.runnable import Runnable

KINDS = ["fixed", "open", "reference"]


def network(open_sizes: bool) -> Any:
    """Two inputs, two outputs, a named value and a head."""
    g = cnndsl.Graph("net")
    h = Affine.symbol("H") if open_sizes else 6
    a, b = g.input("a", (h, h, 2)), g.input("b", (h, h, 2))
    x = a.add(b).conv(3, (3, 3), pad=1).relu()
    g.names["inside"] = x
    g.heads["aux"] = x.global_avg_pool().dense(2, name="aux")
    g.output(x.conv(2, (1, 1)))
    g.output(x.global_avg_pool().dense(4), "classes")
    return g


def compiled(kind: str, **options: Any) -> Any:
    g = network(kind == "open")
    return cnndsl.compile(g, g.initial_weights(0), batch=2, target="reference" if kind == "reference" else "numpy", **options)


def images(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((n, 6, 6, 2)).astype(np.float32)


def as_tuple(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ("output", "classes")),
        ({"heads": True}, ("output", "classes", "aux")),
        ({"outputs": ["inside", "classes"]}, ("inside", "classes")),
        ({"outputs": ["aux"], "heads": True}, ("aux",)),
    ],
)
def test_names_and_outputs(kind: str, options: Any, names: tuple[str, ...]) -> None:
    run = compiled(kind, **options)
    assert isinstance(run, Runnable)
    assert (run.name, run.input_names, run.output_names) == ("net", ("a", "b"), names)
    found, wanted = as_tuple(run(images(3), images(3, 1))), as_tuple(compiled("fixed", **options)(images(3), images(3, 1)))
    assert len(found) == len(names)
    for x, y in zip(found, wanted, strict=True):
        assert x.dtype == y.dtype and np.abs(x - y).max() <= 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_whole_numbers_are_no_prepared_pictures(kind: str, dtype: str) -> None:
    with pytest.raises(CnnError, match=f"input b holds {dtype}, expected float32") as e:
        compiled(kind)(images(2), np.ones((2, 6, 6, 2), dtype))
    assert e.value.code == "E721"


def test_a_model_says_what_its_pictures_are() -> None:
    run = cnndsl.compile(cnndsl.load("lenet5"))
    assert run.inputs["image"].takes == "pictures with values in [0, 1], then grey -> invert(auto) -> resize(28x28)"


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_that_the_outputs_need(kind: str) -> None:
    g = network(kind == "open")
    weights = g.initial_weights(0)
    target = "reference" if kind == "reference" else "numpy"
    few = {name: x for name, x in weights.items() if not name.startswith("aux")}
    assert cnndsl.compile(g, few, target=target)(images(1), images(1))[0].shape == (1, 6, 6, 2)
    with pytest.raises(CnnError, match=r"missing: aux\.weight") as e:
        cnndsl.compile(g, few, target=target, heads=True)(images(1), images(1))
    assert e.value.code == "E504"
    with pytest.raises(CnnError, match="no weights yet") as e:
        cnndsl.compile(g, target=target)(images(1), images(1))
    assert e.value.code == "E722"


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_is_not_there_is_told_when_compiling(kind: str) -> None:
    with pytest.raises(CnnError, match="did you mean inside") as e:
        compiled(kind, outputs=["insid"])
    assert e.value.code == "E203"


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_every_kind(kind: str) -> None:
    run, a, b = compiled(kind), images(3), images(3, 1)
    wanted = run(a, b)
    for given in ((a.tolist(), b), (a.astype(np.float64), b), (np.asfortranarray(a), b)):
        for x, y in zip(run(*given), wanted, strict=True):
            assert np.array_equal(x, y)
    assert np.array_equal(run(a, b=b)[1], wanted[1])
    assert np.array_equal(run(b=b, a=a)[1], wanted[1])
    assert np.abs(run(a[0], b[:1])[1] - wanted[1][:1]).max() <= 1e-6
    assert [x.shape for x in run(a[:0], b[:0])] == [(0, 6, 6, 2), (0, 4)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "named", "says"),
    [
        ((), {}, "net takes a, b: 0 given"),
        (("a", "b", "a"), {}, "net takes a, b: 3 given"),
        (("a", "b"), {"c": "a"}, "unknown input c"),
        (("a", "b"), {"a": "a"}, "the input a is given twice"),
        (("a", "few"), {}, r"different numbers of images: \[2, 3\]"),
        (("a", "flat"), {}, r"input b has shape \(3, 6\), expected \(n, "),
        (("a", "channels"), {}, r"input b has shape \(3, 6, 6, 3\), expected \(n, "),
        (("a", "words"), {}, "input b holds <U1, not numbers"),
        (("a", "ragged"), {}, "input b is no array"),
    ],
)
def test_inputs_that_do_not_fit(kind: str, given: Any, named: Any, says: str) -> None:
    arrays = {
        "a": images(3), "b": images(3), "few": images(2), "flat": np.zeros((3, 6)), "channels": np.zeros((3, 6, 6, 3)),
        "words": np.array(["x"]), "ragged": [[1], [2, 3]],
    }  # fmt: skip
    with pytest.raises(CnnError, match=says) as e:
        compiled(kind)(*(arrays[x] for x in given), **{k: arrays[x] for k, x in named.items()})
    assert e.value.code == "E721"


@pytest.mark.parametrize("kind", KINDS)
def test_results_go_into_arrays_of_the_callers(kind: str) -> None:
    run, a, b = compiled(kind), images(3), images(3, 1)
    wanted = run(a, b)
    gaps = np.full((3, 8), 7, np.float32)[:, ::2]
    for out in ([np.empty((3, 6, 6, 2), np.float32), None], (None, gaps), [None, None], None):
        found = run(a, b, out=out)
        for y, x, w in zip(out or (None, None), found, wanted, strict=True):
            assert (y is None or x is y) and np.array_equal(x, w)
    assert (gaps.base[:, 1::2] == 7).all()


@pytest.mark.parametrize("kind", KINDS)
def test_results_may_go_over_an_input(kind: str) -> None:
    """All of the input is read before any of it is written, also where another batch or another kernel reads it later."""
    run, a, b = compiled(kind), images(5), images(5, 1)
    wanted = run(a, b)[0]
    block = np.concatenate([a, a[:1]])
    assert np.array_equal(run(block[:5], b, out=[block[1:], None])[0], wanted)
    assert np.array_equal(run(a, b, out=[a, None])[0], wanted)
    assert np.array_equal(a, wanted)


def test_a_run_keeps_none_of_the_callers_arrays() -> None:
    """Nor weights that are no longer in use."""
    run, a, b = compiled("fixed"), images(4), images(4, 1)
    out = [np.empty((4, 6, 6, 2), np.float32), np.empty((4, 4), np.float32)]
    run(a, b, out=out)
    kept = [weakref.ref(x) for x in (a, b, *out, *run.network.state.values())]
    run.load(network(False).initial_weights(1))
    del a, b, out
    assert [r() for r in kept] == [None] * len(kept)


def read_only() -> Any:
    y = np.empty((3, 4), np.float32)
    y.flags.writeable = False
    return y


@pytest.mark.parametrize("kind", [*KINDS, "emitted"])
@pytest.mark.parametrize(
    ("out", "says"),
    [
        (np.empty((3, 6, 6, 2), np.float32), "1 for 2 outputs"),
        ([None], "1 for 2 outputs"),
        ([None] * 3, "3 for 2 outputs"),
        ([None, np.empty((3, 5), np.float32)], r"for classes it is float32 \(3, 5\), expected float32 \(3, 4\)"),
        ([None, np.empty((3, 4))], "for classes it is float64"),
        ([None, np.empty((3, 4), ">f4")], "for classes it is >f4"),
        ([None, [0.0] * 12], "for classes it is no array but list"),
        ([None, read_only()], "for classes it is read-only"),
    ],
)
def test_arrays_for_results_that_do_not_fit(kind: str, out: Any, says: str) -> None:
    """From the emitted file alone a ValueError, with the same words."""
    run = compiled("fixed" if kind == "emitted" else kind)
    call = run.network.run if kind == "emitted" else run
    with pytest.raises(ValueError if kind == "emitted" else CnnError, match=f"out does not fit: {says}") as e:
        call(images(3), images(3), out=out)
    assert getattr(e.value, "code", "E721") == "E721"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_reference_computes_in_the_digits_it_is_asked_for(dtype: str) -> None:
    from cnndsl.passes.context import Options
    from cnndsl.runtime.reference import ReferenceExecutable

    g = cnndsl.Graph("one")
    g.output(g.input("x", (1,)).scale(3.0))
    found = ReferenceExecutable(g, Options(), dtype=dtype)([[1 + 1e-12]])
    assert found.dtype == dtype and (found[0, 0] != 3.0) == (dtype == "float64")


@pytest.mark.parametrize("kind", ["fixed", "open"])
def test_a_call_ends_with_the_weights_it_began_with(kind: str) -> None:
    """Others are loaded between its batches."""
    g = network(kind == "open")
    run, a, b = compiled(kind), images(5), images(5, 1)
    weights = [g.initial_weights(0), g.initial_weights(1)]
    wanted = [run.load(w)(a, b)[0] for w in weights]
    net = (run if kind == "fixed" else run.at(H=6)).network
    batch = net.run_batch
    for present in (0, 1):
        run.load(weights[present])

        def run_batch(*args: Any, present: int = present) -> None:
            batch(*args)
            run.load(weights[1 - present])

        net.run_batch = run_batch
        assert np.array_equal(run(a, b)[0], wanted[present])
        net.run_batch = batch
        assert np.array_equal(run(a, b)[0], wanted[1 - present])


def test_weights_are_the_programs_own() -> None:
    """What the caller does to the arrays afterwards changes nothing, for sizes to come neither."""
    for kind in KINDS:
        g = network(kind == "open")
        weights = g.initial_weights(0)
        run = cnndsl.compile(g, weights, target="reference" if kind == "reference" else "numpy")
        for x in weights.values():
            x[...] = np.nan
        assert np.isfinite(run(images(1), images(1))[0]).all()


def test_a_step_and_load_wait_for_each_other() -> None:
    g = cnndsl.Graph("one")
    g.output(g.input("x", (3,)).dense(2, name="logits"))
    step = cnndsl.compile_step(g, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.1), batch=2)
    net, order = step.executable.network, []
    batch, loader = net.run_batch, threading.Thread(target=lambda: (net.load(g.initial_weights(1)), order.append("load")))

    def run_batch(*args: Any) -> None:
        loader.start()
        loader.join(0.1)
        batch(*args)
        order.append("step")

    net.run_batch = run_batch
    step(np.ones((2, 3), np.float32), np.array([0, 1], np.int32))
    loader.join(20)
    assert order == ["step", "load"]
    assert np.array_equal(step.weights["logits.weight"], g.initial_weights(1)["logits.weight"])


def test_a_size_that_is_there_does_not_wait_for_one_that_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    run = compiled("open")
    wanted = run(images(1), images(1))[1]
    build, begun, go_on = run.build, threading.Event(), threading.Event()

    def slow(sizes: Any) -> Any:
        begun.set()
        assert go_on.wait(20)
        return build(sizes)

    run.build = slow
    other = threading.Thread(target=lambda: run.at(H=8))
    other.start()
    assert begun.wait(20)
    found: list[Any] = []
    caller = threading.Thread(target=lambda: found.append(run(images(1), images(1))[1]))
    caller.start()
    caller.join(20)
    try:
        assert found and np.array_equal(found[0], wanted)
        assert run.sizes == [{"H": 6}]
        g = network(True)
        run.load(g.initial_weights(1))  # which the size to come is given too
    finally:
        go_on.set()
        other.join()
    assert run.sizes == [{"H": 6}, {"H": 8}]
    big = np.ones((1, 8, 8, 2), np.float32)
    fresh = cnndsl.compile(g, g.initial_weights(1), batch=2, sizes={"H": 8})
    assert np.array_equal(run(big, big)[1], fresh(big, big)[1])


def test_each_is_shown_in_a_line() -> None:
    net = cnndsl.load_text("model m {\n    input image: 8x8x1\n    flatten\n    dense(3) as logits\n    softmax\n}\n")
    run = cnndsl.compile(net, net.initial_weights(), batch=8, threads=2)
    assert repr(net) == "<Model m: image 8x8x1 → 3, 195 parameters>"
    assert repr(run) == "<Executable m: image 8x8x1 → output 3; numpy, batch 8, 2 threads>"
    both = cnndsl.compile(net, outputs=["logits"], target="reference")
    assert repr(both) == "<ReferenceExecutable m: image 8x8x1 → logits; no weights yet>"
    step = cnndsl.compile_step(
        net, loss="cross_entropy(logits)", optimizer=cnndsl.sgd(rate=0.5, momentum=0.9), batch=4, threads=1
    )
    step(np.zeros((4, 8, 8, 1), np.float32), np.zeros(4, np.int32))
    assert repr(step) == ("<Step m: image 4x8x8x1, label 4 → loss; numpy, batch 4, 1 thread; rate 0.5, after 1 step>")
    assert repr(cnndsl.load("hourglass")) == (
        "<Model hourglass: z HxWx32 → HxWx3, 2,217,831 parameters; task denoise, task inpaint, task super_resolve>"
    )
