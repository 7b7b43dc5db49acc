"""`cnndsl ops`: the words for layers, a line each."""

from __future__ import annotations

from typing import Annotated

import typer


def ops(
    markdown: Annotated[bool, typer.Option("--markdown", help="The table of docs/ops.md, with every option.")] = False,
) -> None:
    """The ops of the language: what each is, in a line."""
    from cnndsl.view.ops import as_markdown, catalogue

    if markdown:
        print(as_markdown())
        return
    print(catalogue())
    print("\nOptions of one:  cnndsl explain conv")
