"""CSVs of pictures and `.npy` files side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.data import datasets
from cnndsl.errors import CnnError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for i in range(6):
        path = tmp_path / "data" / "pictures" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), i, np.uint8)).save(path)
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "outside.png")
    return tmp_path / "data"


def written(home: Path, text: str | bytes, name: str = "list.csv") -> Path:
    (home / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return home / name


def test_columns_by_name(home: Path) -> None:
    text = "\ufeffsplit,label,path\r\n" + "".join(
        f'{"test" if i > 3 else "train"},"a {i % 2}",pictures/{i}.png\r\n' for i in range(6)
    )
    data = datasets.open(written(home, text))
    assert (data.name, data.classes) == ("list", ("a 0", "a 1"))
    assert data.test is not None
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    pictures, labels = data.test.take(np.array([1, 0]))
    assert ([int(p[0, 0, 0]) for p in pictures], labels.tolist()) == ([5, 4], [1, 0])


def test_columns_by_place(home: Path) -> None:
    text = "".join(f"pictures\\{i}.png,{10 - i}\n" for i in range(6))
    for name in ("list.csv", "list.txt"):
        data = datasets.open(written(home, text, name))
        assert data.classes == tuple(map(str, range(11)))
        assert data.train.labels.tolist() == [10, 9, 8, 7, 6, 5]


def test_labels_with_leading_zeros_are_numbers(home: Path) -> None:
    data = datasets.open(written(home, "path,label\npictures/0.png,01\npictures/1.png,1\n"))
    assert data.train.labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "E702", "is empty"),
        ("path,label\n", "E702", "no line below"),
        ("name,kind\npictures/0.png,1\n", "E702", "line 1 names no columns"),
        ("path,label\npictures/0.png\n", "E702", "line 2: 1 fields, the first line has 2"),
        ("path,label\npictures/0.png,\n", "E705", "line 2: there is no label"),
        ("path,label\n\n\n,1\n", "E702", "line 4: there is no path"),
        ("path,label\npictures/9.png,1\n", "E703", "line 2: there is no picture"),
        ("path,label\n../outside.png,1\n", "E702", "line 2: ../outside.png leads out"),
        ("path,label\npictures/../../outside.png,1\n", "E702", "leads out"),
        ("path,label\n/etc/passwd,1\n", "E702", "leads out"),
        ("path,label\nC:\\x.png,1\n", "E702", "leads out"),
        ("path,label\nlinked.png,1\n", "E702", "line 2: linked.png is a link that leads out"),
        ("path,label\nfolder/outside.png,1\n", "E702", "is a link that leads out"),
        ("path,label\nloop/1.png,1\n", "E70", "line 2: "),
        ("path,label\na\0b.png,1\n", "E702", "line 2"),
        (f"path,label\n{'a' * 5000}.png,1\n", "E70", "line 2"),
        ("path,label\npictures,1\n", "E703", "line 2: .* is not a file"),
        ('path,label\npictures/0.png,"1\n', "E702", "line 2: unexpected end"),
        (f"path,label\npictures/0.png,{'a' * 200_000}\n", "E702", "line 2: field larger"),
        (b"path,label\npictures/0.png,\xff\n", "E702", "is not UTF-8: byte 26"),
        ("path,label\npictures/0.png,9999999\n", "E705", "a label is 9999999"),
        ("path,label,split\npictures/0.png,1,dev\n", "E702", "line 2: a part is train or test, not dev"),
        ("path,label,split\npictures/0.png,1,test\n", "E702", "no picture to train on"),
    ],
)
def test_refused(home: Path, text: str | bytes, code: str, says: str) -> None:
    (home / "linked.png").symlink_to("../outside.png")
    (home / "folder").symlink_to("..")
    (home / "loop").symlink_to("loop")
    with pytest.raises(CnnError, match=says) as e:
        datasets.open(written(home, text))
    assert e.value.code.startswith(code)
    assert "list.csv" in str(e.value)


def test_pictures_are_looked_at_later_where_asked(home: Path) -> None:
    path = written(home, "path,label\npictures/9.png,1\npictures/1.png,0\n")
    assert len(datasets.open(path, check=False).train) == 2


def test_npy_files(tmp_path: Path) -> None:
    x, y = np.arange(60, dtype=np.uint8).reshape(10, 2, 3, 1), np.arange(10) % 3
    np.save(tmp_path / "images.npy", x)
    with pytest.raises(CnnError, match="no array named labels"):
        datasets.open(tmp_path)
    np.save(tmp_path / "labels.npy", y)
    for path in (tmp_path, tmp_path / "images.npy", tmp_path / "labels.npy"):
        data = datasets.open(path)
        assert data.classes == ("0", "1", "2")
        np.testing.assert_array_equal(data.train.images, x[:10])
    np.save(tmp_path / "test_images.npy", x[:4])
    np.save(tmp_path / "test_labels.npy", y[:4])
    np.save(tmp_path / "classes.npy", np.array(["a", "b", "c"]))
    data = datasets.open(tmp_path)
    assert data.classes == ("a", "b", "c")
    assert data.test is not None
    assert len(data.test) == 4
    (tmp_path / "labels.npy").write_bytes((tmp_path / "labels.npy").read_bytes()[:-9])
    with pytest.raises(CnnError, match=r"labels.npy cannot be read: it ends too early") as e:
        datasets.open(tmp_path)
    assert e.value.code == "E702"
    np.save(tmp_path / "labels.npy", np.array([None] * 10), allow_pickle=True)
    with pytest.raises(CnnError, match="Python objects"):
        datasets.open(tmp_path)
    (tmp_path / "alone").mkdir()
    np.save(tmp_path / "alone" / "x.npy", x)
    with pytest.raises(CnnError, match=r"images.npy and labels.npy"):
        datasets.open(tmp_path / "alone" / "x.npy")
