"""`cnndsl check FILE…`: every error and warning of the files, with their places."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cnndsl.cli.options import Json

if TYPE_CHECKING:
    from cnndsl.errors import Diagnostic


def check(
    files: Annotated[
        list[str], typer.Argument(help="Files, folders of .cnn files, or file.cnn:name; key=value for the models.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings as errors: exit code 1.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with models: errors and warnings, with places. Exit code 1 if there is an error.

    `cnndsl explain CODE` says more about a message.
    """
    from cnndsl.cli.arguments import split
    from cnndsl.cli.failure import draw
    from cnndsl.errors import CnnError, error, printable
    from cnndsl.language.load import check as check_file

    words, given = split(files)
    if not words:
        raise error("E770", "there is no file to check")
    found: list[Diagnostic] = []
    for name in [name for word in words for name in sources(word)]:
        try:
            wrong = list(check_file(name, **given.only().model))
        except CnnError as e:
            wrong = list(e.diagnostics)
        found += wrong
        if not as_json:
            print(f"{printable(name)}: {_tally(wrong)}")
    if as_json:
        print(json.dumps([d.as_dict() for d in found], indent=2))
    else:
        draw(found)
    if any(strict or d.severity == "error" for d in found):
        raise typer.Exit(1)


def sources(word: str) -> list[str]:
    """The word itself, or the .cnn files of the folder that it names. Raises E505 where a folder has none."""
    from cnndsl.cli.fmt import files_of
    from cnndsl.language.load import bundled_models

    return [word] if word in bundled_models() else [str(path or word) for path in files_of(word)]


def _tally(found: list[Diagnostic]) -> str:
    """`ok`, `2 warnings`, `1 error and 2 warnings`: the messages themselves go to stderr."""
    from cnndsl.errors import counted

    kinds = [(kind, sum(d.severity == kind for d in found)) for kind in ("error", "warning")]
    return " and ".join(counted(count, kind) for kind, count in kinds if count) or "ok"
