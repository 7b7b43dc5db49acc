"""`cnndsl import NOTATION`: the one-line notation of the lecture's practical as a `.cnn` file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    notation: Annotated[str, typer.Argument(help="For example C-16-5-1-same,M-2-2,F,H-100,D-0.5", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; else the text goes to stdout.")
    ] = None,
    input: Annotated[str, typer.Option("--input", help="The size of an image.")] = "28x28x1",
    classes: Annotated[int, typer.Option("--classes", min=1, help="How many classes there are.")] = 10,
    name: Annotated[str, typer.Option("--name", help="The model's name.")] = "course",
) -> None:
    """Write a network given in the course's one-line notation as .cnn text."""
    from cnndsl.cli.models import say
    from cnndsl.errors import error
    from cnndsl.formats.course import import_course
    from cnndsl.whole import write_whole

    text = import_course(notation, name=name, input=input, classes=classes)
    if output is None:
        print(text, end="")
        return
    if output.exists():
        raise error("E598", f"{output} is there already", help="name another file")
    write_whole(output, text)
    say(f"{output}: try cnndsl show {output}")
