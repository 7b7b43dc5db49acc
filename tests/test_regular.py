"""Files of a stranger: bounded, never waited for, no link followed where something is added."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CnnError
from cnndsl.regular import NotAFileError, TooLargeError, append, beginning, read_bounded
from cnndsl.runtime import tuning
from cnndsl.training import curves
from cnndsl.view import profile


def in_time(call: Callable[[], Any], seconds: float = 20) -> Any:
    """What the call gives or raises; a failure where it waits."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as e:
            found.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it waits"
    return found[0]


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def zeros(folder: Path) -> Path:
    (folder / "zeros").symlink_to("/dev/zero")
    return folder / "zeros"


STRANGE = pytest.mark.parametrize("strange", [pipe, zeros])


def test_a_file_is_read_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    assert beginning(path, 3) == b"123"
    with pytest.raises(TooLargeError, match="more than 4 bytes"):
        read_bounded(path, 4)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 4)
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "b", 4)


@STRANGE
def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path, strange: Callable[[Path], Path]) -> None:
    path = strange(tmp_path)
    assert isinstance(in_time(lambda: read_bounded(path, 10)), NotAFileError)
    assert isinstance(in_time(lambda: append(path, "x")), OSError)


@STRANGE
def test_no_reader_waits_or_reads_without_end(tmp_path: Path, strange: Callable[[Path], Path]) -> None:
    path = strange(tmp_path)
    assert "it is not a file" in in_time(lambda: tuning.read(path)).remark
    for read, code in ((profile.read, "E772"), (curves.read_csv, "E702"), (curves.read_steps, "E702")):
        found = in_time(lambda read=read: read(path))  # type: ignore[misc]
        assert isinstance(found, CnnError)
        assert found.code == code and "not a file" in str(found)


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(IsADirectoryError):
            beginning(tmp_path, 1)
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_something_is_added_to_a_file_and_to_no_other(tmp_path: Path) -> None:
    path, far, link = tmp_path / "list", tmp_path / "far", tmp_path / "link"
    append(path, "ä\n")
    append(path, "b\n")
    assert path.read_text(encoding="utf-8") == "ä\nb\n"
    far.write_text("mine\n")
    for to in (far, tmp_path / "none"):
        link.symlink_to(to)
        with pytest.raises(OSError):
            append(link, "theirs\n")
        link.unlink()
    assert far.read_text() == "mine\n"
    assert not (tmp_path / "none").exists()
