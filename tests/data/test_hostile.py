"""Whatever bytes a stranger's data set holds: it is read, or refused by an error of our own."""

from __future__ import annotations

import io
import pickle
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import datasets
from cnndsl.errors import CnnError


def good(folder: Path) -> dict[str, bytes]:
    """One small file of each form."""
    images, labels = np.zeros((4, 4, 4), np.uint8), np.arange(4)
    both, one = io.BytesIO(), io.BytesIO()
    np.savez(both, images=images, labels=labels)
    np.save(one, images)
    Image.new("RGB", (5, 5)).save(folder / "a.png")
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2]}
    return {
        "x.npz": both.getvalue(),
        "images.npy": one.getvalue(),
        "x.csv": b"path,label\na.png,1\na.png,2\n",
        "train-images-idx3-ubyte": bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 4, 4) + bytes(64),
        "data_batch_1": pickle.dumps(batch),
        "data_batch_1.bin": bytes(2 * 3073),
    }


def spoilt(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut, changed, or with something put in; mostly near its beginning, where the headers are."""
    found = bytearray(data)
    kind = rng.integers(0, 4)
    if kind == 0:
        found = found[: rng.integers(0, len(found) + 1)]
    for _ in range(rng.integers(0, 6)):
        if found:
            found[int(len(found) * rng.random() ** 3)] = rng.integers(0, 256)
    if kind == 1 and found:
        at = int(rng.integers(0, len(found)))
        found[at:at] = bytes(rng.integers(0, 256, rng.integers(1, 9)).astype(np.uint8))
    return bytes(found)


def tried(folder: Path, rounds: int, seed: int) -> None:
    rng, seeds = np.random.default_rng(seed), good(folder)
    for _ in range(rounds):
        name = list(seeds)[rng.integers(len(seeds))]
        path = folder / name
        path.write_bytes(spoilt(seeds[name], rng))
        for wanted in (path, folder):
            with suppress(CnnError):
                datasets.open(wanted)
        path.unlink()


@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")
def test_any_bytes(tmp_path: Path) -> None:
    tried(tmp_path, 600, 0)


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")
def test_any_bytes_for_long(tmp_path: Path) -> None:
    for seed in range(1, 50):
        tried(tmp_path, 2000, seed)


def test_a_header_that_is_no_python(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((4, 4, 4), np.uint8))
    whole = (tmp_path / "images.npy").read_bytes()
    for wrong in (whole.replace(b"}  ", b"} {"), whole.replace(b"(4, 4, 4)", b"(4, -4,4)"), whole.replace(b"|u1", b"|\xff1")):
        (tmp_path / "images.npy").write_bytes(wrong)
        with pytest.raises(CnnError, match=r"its header|cannot be read") as e:
            datasets.open(tmp_path)
        assert e.value.code == "E702"


FORMS = {
    "npy": ("images.npy", "labels.npy"),
    "idx": ("train-images-idx3-ubyte", "train-labels.idx1-ubyte"),
    "cifar": ("data_batch_1.bin", "batches.meta.txt"),
    "cifar for python": ("data_batch_1", "test_batch"),
}


def whole(folder: Path, form: str) -> None:
    """A small data set of that form."""
    folder.mkdir()
    if form == "npy":
        np.save(folder / "images.npy", np.zeros((4, 4, 4), np.uint8))
        np.save(folder / "labels.npy", np.arange(4))
    elif form == "idx":
        (folder / FORMS[form][0]).write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 4, 4) + bytes(64))
        (folder / FORMS[form][1]).write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 4) + bytes(4))
    elif form == "cifar":
        (folder / "data_batch_1.bin").write_bytes(bytes(2 * 3073))
        (folder / "batches.meta.txt").write_text("\n".join(f"class{n}" for n in range(10)))
    else:
        for name in FORMS[form]:
            (folder / name).write_bytes(pickle.dumps({"data": np.zeros((2, 3072), np.uint8).tobytes(), "labels": [1, 2]}))


@pytest.mark.parametrize(("form", "name"), [(form, name) for form in FORMS for name in FORMS[form]])
def test_a_link_may_not_lead_out_of_the_folder(tmp_path: Path, form: str, name: str) -> None:
    data, private = tmp_path / "data", tmp_path / "private"
    whole(data, form)
    whole(private, form)
    (data / name).unlink()
    for target in (Path("../private") / name, private / name):
        (data / name).symlink_to(target)
        for wanted in (data, *((data / FORMS[form][0],) if name != FORMS[form][0] else ())):
            with pytest.raises(CnnError, match=f"{name} is a link that leads out of the folder") as caught:
                datasets.open(wanted, check=True)
            assert caught.value.code == "E702"
        (data / name).unlink()


@pytest.mark.parametrize("form", ["npy", "idx", "cifar"])
def test_a_link_that_stays_inside_is_followed(tmp_path: Path, form: str) -> None:
    data = tmp_path / "data"
    whole(data, form)
    (data / "kept").mkdir()
    for name in FORMS[form]:
        (data / name).rename(data / "kept" / name)
        (data / name).symlink_to(f"kept/{name}")
    (tmp_path / "mine").symlink_to(data)  # whoever names a link means where it leads
    assert len(datasets.open(tmp_path / "mine").train) >= 1
