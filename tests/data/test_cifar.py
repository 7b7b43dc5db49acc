"""CIFAR's files: the same pictures from all four forms and the archives, and every way in which they can lie."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnndsl.data import archive, cifar, datasets
from cnndsl.data.unpickle import read_pickle
from cnndsl.errors import CnnError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (30, 3072)).astype(np.uint8)
LABELS = (np.arange(30) % 10).tolist()
NAMES = [f"name{i}" for i in range(10)]


def short(text: str) -> bytes:
    return b"U" + bytes([len(text)]) + text.encode()


def python2(pixels: np.ndarray, labels: list[int], key: str = "labels") -> bytes:
    """As Python 2's cPickle and the NumPy of 2009 wrote the published files, opcode by opcode."""
    content, count = pixels.tobytes(), len(pixels).to_bytes(2, "little")
    dtype = b"cnumpy\ndtype\nq\x0a" + short("u1") + b"K\x00K\x01\x87Rq\x0b(K\x03" + short("|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85" + short("b") + b"\x87Rq\x08("
    array += b"K\x01M" + count + b"M\x00\x0c\x86q\x09" + dtype
    array += b"\x89T" + len(content).to_bytes(4, "little") + content + b"tb"
    numbers = b"]q\x04(" + b"".join(b"K" + bytes([x]) for x in labels) + b"e"
    files = b"".join(short(f"{i}.png") for i in range(len(labels)))
    return (
        b"\x80\x02}q\x01(" + short("batch_label") + b"q\x02" + short("training batch 1 of 5") + short(key) + b"q\x03" + numbers
        + short("data") + array + short("filenames") + b"]q\x0d(" + files + b"eu."
    )  # fmt: skip


def python2_names(key: str, names: list[str]) -> bytes:
    return b"\x80\x02}q\x01(" + short("num_vis") + b"M\x00\x0c" + short(key) + b"](" + b"".join(map(short, names)) + b"eu."


def cifar10(end: str) -> dict[str, bytes]:
    files = {}
    for i, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        x, y = PIXELS[10 * i : 10 * i + 10], LABELS[10 * i : 10 * i + 10]
        if end:
            files[f"{name}.bin"] = b"".join(bytes([b]) + a.tobytes() for a, b in zip(x, y, strict=True))
        else:
            files[name] = python2(x, y)
    if end:
        files["batches.meta.txt"] = "\n".join(NAMES).encode() + b"\n\n"
    else:
        files["batches.meta"] = python2_names("label_names", NAMES)
    return files


def cifar100(end: str) -> dict[str, bytes]:
    fine, names = [90 + y for y in LABELS], [f"fine{i}" for i in range(100)]
    if end:
        records = [bytes([y // 5, y]) + x.tobytes() for x, y in zip(PIXELS, fine, strict=True)]
        tables = {"fine_label_names.txt": "\n".join(names).encode(), "coarse_label_names.txt": b"x"}
        return {"train.bin": b"".join(records[:20]), "test.bin": b"".join(records[20:]), **tables}
    tables = {"meta": python2_names("fine_label_names", names)}
    return {
        "train": python2(PIXELS[:20], fine[:20], "fine_labels"),
        "test": python2(PIXELS[20:], fine[20:], "fine_labels"),
        **tables,
    }


def into_folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def into_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as t:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches/{name}")
            member.size = len(content)
            t.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("hundred", [False, True])
@pytest.mark.parametrize("end", ["", ".bin"])
@pytest.mark.parametrize("form", ["folder", "x.tar.gz", "x.tar", "one of them"])
def test_read(tmp_path: Path, form: str, end: str, hundred: bool) -> None:
    files = cifar100(end) if hundred else cifar10(end)
    if "tar" in form:
        path = into_tar(tmp_path / form, files, "w:gz" if form.endswith("gz") else "w")
    else:
        path = into_folder(tmp_path / "folder", files)
        path = path / next(iter(files)) if form == "one of them" else path
    data = datasets.open(path)
    assert data.name == ("x" if "tar" in form else "folder")
    assert data.classes == (tuple(f"fine{i}" for i in range(100)) if hundred else tuple(NAMES))
    wanted = PIXELS.reshape(30, 3, 32, 32).transpose(0, 2, 3, 1)
    assert data.test is not None
    np.testing.assert_array_equal(np.concatenate([data.train.images, data.test.images]), wanted)
    labels = np.concatenate([data.train.labels, data.test.labels])
    np.testing.assert_array_equal(labels, np.array(LABELS) + (90 if hundred else 0))
    assert labels.dtype == np.int32
    assert len(data.train) == 20


def test_the_hand_written_pickle_is_one() -> None:
    """Python's own reader, which may run what we wrote ourselves, says the same."""
    theirs = pickle.loads(python2(PIXELS[:3], LABELS[:3]), encoding="bytes")  # noqa: S301
    ours = read_pickle(python2(PIXELS[:3], LABELS[:3]))
    np.testing.assert_array_equal(ours["data"], theirs[b"data"])
    assert ours["labels"] == theirs[b"labels"] == LABELS[:3]
    assert ours["filenames"] == theirs[b"filenames"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_python_3(protocol: int, order: Any) -> None:
    said = {
        "data": np.asarray(PIXELS, order=order),
        "labels": LABELS,
        b"name": "é" * 300,
        "more": (1, -1, 2**40, None, True, b"x", ()),
    }
    found = read_pickle(pickle.dumps(said, protocol))
    np.testing.assert_array_equal(found["data"], PIXELS)
    assert found["labels"] == LABELS
    assert found["name"] == "é" * 300
    assert found["more"] == said["more"]


class Evil:
    def __init__(self, *called: Any) -> None:
        self.called = called

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps(Evil(os.system, ("touch pwned",))), "never done"),
        (pickle.dumps(Evil(eval, ("1",)), 2), "never done"),
        (pickle.dumps(Evil(np.load, ("x",)), 2), "never done"),
        (pickle.dumps(np.zeros(3)), "only whole numbers of one byte"),
        (pickle.dumps(np.array([{}], object)), "only whole numbers of one byte"),
        (pickle.dumps(1.5), "opcode 0x47"),
        (pickle.dumps({1: 2}), "a key is no text"),
        (pickle.dumps({"a": {2}}), "does not need"),
        (b"\x80\x02cos\nsystem\n.", None),
        (b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00a\x85R.", "calls os.system"),
        (b"\x80\x02cposix\nsystem\n" + short("a") + b"\x85\x81.", "does not need"),
        (b"ios\nsystem\n.", "does not need"),
        (b"\x80\x09.", "protocol"),
        (b"", "too early"),
        (b".", "damaged"),
        (b"R", "damaged"),
        (b"u", "damaged"),
        (b"]K\x01K\x02u.", "damaged"),
        (b"}K\x01a.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"c" + b"a" * 500, "damaged"),
        (b"\x96" + b"\xff" * 8, "too early"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "too early"),
        (b"T\xff\xff\xff\xff", "too early"),
        (b"\x8a\xff" + b"\1" * 255 + b".", "too large"),
        (b"X\x01\x00\x00\x00\xff.", "damaged"),
        (b"N" * 5_000_000, "more than 4,000,000 steps"),
        (b"\x80\x02Q.", "does not need"),
    ],
)
def test_pickles_that_are_refused(data: bytes, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if says is None:  # a name alone is only compared
        assert not callable(read_pickle(data))
    else:
        with pytest.raises(ValueError, match=says) as e:
            read_pickle(data)
        assert str(e.value).startswith("byte ")
    assert not list(tmp_path.iterdir())


def test_arrays_that_lie() -> None:
    good = python2(PIXELS[:3], LABELS[:3])
    for wrong in (
        good.replace(b"M\x03\x00M\x00\x0c\x86", b"M\x04\x00M\x00\x0c\x86"),
        good.replace(b"M\x03\x00M\x00\x0c\x86", b"J\xff\xff\xff\xffJ\xff\xff\xff\x7f\x86"),
        good.replace(b"M\x03\x00M\x00\x0c\x86", short("ab") + b"K\x01\x86"),
        good.replace(short("u1"), short("f8")),
        good.replace(short("u1"), short("O8")),
    ):
        assert wrong != good
        with pytest.raises(ValueError, match="byte"):
            read_pickle(wrong)


def test_a_text_is_not_made_into_bytes_again_and_again() -> None:
    """Eight bytes of a pickle for each copy of a text that the memo keeps: a small file for all of memory."""
    text = b"x" * 1_000_000
    first = b"\x80\x02X" + len(text).to_bytes(4, "little") + text + b"q\x00X\x06\0\0\0latin1q\x01c_codecs\nencode\nq\x02"
    copy = b"h\x02h\x00h\x01\x86R"
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="makes more bytes than it has"):
            read_pickle(first + 500 * copy + b".")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_any_pickle_cut_or_changed_is_refused_or_read() -> None:
    """No input makes it raise anything else, call anything, or take long."""
    good = python2(PIXELS[:1, :64].copy(), [3]).replace(b"M\x00\x0c\x86", b"M\x40\x00\x86")
    rng = np.random.default_rng(1)
    for end in range(len(good)):
        with pytest.raises(ValueError, match="byte"):
            read_pickle(good[:end])
    for _ in range(3000):
        wrong = bytearray(good)
        for at in rng.integers(0, len(good), rng.integers(1, 4)):
            wrong[at] = rng.integers(0, 256)
        with suppress(ValueError):
            read_pickle(bytes(wrong))


def fails(path: Path, code: str, says: str) -> None:
    with pytest.raises(CnnError, match=says) as e:
        datasets.open(path)
    assert e.value.code == code


BAD_PIXELS = {"data": PIXELS[:, :3000], "labels": LABELS}


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (
            {"data_batch_2.bin": b"\1" * 3073 * 2 + b"\1"},
            "E702",
            r"data_batch_2.bin: 6,147 bytes are no whole number of records",
        ),
        ({"data_batch_2.bin": b"\1" * 3073 + b"\x0a" * 3073}, "E705", r"data_batch_2.bin, record 1: the label is 10"),
        ({"data_batch_1.bin": b""}, "E702", "0 bytes"),
        ({"data_batch_4.bin": b"\1" * 3073}, "E702", "data_batch_3.bin is missing, though there is data_batch_4.bin"),
        ({"batches.meta.txt": b"one two"}, "E702", "does not name 10 classes"),
    ],
)
def test_binary_refused(tmp_path: Path, change: dict[str, bytes], code: str, says: str) -> None:
    fails(into_folder(tmp_path / "a", cifar10(".bin") | change), code, says)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (
            {"data_batch_2": cifar10("")["data_batch_2"][:-9]},
            "E702",
            r"data_batch_2 cannot be read: byte [0-9,]+: it ends too early",
        ),
        ({"data_batch_2": pickle.dumps(Evil(os.system, ("x",)))}, "E702", r"data_batch_2 cannot be read: byte .* never done"),
        ({"data_batch_2": pickle.dumps([1])}, "E702", "holds no dictionary"),
        ({"data_batch_2": pickle.dumps({"data": 3})}, "E702", "no data of shape"),
        ({"data_batch_2": pickle.dumps(BAD_PIXELS)}, "E702", "no data of shape"),
        ({"data_batch_2": pickle.dumps({"data": PIXELS, "labels": LABELS[1:]})}, "E702", "29 labels for 30 pictures"),
        ({"data_batch_2": pickle.dumps({"data": PIXELS})}, "E702", "no labels for 30 pictures"),
        (
            {"data_batch_2": pickle.dumps({"data": PIXELS, "labels": [*LABELS[1:], "x"]})},
            "E705",
            "record 29: the label is no whole",
        ),
        (
            {"data_batch_2": pickle.dumps({"data": PIXELS, "labels": [*LABELS[1:], 2**60]})},
            "E705",
            "record 29: the label is no whole",
        ),
        ({"data_batch_2": pickle.dumps({"data": PIXELS, "labels": [*LABELS[1:], -1]})}, "E705", "record 29: the label is -1"),
        ({"batches.meta": pickle.dumps({"label_names": 3})}, "E702", "does not name 10 classes"),
    ],
)
def test_python_refused(tmp_path: Path, change: dict[str, bytes], code: str, says: str) -> None:
    fails(into_folder(tmp_path / "a", cifar10("") | change), code, says)


