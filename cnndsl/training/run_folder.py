"""A run's folder may be a stranger's: whoever goes on with it writes into that folder, and nowhere else.

A link in it would have a file outside replaced, added to or removed. So before anything of a run is read or written, each place
that is read or written later is looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

from cnndsl.errors import CnnError, error

FILES = (
    "model.json", "command.json", "recipe.txt", "skipped.txt", "log.csv", "steps.csv", "loss.png", "loss.svg",
    "weights.safetensors", "best.safetensors",
)  # fmt: skip
"""What training leaves in a run's folder, beside `checkpoints` (`training.records` says what each is)."""
CHECKPOINT = ("checkpoint.json", "state.safetensors")
LEFTOVER = re.compile(r"\.\d{10,13}\.\d+", re.ASCII)
"""A checkpoint while it is written: its step and the process."""


def check(run_dir: Path) -> None:
    """Raise E710 where a file or folder of the run is a link, or of another kind (a pipe, a device)."""
    folder = run_dir / "checkpoints"
    for name in FILES:
        _is(run_dir / name, stat.S_IFREG)
    if _is(folder, stat.S_IFDIR):
        for name in sorted(_names(folder)):
            if name.isascii() and name.isdigit() and _is(folder / name, stat.S_IFDIR):
                for part in CHECKPOINT:
                    _is(folder / name / part, stat.S_IFREG)


def check_found(run_dir: Path) -> None:
    """What `check` and `check_place` say of a run `root/model/number` that was looked for and not named."""
    check_place(run_dir.parent.parent, run_dir.parent, run_dir)
    check(run_dir)


def check_place(root: Path, *inside: Path) -> None:
    """Raise E710 where a folder inside `root` is a link that leads out of that and of the current folder.

    `root` may be a link: that is the user's own word, as the current folder is.
    """
    for path in inside:
        if path.is_symlink():
            try:
                there = path.resolve()
                stays = any(there.is_relative_to(x.resolve()) for x in (root, Path()))
            except (OSError, RuntimeError):  # links that lead to each other
                stays = False
            if not stays:
                help = "name the folder itself: runs may be a link to another disk, what lies in it may not"
                raise error("E710", f"{path} is a link that leads out of this folder", help=help)


def clear(run_dir: Path) -> None:
    """Remove what a process that was killed left of a checkpoint while it wrote."""
    folder = run_dir / "checkpoints"
    if folder.is_symlink():
        return
    for name in _names(folder):
        if LEFTOVER.fullmatch(name) and not (folder / name).is_symlink():
            shutil.rmtree(folder / name, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is(path: Path, kind: int) -> bool:
    """Whether it is there. Raises E710 where it is a link, or of another kind."""
    try:
        found = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return False
    if found == kind:
        return True
    raise _refused(path, "a link" if found == stat.S_IFLNK else "not a file" if kind == stat.S_IFREG else "not a folder")


def _refused(path: Path, what: str) -> CnnError:
    help = "take it away: whoever goes on with a run writes into that folder, and nowhere else"
    return error("E710", f"{path} is {what}; a run's files lie in its folder", help=help)
