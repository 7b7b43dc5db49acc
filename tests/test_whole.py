"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from cnndsl.errors import CnnError
from cnndsl.whole import whole, write_whole


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("old")

    def fill_the_disk() -> None:
        with whole(path) as aside:
            aside.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "net.py", tmp_path / "net.py"
    file.write_text("old")
    link.symlink_to(file)
    write_whole(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert list((tmp_path / "far").iterdir()) == [file]


def test_a_pipe_or_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "through")
    reader.join(10)
    assert got == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CnnError) as caught:
        write_whole(tmp_path / "nowhere" / "net.py", "text")
    assert caught.value.code == "E598"
    assert "nowhere/net.py cannot be written: No such file" in str(caught.value)


def test_where_links_are_not_followed_the_link_is_replaced(tmp_path: Path) -> None:
    far, link = tmp_path / "far", tmp_path / "log.csv"
    far.write_text("mine")
    for to in (far, tmp_path / "none"):
        link.symlink_to(to)
        with whole(link, follow=False) as aside:
            aside.write_text("new")
        assert not link.is_symlink()
        assert link.read_text() == "new"
        link.unlink()
    assert far.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [far]
