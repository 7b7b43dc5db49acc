"""`cnndsl explain E312`, `cnndsl explain conv`: what a code means, and what a word of the language is."""

from __future__ import annotations

import re
from typing import Annotated

import typer


def explain(
    what: Annotated[
        str | None,
        typer.Argument(
            help="A code of a message, an op, a word of files or recipes; without one, all codes.", show_default=False
        ),
    ] = None,
) -> None:
    """What a message means, with a wrong and a right example; what an op, a word of the language or of recipes is."""
    from cnndsl.language.pages import families
    from cnndsl.view import language_words, ops, recipe_words

    if what is None:
        for family in families():
            print(f"{family.title}\n")
            for each in family.pages:
                print(f"  {each.code}  {each.title}")
            print()
        print("More on one:  cnndsl explain E312        Words of the language:  cnndsl ops")
        return
    found = [ops.page(what)] if what in (op.name for op in ops.word_ops()) else []
    found += [*language_words.pages(what), *recipe_words.pages(what)]
    print("\n\n".join(found) if found else message(what))


def message(code: str) -> str:
    """The page of a code. Raises E770 with the nearest code or word."""
    from cnndsl.errors import error
    from cnndsl.language.pages import page
    from cnndsl.language.spelling import nearest
    from cnndsl.view import language_words, ops, recipe_words

    if not re.fullmatch(r"[EW]?\d+", code.strip().upper()):
        words = [*(op.name for op in ops.word_ops()), *language_words.known(), *recipe_words.known()]
        help = nearest(code.strip().lower(), words) or "cnndsl ops lists the ops, cnndsl explain the codes"
        raise error("E770", f"there is no word {code}", help=help)
    found = page(code)
    lines = [f"{found.code}: {found.title}", "", found.text]
    for title, example in (("Wrong:", found.wrong), ("Right:", found.right)):
        if example:
            lines += ["", title, "", *(f"    {line}".rstrip() for line in example.rstrip().split("\n"))]
    return "\n".join(lines)
