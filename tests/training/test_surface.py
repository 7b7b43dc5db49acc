"""The loss around a network: the network itself in the middle, and directions with the norms of its filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cnndsl
from cnndsl.data.datasets import digits
from cnndsl.data.records import Dataset
from cnndsl.training.evaluate import evaluate
from cnndsl.training.surface import direction, surface
from cnndsl.view.surface import heights, levels, loss, surface_picture

WEIGHTS = Path(cnndsl.__file__).parent / "data" / "weights" / "lenet5.safetensors"


def few(count: int) -> Dataset:
    data = digits()
    part = data.train.only(np.arange(0, len(data.train), len(data.train) // count)[:count])
    return Dataset("few", data.classes, part, part)


def test_filters_of_a_direction_have_the_norms_of_the_weights() -> None:
    net = cnndsl.load("lenet5")
    own = cnndsl.read_weights(WEIGHTS)
    first, second = direction(net.graph, own, 1), direction(net.graph, own, 2)
    assert sorted(first) == ["conv.weight", "conv2.weight", "dense.weight", "dense2.weight", "logits.weight"]
    for name, d in first.items():
        axes = tuple(range(d.ndim - 1))
        assert np.allclose(np.sqrt((d**2).sum(axis=axes)), np.sqrt((own[name].astype(float) ** 2).sum(axis=axes)))
        across = abs((d * second[name]).sum()) / np.sqrt((d**2).sum() * (second[name] ** 2).sum())
        assert across < 0.5
    again = direction(net.graph, own, 1)
    assert all(np.array_equal(again[name], d) for name, d in first.items())


def test_the_network_itself_is_in_the_middle() -> None:
    net, data = cnndsl.load("lenet5"), few(60)
    told: list[int] = []
    found = surface(net, WEIGHTS, data, points=3, reach=1, on_row=told.append)
    assert found.images == 60 and told == [0, 1, 2]
    assert found.places.tolist() == [-1, 0, 1]
    assert found.losses[1, 1] == pytest.approx(evaluate(net, WEIGHTS, data).loss, rel=1e-4)
    assert found.losses[1, 1] == found.losses.min()
    own = cnndsl.read_weights(WEIGHTS)
    d = direction(net.graph, own, 1)
    moved = {name: (w + d[name]).astype(np.float32) if name in d else w for name, w in own.items()}
    assert found.losses[1, 2] == pytest.approx(evaluate(net, moved, data).loss, rel=1e-4)


def test_heights_are_powers_of_ten(tmp_path: Path) -> None:
    losses = np.array([[10.0, 1.0, np.nan], [0.1, 0.0, 100.0], [1.0, 1.0, 1.0]])
    assert heights(losses).filled(-99).tolist() == [[1, 0, -99], [-1, -6, 2], [0, 0, 0]]
    surface_picture(np.array([-1.0, 0.0, 1.0]), losses, tmp_path / "a.png")
    surface_picture(np.array([-1.0, 0.0, 1.0]), np.ones((3, 3)), tmp_path / "c.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_lines_of_equal_loss_are_whole_powers_of_ten() -> None:
    colours, lines = levels(-3.9, 4.2)
    assert lines.tolist() == [-2, 0, 2, 4]
    assert colours[0] <= -3.9 and colours[-1] >= 4.2 and np.allclose(np.diff(colours), 1)
    assert [loss(x) for x in (-4, -2, 0, 2, 4, 0.5)] == ["$10^{-4}$", "0.01", "1", "100", "$10^{4}$", "3.16"]
    colours, lines = levels(0.2, 1.4)
    assert (colours[0], colours[-1], len(colours), len(lines)) == (0.2, 1.4, 13, 7)
