"""What is no text is called by what it is, also where it is larger than a text may be; what is a text never is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnndsl.errors import CnnError
from cnndsl.language.bundled import bundled
from cnndsl.language.files import contents, read
from cnndsl.language.other_files import other_kind


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, kind)
    return out.getvalue()


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"x")
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return out.getvalue()


def array(**arrays: object) -> bytes:
    out = io.BytesIO()
    if arrays:
        np.savez(out, **arrays)  # type: ignore[arg-type]
    else:
        np.save(out, np.zeros(3))
    return out.getvalue()


FILES = {
    "a PNG picture": picture("PNG"),
    "a JPEG picture": picture("JPEG"),
    "a GIF picture": picture("GIF"),
    "a WebP picture": picture("WEBP"),
    "a TIFF picture": picture("TIFF"),
    "a NumPy array": array(),
    "an archive of NumPy arrays": array(images=np.zeros(3)),
    "a PyTorch file": zipped("archive/data.pkl"),
    "a zip archive": zipped("a.txt"),
    "a safetensors file": (bundled("data") / "weights" / "lenet5.safetensors").read_bytes(),
    "a Python pickle": pickle.dumps({"a": np.zeros(3)}),
    "a gzip archive": gzip.compress(b"model"),
    "a bzip2 archive": bz2.compress(b"model"),
    "an xz archive": lzma.compress(b"model"),
    "a tar archive": tarred(),
    "a PDF document": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    "text in UTF-16": "model m".encode("utf-16"),
}
if sys.platform == "linux":
    FILES["a program"] = Path(sys.executable).resolve().read_bytes()


@pytest.mark.parametrize("what", FILES)
def test_a_file_is_called_what_it_is(what: str, tmp_path: Path) -> None:
    path = tmp_path / "net.cnn"
    path.write_bytes(FILES[what] + b"\0" * 600_000)
    with pytest.raises(CnnError) as caught:
        read(path)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E108", f"{path} is {what}, not a .cnn file in UTF-8")
    assert found.help


def test_texts_are_texts() -> None:
    for path in bundled("models").glob("*.cnn"):
        assert other_kind(contents(path), path.name) is None
    for text in ("", "#", "GIF", "model", "\ufeffmodel m {", "(dp0\n", "# caf\u00e9", "PK", "%PDF"):
        assert other_kind(text.encode(), "net.cnn") is None
    assert other_kind("# caf\u00e9 na\u00efve".encode("latin-1"), "net.cnn") is None