def test_a_folder_without_a_table_numbers_its_classes(tmp_path: Path) -> None:
    files = cifar10(".bin")
    del files["batches.meta.txt"]
    assert datasets.open(into_folder(tmp_path / "a", files)).classes == tuple("0123456789")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = into_folder(tmp_path / "a", cifar10(".bin"))
    with (path / "data_batch_2.bin").open("ab") as f:
        f.truncate(3073 * 10**6)  # a hole of three gigabytes
    fails(path, "E704", "at most")


def tar_with(path: Path, change: Callable[[tarfile.TarFile], None]) -> Path:
    with tarfile.open(path, "w:gz") as t:
        change(t)
        for name, content in cifar10(".bin").items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            t.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"") -> Callable[[tarfile.TarFile], None]:
    def add(t: tarfile.TarFile) -> None:
        m = tarfile.TarInfo(name)
        m.type, m.linkname, m.size = kind, link, len(content)
        t.addfile(m, io.BytesIO(content))

    return add


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (member("../data_batch_1.bin", content=b"x"), "E702", "outside itself"),
        (member("a/../../b"), "E702", "outside itself"),
        (member("/etc/data_batch_1.bin"), "E702", "outside itself"),
        (member("C:\\data_batch_1.bin"), "E702", "outside itself"),
        (member("a\\..\\b"), "E702", "outside itself"),
        (member("test_batch.bin", tarfile.SYMTYPE, "/etc/passwd"), "E702", "no file"),
        (member("test_batch.bin", tarfile.LNKTYPE, "data_batch_1.bin"), "E702", "no file"),
        (member("null", tarfile.CHRTYPE), "E702", "no file"),
        (member("pipe", tarfile.FIFOTYPE), "E702", "no file"),
        (member("again/test_batch.bin", content=b"x"), "E702", "two files named test_batch.bin"),
        (lambda t: [member(f"{i}")(t) for i in range(archive.MOST_MEMBERS)] and None, "E704", "more than 10,000 members"),
    ],
)
def test_archives_refused(tmp_path: Path, change: Callable[[tarfile.TarFile], None], code: str, says: str) -> None:
    fails(tar_with(tmp_path / "x.tar.gz", change), code, says)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.tar.gz"]


