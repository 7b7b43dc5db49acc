"""`cnndsl data NAME`: what a data set holds, and its pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import Json

if TYPE_CHECKING:
    from cnndsl.data.records import Dataset

MOST_PASSED = 5
"""Folders without a picture that are named."""
Name = Annotated[
    str,
    typer.Argument(help="A bundled data set (digits), or what --data takes: a folder of classes, a file.", show_default=False),
]
Write = Annotated[Path | None, typer.Option("--write", help="Write the pictures into this folder, one folder a class.")]
Each = Annotated[int | None, typer.Option("--each", min=1, help="With --write: at most so many of each class and part.")]


def data(name: Name, write: Write = None, each: Each = None, as_json: Json = False) -> None:
    """Tell what a data set holds: its classes, and how many pictures train and test. Or write its pictures as files.

    Pictures that cannot be read, as far as the first bytes of their files tell, are counted too, and named.
    """
    import json

    from cnndsl.cli.failure import draw
    from cnndsl.cli.models import say
    from cnndsl.data import datasets
    from cnndsl.data.folder import together, unreadable
    from cnndsl.errors import error

    if each is not None and write is None:
        raise error("E770", "--each goes with --write", help=f"cnndsl data {name} --write pictures --each {each}")
    if write is not None and as_json:
        raise error("E770", "--write writes pictures: it goes without --json", help=f"cnndsl data {name} --json")
    found = datasets.open(name, check=write is not None)
    say_passed(found)
    if write is not None:
        from cnndsl.data.write import write_folder

        count = write_folder(found, write, each)
        say(f"{count:,} pictures in {write}, one folder a class: --data {write} takes them")
        return
    bad = unreadable(found)
    told = as_data(found) | {"unreadable": [d.message for d in bad]}
    print(json.dumps(told, indent=2) if as_json else table(told), flush=True)
    if bad:
        draw([together(bad, name)])
        raise typer.Exit(1)


def say_passed(found: Dataset) -> None:
    """Name on stderr the folders that are no classes, since they hold no picture."""
    from cnndsl.cli.models import say

    for name in found.passed[:MOST_PASSED]:
        say(f"passed over: {name} holds no picture, and is no class")
    if len(found.passed) > MOST_PASSED:
        say(f"passed over: {len(found.passed) - MOST_PASSED:,} more folders without a picture")


def as_data(found: Dataset) -> dict[str, Any]:
    """For `--json`: classes with their counts; pictures: HxWxC where they have one size."""
    import numpy as np

    def counts(labels: Any) -> list[int]:
        return [int(n) for n in np.bincount(labels.ravel(), minlength=len(found.classes))][: len(found.classes)]

    images, beside = found.train.images, {"labels": found.train.labels, **found.train.beside}
    return {
        "name": found.name,
        "pictures": "x".join(map(str, images.shape[1:])) if isinstance(images, np.ndarray) else None,
        "images": [len(found.train), len(found.test) if found.test is not None else 0],
        "beside": {name: "x".join(map(str, x.shape[1:])) for name, x in beside.items() if x.ndim > 1},
        "classes": list(found.classes),
        "train": counts(found.train.labels),
        "test": counts(found.test.labels) if found.test is not None else None,
    }


def table(told: dict[str, Any]) -> str:
    from cnndsl.errors import counted, printable

    train, test = told["images"]
    shape = f" of {told['pictures']}" if told["pictures"] else ""
    shape += "".join(f" with {name} of {x}" for name, x in told["beside"].items())
    classes = [counted(len(told["classes"]), "class")] if told["classes"] else []
    head = f"{printable(told['name'])}: {', '.join([*classes, f'{train:,} pictures{shape} to train on'])}, {test:,} to test on"
    if not classes:
        return head
    names = [printable(x) for x in told["classes"]]
    width = max(len("class"), *map(len, names))
    rows = [f"{'class':<{width}}  {'train':>7}  {'test':>7}"]
    rows += [
        f"{x:<{width}}  {n:>7,}  {m:>7,}"
        for x, n, m in zip(names, told["train"], told["test"] or [0] * len(names), strict=True)
    ]
    return "\n".join([head, "", *rows])
