"""`cnndsl explain E312`: what a code means, a wrong and a right example, and how to mend."""

from __future__ import annotations

from typing import Annotated

import typer


def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code of a message; without one, all are listed.", show_default=False)
    ] = None,
) -> None:
    """What a message means, with a wrong and a right example."""
    from cnndsl.language.pages import families, page

    if code is None:
        for family in families():
            print(f"{family.title}\n")
            for each in family.pages:
                print(f"  {each.code}  {each.title}")
            print()
        print("More on one:  cnndsl explain E312")
        return
    found = page(code)
    print(f"{found.code}: {found.title}\n\n{found.text}")
    for title, example in (("Wrong:", found.wrong), ("Right:", found.right)):
        if example:
            print(f"\n{title}\n")
            print("\n".join(f"    {line}".rstrip() for line in example.rstrip().split("\n")))
