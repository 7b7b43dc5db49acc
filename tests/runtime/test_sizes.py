"""Models that leave sizes open: compiled for each size on first use, kept, and right."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph
from cnndsl.runtime.sizes import KEPT

TEXT = """
model open {
    input z: HxWx2 where H % 4 == 0, W % 2 == 0
    conv(4, 3x3, pad = 1) -> batch_norm -> relu -> max_pool(2x2)
    conv(3, 1x1)
}
"""


@pytest.fixture
def net(tmp_path: Any) -> Any:
    (tmp_path / "open.cnn").write_text(TEXT)
    return cnndsl.load(tmp_path / "open.cnn")


def image(h: int, w: int, n: int = 3) -> Any:
    return np.random.default_rng(h * w).standard_normal((n, h, w, 2)).astype(np.float32)


def test_each_size_is_compiled_once_and_right(net: Any) -> None:
    weights = net.initial_weights(0)
    run = cnndsl.compile(net, weights, batch=2)
    for h, w in ((8, 6), (12, 4), (8, 6), (4, 10)):
        fixed = cnndsl.compile(net, weights, batch=2, sizes={"H": h, "W": w})
        np.testing.assert_array_equal(run(image(h, w)), fixed(image(h, w)))
        assert run(image(h, w)).shape == (3, h // 2, w // 2, 3)
    assert [tuple(s.values()) for s in run.sizes] == [(12, 4), (8, 6), (4, 10)]
    assert run.at(H=8, W=6) is run.at(W=6, H=8)


def test_one_image_without_a_batch(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    assert run(image(8, 6)[0]).shape == (1, 4, 3, 3)


def test_new_weights_reach_every_size(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    before = run(image(8, 6))
    run.load(net.initial_weights(1))
    assert np.abs(run(image(8, 6)) - before).max() > 0.01


def test_few_are_kept(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    for k in range(KEPT + 2):
        run(image(4, 2 + 2 * k, 1))
    assert len(run.sizes) == KEPT and {"H": 4, "W": 2} not in run.sizes


def test_new_weights_reach_those_too_that_are_not_kept(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    mine, x = run.at(H=4, W=2), image(4, 2)
    for k in range(1, KEPT + 1):
        run.at(H=4, W=2 + 2 * k)
    assert {"H": 4, "W": 2} not in run.sizes
    run.load(net.initial_weights(1))
    np.testing.assert_array_equal(mine(x), run(x))


def test_some_sizes_may_be_given(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0), sizes={"H": 8})
    assert run(image(8, 6)).shape == (3, 4, 3, 3)
    with pytest.raises(CnnError) as e:
        run(image(12, 6))
    assert e.value.code == "E721"


@pytest.mark.parametrize(
    ("given", "code"), [((1, 6, 6, 2), "E604"), ((1, 8, 6, 3), "E721"), ((6,), "E721"), ((2, 2, 8, 6, 2), "E721")]
)
def test_what_does_not_fit(net: Any, given: tuple[int, ...], code: str) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    with pytest.raises(CnnError) as e:
        run(np.zeros(given, np.float32))
    assert e.value.code == code


class Strange:
    """What no size is."""


@pytest.mark.parametrize(
    ("sizes", "code", "says"),
    [
        ({"N": 4}, "E606", "N is the batch"), ({"H": 8, "W": 8, "N": 2}, "E606", "batch=4 binds it"),
        ({"H": 8.5}, "E606", "H is a whole number from 1 to 2147483647, not 8.5"), ({"H": 8.0}, "E606", "not 8.0"),
        ({"H": 0}, "E606", "not 0"), ({"H": -8}, "E606", "not -8"), ({"H": True}, "E606", "not True"),
        ({"H": 2**70}, "E606", "not 1180591620717411303424"), ({"H": 10**5000}, "E606", "not this int"),
        ({"H": "8"}, "E606", "not '8'"), ({"H": None}, "E606", "not None"), ({"H": float("nan")}, "E606", "not nan"),
        ({"H": [8]}, "E606", "not"), ({"H": np.float32(8)}, "E606", "not"), ({"H": np.array([8, 8])}, "E606", "not"),
        (8.5, "E606", "given by name"), (8, "E606", "given by name"), ("HW", "E606", "given by name"),
        ([("H", 8)], "E606", "given by name"), (Strange(), "E606", "given by name"), ({3: 8}, "E606", "not by 3"),
        ({"Q": 8}, "E604", "no size named Q"), ({"": 8}, "E604", "no size named"), ({"H": 6}, "E604", "multiple of 4"),
    ],
    ids=lambda x: "",
)  # fmt: skip
@pytest.mark.parametrize("target", ["numpy", "reference"])
def test_sizes_that_are_none(net: Any, target: str, sizes: Any, code: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        cnndsl.compile(net, sizes=sizes, target=target)
    assert e.value.code == code


def test_sizes_are_any_whole_numbers(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0), sizes={"H": np.int64(8), "W": np.uint8(6)})
    assert run(image(8, 6)).shape == (3, 4, 3, 3)
    with pytest.raises(CnnError, match="not 0"):
        cnndsl.compile(net).at(H=0, W=2)


@pytest.mark.parametrize("sizes", [{"H": 46340, "W": 46340}, {"H": 2**20, "W": 2**10}, {"H": 4, "W": 2**30}])
def test_sizes_too_large_for_any_machine(net: Any, sizes: Any) -> None:
    with pytest.raises(CnnError) as e:
        cnndsl.compile(net, sizes=sizes)
    assert e.value.code == "E909"
    g = Graph("api")
    g.output(g.input("z", (2**20, 2**20, 2)).relu())
    with pytest.raises(CnnError) as e:
        cnndsl.compile(g)
    assert e.value.code == "E909"


def test_before_weights(net: Any) -> None:
    with pytest.raises(CnnError) as e:
        cnndsl.compile(net)(image(8, 6))
    assert e.value.code == "E722"
    with pytest.raises(CnnError) as e:
        cnndsl.compile(net).load({})
    assert e.value.code == "E504"


def test_two_inputs_share_a_size() -> None:
    g = Graph("two")
    from cnndsl.graph.sizes import Affine

    h = Affine.symbol("H")
    a, b = g.input("a", (h, h, 1)), g.input("b", (h, h, 1))
    g.output(a.add(b))
    run = cnndsl.compile(g)
    ones = np.ones((1, 3, 3, 1), np.float32)
    np.testing.assert_array_equal(run(ones, b=ones), 2 * ones)
    with pytest.raises(CnnError) as e:
        run(ones, np.ones((1, 3, 4, 1), np.float32))
    assert e.value.code == "E721"


def test_many_threads_compile_one_size_once(net: Any) -> None:
    run = cnndsl.compile(net, net.initial_weights(0))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(run.at(H=8, W=8))) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 6 and len(set(map(id, found))) == 1
