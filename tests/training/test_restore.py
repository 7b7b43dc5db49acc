"""Deep image prior on small pictures by a small network: what is mended, what is refused, and that a seed says it all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnndsl.data import photograph
from cnndsl.errors import CnnError
from cnndsl.language.load import load_text
from cnndsl.training.restore import restore, shrinks

TEXT = """
model tiny {
    input z: [H, W, 4] where H % 4 == 0, W % 4 == 0
    concat {
        skip: conv(2, 1x1)
        deep: { conv(8, 3x3, stride = 2, pad = same, bias = false) -> batch_norm -> relu -> upsample(2, bilinear) }
    }
    conv(8, 3x3, pad = same, bias = false) -> batch_norm -> relu
    conv(3, 1x1) -> sigmoid
}
task denoise {
    input = noise(0..0.1); jitter = 0.03; loss = mse(output, image); optimizer = adam(0.01); steps = 40; average = ema(0.9)
}
task inpaint { input = noise(0..0.1); loss = mse(output, image, mask); optimizer = adam(0.02); steps = 60 }
task enlarge { input = noise(0..0.1); loss = mse(downsample(output, 2, lanczos), image); optimizer = adam(0.02); steps = 30 }
task grid { input = meshgrid; loss = mse(output, image); optimizer = adam(0.01); steps = 5 }
task nothing { input = noise(0.1); loss = total_variation(output); steps = 5 }
"""
NET = load_text(TEXT)
ROWS, COLUMNS = np.meshgrid(np.linspace(0, 1, 13), np.linspace(0, 1, 10), indexing="ij")
PICTURE = np.stack([ROWS, COLUMNS, 0.5 + 0.4 * np.sin(6 * ROWS)], axis=2).astype(np.float32)


def test_a_picture_is_fitted_and_has_its_own_size() -> None:
    done = restore(NET, NET.tasks["denoise"], PICTURE, truth=PICTURE, every=10)
    assert done.picture.shape == PICTURE.shape
    assert [s.step for s in done.course] == [1, 10, 20, 30, 40]
    assert done.course[-1].loss < done.course[0].loss / 1.5
    assert done.course[-1].psnr is not None and done.course[-1].psnr > 12
    assert done.why == "the steps asked for are done"


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    task = NET.tasks["denoise"].override({"steps": "4"})
    first, again = (restore(NET, task, PICTURE).picture for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, restore(NET, task.override({"seed": "1"}), PICTURE).picture)


def test_holes_are_filled_from_what_is_around_them() -> None:
    known = photograph.with_holes(PICTURE.shape, 0.3, 0)
    spoilt = PICTURE * known
    done = restore(NET, NET.tasks["inpaint"], spoilt, mask=known, truth=PICTURE)
    assert done.course[-1].psnr is not None
    assert done.course[-1].psnr > photograph.psnr(spoilt, PICTURE) + 3


def test_what_stands_in_holes_does_not_matter() -> None:
    known = photograph.with_holes(PICTURE.shape, 0.3, 0)
    task = NET.tasks["inpaint"].override({"steps": "5"})
    results = [restore(NET, task, np.where(known > 0, PICTURE, x).astype(np.float32), mask=known).picture for x in (0.0, 0.9)]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(("factor", "times"), [(None, 2), (4, 4)])
def test_a_picture_becomes_larger_by_the_factor(factor: int | None, times: int) -> None:
    task = NET.tasks["enlarge"]
    assert shrinks(task) == 2
    done = restore(NET, task.override({"steps": "3"}), PICTURE, factor=factor)
    assert done.picture.shape == (13 * times, 10 * times, 3)


def test_a_grey_picture_stays_grey() -> None:
    done = restore(NET, NET.tasks["denoise"].override({"steps": "2"}), PICTURE[:, :, :1])
    assert done.picture.shape == (13, 10, 1)


def test_it_ends_when_the_loss_no_longer_falls() -> None:
    task = NET.tasks["denoise"].override({"steps": "400", "optimizer": "sgd(0)", "jitter": "0"})
    done = restore(NET, task, PICTURE, patience=7)
    assert done.steps < 100
    assert done.why == "the smoothed loss has not fallen for 7 steps"


@pytest.mark.parametrize(
    ("task", "given", "code", "text"),
    [
        ("inpaint", {}, "E423", "needs a mask"),
        ("denoise", {"mask": np.ones((13, 10, 1), np.float32)}, "E423", "takes no mask"),
        ("denoise", {"factor": 2}, "E423", "makes nothing larger"),
        ("grid", {}, "E424", "meshgrid makes 2 channels"),
        ("nothing", {}, "E423", "names no image"),
    ],
)
def test_what_does_not_fit_is_refused(task: str, given: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(CnnError, match=text) as e:
        restore(NET, NET.tasks[task], PICTURE, **given)
    assert e.value.code == code


def test_a_loss_that_is_no_number_stops_it() -> None:
    with pytest.raises(CnnError) as e:
        restore(NET, NET.tasks["denoise"].override({"optimizer": "sgd(1e38)"}), PICTURE)
    assert e.value.code == "E707"


def test_spoiling_is_what_it_says() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    assert (photograph.with_noise(flat, 0.1, 3) - flat).std() == pytest.approx(0.1, rel=0.02)
    assert photograph.with_holes(flat.shape, 0.25, 3).mean() == pytest.approx(0.75, abs=0.02)
    assert photograph.psnr(flat + np.float32(0.1), flat) == pytest.approx(20, abs=1e-3)
    assert photograph.psnr(flat, flat) == float("inf")


def test_a_picture_too_small_for_the_network_is_named_before_anything_is_written() -> None:
    deep = load_text(TEXT.replace("conv(2, 1x1)", "pad([5, 5], mode = reflect) -> conv(2, 11x11)"))
    with pytest.raises(CnnError, match="takes no picture as small as 3 x 3 pixels") as e:
        restore(deep, deep.tasks["denoise"], PICTURE[:3, :3])
    assert e.value.code == "E706"
