"""`cnndsl fmt FILE…`: one layout for `.cnn` files."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cnndsl.errors import Diagnostic


def fmt(
    files: Annotated[
        list[str], typer.Argument(help="Files, folders of .cnn files, or - for standard input.", show_default=False)
    ],
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 if a file would change.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; print what would change.")] = False,
    shapes: Annotated[bool, typer.Option("--shapes", help="Also write and refresh the checked shapes.")] = False,
) -> None:
    """Lay out .cnn files. Comments and meaning stay; a file that cannot be read as one is left as it is."""
    from cnndsl.cli.failure import draw
    from cnndsl.errors import CnnError

    found: list[Diagnostic] = []
    changed = False
    for name in files:
        try:
            for path in files_of(name):
                try:
                    differs, errors = _one(path, check, diff, shapes)
                except CnnError as e:
                    differs, errors = False, list(e.diagnostics)
                changed |= differs
                found += errors
        except CnnError as e:
            found += e.diagnostics
    draw(found)
    if found or (check and changed):
        raise typer.Exit(1)


def files_of(name: str) -> Iterator[Path | None]:
    """The file of that name, or the .cnn files of the folder; None for standard input. Raises E505 for an empty folder."""
    from cnndsl.errors import error

    path = Path(name)
    if name == "-" or not path.is_dir():
        yield None if name == "-" else path
        return
    found = sorted(path.glob("*.cnn"))
    if not found:
        raise error("E505", f"{name} is a folder without .cnn files")
    yield from found


def _one(path: Path | None, check: bool, diff: bool, shapes: bool) -> tuple[bool, list[Diagnostic]]:
    """Lay out one file; whether that changes it, and what kept shapes from being written. Raises what reading raises."""
    from cnndsl.cli.models import say
    from cnndsl.errors import Source, error
    from cnndsl.language.files import contents, decode
    from cnndsl.language.format import formatted, with_shapes
    from cnndsl.language.syntax.scan import MOST_BYTES

    name = "<stdin>" if path is None else str(path)
    data = contents(path) if path is not None else sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise error("E901", f"{name}: a source has at most {MOST_BYTES // 1024} KB")
    source = Source(name, decode(data, name))
    text, errors = with_shapes(source, path.parent if path is not None else Path()) if shapes else (formatted(source), [])
    differs = text.encode() != data
    if diff and differs:
        _show_difference(name, data.decode("utf-8"), text)
    elif check and differs:
        print(name)
    elif path is None and not (diff or check):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
    elif differs:
        replace_text(path, text)  # type: ignore[arg-type]
        say(f"{name}: laid out")
    return differs, errors


def _show_difference(name: str, before: str, after: str) -> None:
    """A difference as `patch` takes it; on a terminal without what could steer it."""
    from cnndsl.errors import printable

    lines = (before.split("\n"), after.split("\n"))
    for side in lines:
        side[:-1] = [f"{line}\n" for line in side[:-1]]
        if not side[-1]:
            side.pop()
    for line in difflib.unified_diff(*lines, name, name):
        whole = line.removesuffix("\n")
        print(printable(whole.replace("\t", "        ")) if sys.stdout.isatty() else whole)
        if whole == line:
            print("\\ No newline at end of file")


def replace_text(path: Path, text: str) -> None:
    """The new text in the old one's place, whole or not at all; its rights and links to it stay. Raises E598."""
    from cnndsl.errors import error
    from cnndsl.whole import whole

    target = path.resolve()
    try:
        mode = target.stat().st_mode & 0o777
        if not (mode & 0o222 and os.access(target, os.W_OK)):
            raise error("E598", f"{path} is read-only and stays as it is", help="--diff shows what would change")
        with whole(target) as aside:
            with aside.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.chmod(mode)
    except OSError as e:
        raise error("E598", f"{path} cannot be written and stays as it is: {(e.strerror or str(e)).lower()}") from None
