"""Batches made ready by threads: the same bits for any number of them, and pictures that break on the way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import datasets, folder, loader, pipeline
from cnndsl.data.draws import permutation
from cnndsl.data.loader import AHEAD, Loader, Plan, Reader
from cnndsl.data.records import Part
from cnndsl.errors import CnnError
from cnndsl.language.recipe import Call, Interval
from cnndsl.training.judged import read_ahead

STEPS = pipeline.bind(
    (
        Call("random_resized_crop", (12,), {}),
        Call("flip", (), {}),
        Call("color_jitter", (), {"hue": 0.1}),
        Call("noise", (Interval(0, 0.1),), {}),
    ),
    "augment",
    random=True,
)
SHAPE = (12, 12, 3)
BATCH, PER_EPOCH, EPOCHS = 5, 4, 2


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    """Twenty-three photographs of many sizes, each read anew whenever it is wanted."""
    monkeypatch.setattr(folder, "KEPT", 0)
    rng = np.random.default_rng(0)
    for i in range(23):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        size = (20 + 3 * i, 40 - i, 3)
        Image.fromarray(rng.integers(0, 256, size).astype(np.uint8)).save(tmp_path / "ab"[i % 2] / f"{i:02}.jpg")
    return datasets.read_folder(tmp_path).train


def array() -> Part:
    rng = np.random.default_rng(0)
    return Part(rng.integers(0, 256, (650, 15, 13, 3)).astype(np.uint8), (np.arange(650) % 4).astype(np.int32))


def plan(part: Part, batch: int = BATCH) -> Plan:
    return Plan(part, batch, PER_EPOCH, PER_EPOCH * EPOCHS, 7, lambda epoch: permutation(7, epoch, "shuffle", len(part)))


def all_of(part: Part, workers: int, start: int = 0, batch: int = BATCH, bad: str = "stop") -> list[tuple[Any, Any]]:
    with Reader(STEPS, SHAPE, workers, bad) as reader:
        made = Loader(reader, plan(part, batch))
        return [tuple(a.copy() for a in made.take(s)) for s in range(start, PER_EPOCH * EPOCHS)]


def same(a: list[tuple[Any, Any]], b: list[tuple[Any, Any]]) -> None:
    assert len(a) == len(b)
    for (x, y), (u, v) in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def test_any_number_of_workers_gives_the_same_bits(pictures: Part) -> None:
    one = all_of(pictures, 1)
    for workers in (2, 3, 16):
        same(all_of(pictures, workers), one)
    p = plan(pictures)
    for step, (images, labels) in enumerate(one):  # and those of a pipeline that knows no workers
        epoch, index = divmod(step, PER_EPOCH)
        samples = p.order(epoch)[index * BATCH : (index + 1) * BATCH]
        given, truth = pictures.take(samples)
        np.testing.assert_array_equal(images, pipeline.run(STEPS, given, 7, epoch, samples))
        np.testing.assert_array_equal(labels, truth)


def test_arrays_are_cut_into_pieces_with_the_same_bits() -> None:
    one = all_of(array(), 1, batch=160)
    for workers in (2, 3):
        same(all_of(array(), workers, batch=160), one)


def test_it_begins_anywhere(pictures: Part) -> None:
    same(all_of(pictures, 2, start=3), all_of(pictures, 2)[3:])


def test_a_bounded_number_is_under_way(pictures: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    before, begun, begin = set(threading.enumerate()), [], Reader.begin

    def counted(self: Reader, part: Part, samples: Any, *rest: Any) -> Any:
        begun.append(len(samples))
        return begin(self, part, samples, *rest)

    monkeypatch.setattr(Reader, "begin", counted)
    with Reader(STEPS, SHAPE, 3) as reader:
        made = Loader(reader, plan(pictures))
        images, _ = made.take(0)
        held = images.copy()
        assert len(begun) == 1 + AHEAD
        for future in [f for filling in made._under_way.values() for f in filling.futures]:
            future.result()
        np.testing.assert_array_equal(images, held)  # what is in use is not written on
        made.take(1)
        assert len(begun) == 2 + AHEAD
    assert set(threading.enumerate()) == before


def broken(part: Part, numbers: tuple[int, ...]) -> list[Path]:
    """Pictures whose heads are whole and whose pixels are not there."""
    paths = [part.images.paths[i] for i in numbers]  # type: ignore[union-attr]
    for i, path in enumerate(paths):
        path.write_bytes(path.read_bytes()[:650] if i % 2 == 0 else b"nothing")
    return paths


def test_a_broken_picture_stops(pictures: Part) -> None:
    (path,) = broken(pictures, (9,))
    for workers in (1, 4):
        with pytest.raises(CnnError, match=path.name) as e:
            all_of(pictures, workers)
        assert e.value.code == "E703"
        assert "--on-bad-image skip" in str(e.value)


def test_broken_pictures_are_skipped_and_named(pictures: Part) -> None:
    whole = all_of(pictures, 2)
    paths = broken(pictures, (9, 4, 5))
    with Reader(STEPS, SHAPE, 3, "skip") as reader:
        made, p = Loader(reader, plan(pictures)), plan(pictures)
        for step, (images, labels) in enumerate(whole):
            found, truth = made.take(step)
            epoch, index = divmod(step, PER_EPOCH)
            samples = p.order(epoch)[index * BATCH : (index + 1) * BATCH]
            good = [i for i, s in enumerate(samples) if s not in (4, 5, 9)]
            for i in range(BATCH):
                other = i if i in good else next((g for g in good if g > i), good[0])
                np.testing.assert_array_equal(found[i], images[other])
                assert truth[i] == labels[other]
        assert set(reader.skipped) == set(map(str, paths))
        assert all(Path(name).name in why for name, why in reader.skipped.items())
    same(all_of(pictures, 1, bad="skip"), all_of(pictures, 4, bad="skip"))


def test_a_batch_of_broken_pictures_stops(pictures: Part) -> None:
    broken(pictures, tuple(range(23)))
    with pytest.raises(CnnError, match="no picture of a batch can be read"):
        all_of(pictures, 2, bad="skip")


def test_a_worker_without_memory_gives_a_sentence(pictures: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(loader.pipeline, "through", none)
    with pytest.raises(CnnError, match="not enough memory to prepare the pictures") as e:
        all_of(pictures, 2, bad="skip")
    assert e.value.code == "E723"


def test_a_batch_of_pictures_that_do_not_fit_is_never_skipped(pictures: Part) -> None:
    with Reader(STEPS, (9, 9, 3), 2, "skip") as reader:
        with pytest.raises(CnnError, match=r"no picture of a batch fits: .*jpg: .* the model takes 9x9x3") as e:
            Loader(reader, plan(pictures)).take(0)
        with pytest.raises(CnnError, match="the model takes 9x9x3"):
            list(read_ahead(reader, pictures, 8))
    assert e.value.code == "E706" and "--on-bad-image" not in str(e.value)


def test_a_picture_that_does_not_fit_is_named_or_skipped(pictures: Part) -> None:
    assert isinstance(pictures.images, folder.PictureFiles)
    path = pictures.images.paths[9]
    Image.new("L", (12, 12), 80).save(path)
    grey = Call("normalize", (), {"mean": (0.3, 0.3, 0.3), "std": 0.2})
    coloured = pipeline.bind([Call("resize", ((12, 12),)), grey], "preprocess", random=False)
    with Reader(coloured, SHAPE, 2) as reader:
        filling = reader.begin(pictures, np.arange(8, 11))
        assert filling.wait().all()
        np.testing.assert_allclose(filling.images[1], (80 / 255 - 0.3) / 0.2, rtol=1e-5)
    size = pipeline.bind([Call("resize", ((12, 12),))], "preprocess", random=False)
    Image.new("RGB", (12, 12)).save(path)
    for other in pictures.images.paths[:9] + pictures.images.paths[10:]:
        Image.new("L", (9, 9)).save(other)
    with Reader(size, (12, 12, 1), 2) as reader, pytest.raises(CnnError) as e:
        reader.begin(pictures, np.arange(8, 11)).wait()
    (said,) = e.value.diagnostics
    assert said.message == f"{path}: the pictures are 12x12x3, the model takes 12x12x1"
    assert said.help == "preprocess: images = grey -> …; --on-bad-image skip goes on without it"
    with Reader(size, (12, 12, 1), 2, "skip") as reader:
        assert [there.tolist() for _, there in read_ahead(reader, pictures, 4)][2] == [True, False, True, True]
        assert list(reader.skipped) == [str(path)]


def test_what_to_do_with_a_bad_image_is_one_of_two_words() -> None:
    with pytest.raises(CnnError, match="stop or skip, not ignore"):
        Reader(STEPS, SHAPE, 1, "ignore")
