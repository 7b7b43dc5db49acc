"""Filters: each scaled by its own largest weight around mid-grey, in the order of the weights."""

import numpy as np
import pytest

from cnndsl.view.curves import Line, curve_lines
from cnndsl.view.filters import filter_tiles
from cnndsl.view.mosaic import columns, mosaic
from tests.view.test_plots import Epoch


def test_a_filter_is_scaled_by_its_own_largest_weight() -> None:
    weight = np.zeros((2, 2, 1, 3), np.float32)
    weight[:, :, 0, 0] = [[4, -2], [0, 1]]
    weight[:, :, 0, 1] = [[0.1, -0.1], [0, 0]]
    (row,) = filter_tiles(weight)
    assert np.array_equal(row[0], [[1, 0.25], [0.5, 0.625]])
    assert np.allclose(row[1], [[1, 0], [0.5, 0.5]])
    assert np.array_equal(row[2], np.full((2, 2), 0.5))


def test_three_channels_are_colours() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 3, 3, 8))
    tiles = [tile for row in filter_tiles(weight) for tile in row]
    assert [t.shape for t in tiles] == [(3, 3, 3)] * 8
    assert np.allclose(2 * tiles[5] - 1, weight[..., 5] / np.abs(weight[..., 5]).max())


def test_other_channels_are_rows() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 5, 6, 16))
    tiles = filter_tiles(weight)
    assert (len(tiles), len(tiles[0])) == (6, 16)
    assert np.allclose(2 * tiles[4][9] - 1, weight[:, :, 4, 9] / np.abs(weight[..., 9]).max())


@pytest.mark.parametrize(("count", "wide"), [(1, 1), (2, 2), (6, 3), (64, 8), (96, 12), (7, 4), (20, 5), (32, 8)])
def test_rows_are_full_where_they_can_be(count: int, wide: int) -> None:
    assert columns(count) == wide


def test_a_mosaic_keeps_each_tile() -> None:
    tiles = [[np.full((50, 60), 3.0 * i + k) for k in range(3)] for i in range(2)]
    whole = mosaic(tiles)
    assert whole.shape == (105, 190)
    assert whole[0, 0] == 0 and whole[-1, -1] == 5 and whole[60, 70] == 4
    assert np.isnan(whole[52]).all() and np.isnan(whole[:, 62]).all()


def test_numbers_that_no_axis_holds_are_left_out() -> None:
    (line,) = curve_lines({"a": [[Epoch(1, 1e300), Epoch(2, float("inf")), Epoch(3, 0.5)]]})["loss"]
    assert line.points == [(3, 0.5)]


def test_lines_are_those_of_the_epochs() -> None:
    runs = {"a": [[Epoch(1, 2.0, 0.5, 2.5, 0.25), Epoch(2, 1.0, 0.75, float("nan"), 0.5)]], "b": [[Epoch(1, 3.0)]]}
    assert curve_lines(runs) == {
        "loss": [
            Line("a", False, [(1, 2.0), (2, 1.0)]),
            Line("a", True, [(1, 2.5)]),
            Line("b", False, [(1, 3.0)]),
        ],
        "accuracy in %": [Line("a", False, [(1, 50.0), (2, 75.0)]), Line("a", True, [(1, 25.0), (2, 50.0)])],
    }  # fmt: skip


def test_runs_of_one_name_are_their_mean_in_a_band() -> None:
    """Over the epochs in which all that go so far have a number."""
    losses = ([2.0, 1.0, 0.5], [4.0, 1.5], [3.0, 0.5])
    (line,) = curve_lines({"a": [[Epoch(k, x) for k, x in enumerate(run, 1)] for run in losses]})["loss"]
    assert line.points == [(1, 3.0), (2, 1.0), (3, 0.5)]
    assert line.band == ((1, 2.0, 4.0), (2, 0.5, 1.5), (3, 0.5, 0.5))
    diverged = [
        [2.0, float("inf"), 1.0],
        [4.0, 3.0],
        [6.0, 5.0, float("nan"), 3.0],
    ]  # the first ends with a number, the last too
    (line,) = curve_lines({"a": [[Epoch(k, x) for k, x in enumerate(run, 1)] for run in diverged]})["loss"]
    assert line.points == [(1, 4.0), (4, 3.0)]
    assert curve_lines({"a": [[Epoch(1, 2.0, 0.5)], [Epoch(1, 2.0)]]}).keys() == {"loss"}
