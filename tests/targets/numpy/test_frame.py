"""What runs and steps refuse, those of the library and those of an emitted file, and that they take no other memory."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

import cnndsl
import cnndsl.ops
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Options
from cnndsl.runtime.compile import compile, lower
from cnndsl.runtime.load import load_source
from cnndsl.training.optimizers import Sgd

OF_ALL = "computes with 4 images at once, so it does not run on "


def total() -> Graph:
    """An output without a batch that is a sum over it."""
    g = Graph("total")
    g.output(g.reduce_sum(g.input("x", (3,)).relu(), axes=(0,)))
    return g


def centred() -> Graph:
    """An output with a batch for which all images are needed."""
    g = Graph("centred")
    x = g.input("x", (3,))
    g.output(g.pointwise(lambda e, p, q: p - q, x, g.reduce_sum(x.relu(), axes=(0,))))
    return g


def beside() -> Graph:
    """An output that no image has a part in."""
    g = Graph("beside")
    c = g.input("c", (3,), batched=False)
    g.output(g.pointwise(lambda e, x: x + 1.0, c), "alone")
    g.output(g.input("x", (3,)).relu(), "each")
    return g


def whole_numbers(dtype: str) -> Graph:
    g = Graph("whole")
    g.output(g.input("n", (3,), dtype))
    return g


def emitted(g: Graph, batch: int) -> Any:
    """The network of the file, alone."""
    return load_source(lower(g, target="numpy", options=Options(batch=batch))[1], g.name).Network().load({})


# Numbers of images --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [total, centred])
@pytest.mark.parametrize("count", [0, 1, 3, 6, 8])
def test_what_needs_the_whole_batch_runs_on_nothing_else(make: Any, count: int) -> None:
    x = np.ones((count, 3), np.float32)
    with pytest.raises(ValueError, match=f"{OF_ALL}{count}$"):
        emitted(make(), 4).run(x)
    with pytest.raises(CnnError, match=f"{OF_ALL}{count}") as e:
        compile(make(), {}, batch=4)(x)
    assert e.value.code == "E721"


@pytest.mark.parametrize("make", [total, centred])
def test_what_needs_the_whole_batch_is_right_on_it(make: Any) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    out = np.empty(3 if make is total else (4, 3), np.float32)
    wanted = compile(make(), {}, target="reference")(x)
    assert emitted(make(), 4).run(x, out=out) is out
    assert np.abs(out - wanted).max() < 1e-5
    assert np.abs(compile(make(), {}, batch=4)(x) - wanted).max() < 1e-5
    text = lower(make(), target="numpy", options=Options(batch=4))[1]
    assert "net.run(x)    # 4 images" in text.replace(make().name, "net") and "Takes x: 4 × 3 float32" in text


def test_sums_of_the_weights_alone_leave_any_number_of_images() -> None:
    g = Graph("scaled")
    norm = g.reduce_sum(g.input("c", (5, 3), batched=False), axes=(0,))
    g.output(g.pointwise(lambda e, p, q: p * q, g.input("x", (3,)), norm))
    c, x = np.ones((5, 3), np.float32), np.ones((6, 3), np.float32)
    np.testing.assert_array_equal(emitted(g, 4).run(c, x), np.full((6, 3), 5.0))


def test_of_no_images_the_outputs_beside_them_are_there() -> None:
    c, none = np.array([1, 2, 3], np.float32), np.zeros((0, 3), np.float32)
    for run in (emitted(beside(), 4).run, compile(beside(), {}, batch=4), compile(beside(), {}, target="reference")):
        alone, each = run(c, none, out=[np.full(3, np.nan, np.float32), None])
        assert alone.tolist() == [2, 3, 4] and each.shape == (0, 3)


@pytest.mark.parametrize(("a", "b"), [(4, 2), (2, 4), (9, 8), (0, 1)])
def test_inputs_of_different_numbers_of_images_are_refused(a: int, b: int) -> None:
    g = Graph("pair")
    g.output(g.input("a", (3,)).add(g.input("b", (3,))))
    few, many = sorted((a, b))
    with pytest.raises(ValueError, match=rf"^the inputs have different numbers of images: \[{few}, {many}\]$"):
        emitted(g, 4).run(np.ones((a, 3), np.float32), np.ones((b, 3), np.float32))


@pytest.mark.parametrize("kind", ["complex64", "datetime64[s]", "object", "U1"])
def test_what_is_no_real_number_is_refused(kind: str) -> None:
    g = Graph("one")
    g.output(g.input("x", (3,)).relu())
    with pytest.raises(ValueError, match=r"^x holds .*, expected float32$"):
        emitted(g, 2).run(np.zeros((2, 3)).astype(kind))


# What the numbers are -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([-1, -10], "^label holds -10 to -1, expected 0 to 9$"),
        ([3, 10], "^label holds 3 to 10, expected 0 to 9$"),
        ([0.5, 1.5], "^label holds float64, expected int32$"),
        ([2**32, 1], "^label holds 1 to 4294967296, more than int32 can$"),
    ],
)
def test_a_step_refuses_labels_of_no_class_and_rates_without_end(labels: list[Any], says: str) -> None:
    g = Graph("one")
    g.output(g.input("image", (3,)).dense(10, name="logits"))
    step = cnndsl.compile_step(g, loss="cross_entropy(logits)", optimizer=Sgd(0.1, 0.0), batch=2)
    net, images = step.executable.network, np.ones((2, 3), np.float32)
    given: dict[str, Any] = {"image": images, "rate": np.float32(0.1), "seed": np.uint64(0)}
    before = {name: x.copy() for name, x in net.state.items()}
    with pytest.raises(ValueError, match=says):
        net.step(*({"label": np.array(labels), **given}[name] for name in step.executable.program.inputs))
    for rate in (np.nan, np.inf):
        wrong = {"label": np.array([0, 9]), **given, "rate": np.float32(rate)}
        with pytest.raises(ValueError, match=f"^rate is {rate}, expected a finite number$"):
            net.step(*(wrong[name] for name in step.executable.program.inputs))
    assert all(np.array_equal(x, before[name]) for name, x in net.state.items())
    net.step(*({"label": np.array([0, 9]), **given}[name] for name in step.executable.program.inputs))
    assert net.state["step"] == 1


@pytest.mark.parametrize(
    ("dtype", "given", "says"),
    [
        ("int32", [1.7, -2.9, 3e10], "float64, expected int32"),
        ("uint8", np.ones(3, np.float32), "float32, expected uint8"),
        ("int32", [0, 1, 2**31], "0 to 2147483648, more than int32 can"),
        ("uint8", [-1, 0, 255], "-1 to 255, more than uint8 can"),
        ("uint64", [-1, 0, 1], "-1 to 1, more than uint64 can"),
        ("int64", np.array([0, 1, 2**63], np.uint64), "0 to 9223372036854775808, more than int64 can"),
    ],
)
def test_whole_numbers_are_not_made_of_others(dtype: str, given: Any, says: str) -> None:
    g = whole_numbers(dtype)
    with pytest.raises(ValueError, match=f"^n holds {says}$"):
        emitted(g, 2).run(given)
    for target in ("numpy", "reference"):
        with pytest.raises(CnnError, match=f"input n holds {says}") as e:
            compile(g, {}, target=target)(given)
        assert e.value.code == "E721"


def test_whole_numbers_of_another_type_that_are_there_are_taken() -> None:
    for dtype, given in (("int32", np.array([0, -5, 2**31 - 1])), ("uint8", [0, 7, 255]), ("uint64", [True, False, True])):
        g = whole_numbers(dtype)
        for run in (emitted(g, 2).run, compile(g, {})):
            found = run(given)
            assert found.dtype == dtype and found.tolist() == [np.array(given).astype(int).tolist()]


# Calls of the library ------------------------------------------------------------------------------------------------------


def test_arrays_for_the_outputs_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = compile(beside(), {}, batch=4)
    calls = []
    plain = run.module.destinations  # type: ignore[union-attr]
    for place in (run.module.__dict__, vars(cnndsl.runtime.runnable)):  # type: ignore[union-attr]
        monkeypatch.setitem(place, "destinations", lambda *given: calls.append(1) or plain(*given))
    run(np.ones(3, np.float32), np.ones((4, 3), np.float32))
    assert calls == [1]


def test_a_step_without_memory_is_told() -> None:
    g = Graph("one")
    g.output(g.input("image", (3,)).dense(2, name="logits"))
    step = cnndsl.compile_step(g, loss="cross_entropy(logits)", optimizer=Sgd(0.1, 0.0), batch=2)

    def none(*given: Any) -> None:
        raise MemoryError

    step.executable.network.step = none
    with pytest.raises(CnnError, match="one: not enough memory for a step") as e:
        step(np.ones((2, 3), np.float32), np.array([0, 1], np.int32))
    assert e.value.code == "E723"


def test_the_text_of_a_module_lives_as_long_as_its_code() -> None:
    import gc

    text = "class Network:\n    def broken(self):\n        return 1 / 0  # here\n"

    def lines() -> list[str]:
        gc.collect()
        return [line for name in [*linecache.cache] if "a net of its own" in name for line in linecache.getlines(name)]

    first, second = (load_source(text, "a net of its own").Network() for _ in range(2))
    assert len(lines()) == 3  # the modules are gone, what was made of them is not
    del first
    assert len(lines()) == 3
    del second
    assert lines() == []


# Memory ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "batch", "training"), [("lenet5", 8, False), ("lenet5", 8, True), ("resnet20", 2, True)])
def test_a_program_says_what_its_file_takes(name: str, batch: int, training: bool) -> None:
    net = cnndsl.load(name)
    made = cnndsl.compile_step(net, batch=batch).executable if training else compile(net, batch=batch)
    program, module = made.program, made.module  # type: ignore[union-attr]
    assert program.scratch_bytes == module.SCRATCH_BYTES > 0
    assert program.arena_bytes + program.workers * program.scratch_bytes == module.ARENA_BYTES