def test_archives_that_are_damaged(tmp_path: Path) -> None:
    path = into_tar(tmp_path / "x.tar.gz", cifar10(""))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for end in (1, 9, 300, 1000, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:end])
        fails(path, "E702", "x.tar.gz")
    plain = gzip.decompress(whole)
    for _ in range(300):  # headers that say anything
        wrong = bytearray(plain)
        for at in rng.integers(0, 512, 3):
            wrong[at + 512 * int(rng.integers(0, 3))] = rng.integers(0, 256)
        (tmp_path / "y.tar").write_bytes(bytes(wrong))
        with suppress(CnnError):
            datasets.open(tmp_path / "y.tar")


def test_sizes_that_lie(tmp_path: Path) -> None:
    m = tarfile.TarInfo("data_batch_1.bin")
    for size, code, says in ((1 << 40, "E704", "at most"), (3073 * 1000, "E702", "too early|unexpected end|cannot be read")):
        m.size = size
        (tmp_path / "x.tar.gz").write_bytes(gzip.compress(m.tobuf() + b"\1" * 3073))
        fails(tmp_path / "x.tar.gz", code, says)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("first", [False, True])
def test_headers_that_are_long(tmp_path: Path, kind: bytes, first: bool) -> None:
    m = tarfile.TarInfo("x")
    m.type, m.size = kind, 40 << 20
    before = b"" if first else tarfile.TarInfo("empty").tobuf()
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(before + m.tobuf() + b"\0" * m.size, 1))
    tracemalloc.start()
    fails(tmp_path / "x.tar.gz", "E702", "x.tar.gz")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_files_with_holes(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("train.bin").tobuf())
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % (500 << 20)  # its size where the holes are filled
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "x.tar").write_bytes(bytes(header) + b"\0" * 1024)
    fails(tmp_path / "x.tar", "E702", "a file with holes")


@pytest.mark.parametrize("name", ["train.bin", "filler"])
def test_a_bomb(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 4 << 20)
    m = tarfile.TarInfo(name)
    m.size = 3 << 20
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress((m.tobuf() + b"\0" * m.size) * 3))
    with pytest.raises(CnnError, match=r"when unpacked|two files") as e:
        datasets.open(tmp_path / "x.tar.gz")
    assert e.value.code in ("E702", "E704")


def test_another_archive(tmp_path: Path) -> None:
    fails(into_tar(tmp_path / "x.tar.gz", {"notes.txt": b"hello"}), "E702", "no data set that is known")
    assert cifar.read_cifar(tmp_path) is None
