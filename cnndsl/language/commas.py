"""A decimal comma: `sgd(0,1)` gives two numbers, where one was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cnndsl.errors import Span

MEND = "decimals stand behind a point"
_SPACED = re.compile(r"(?<![\w.])(?:(0)[ \t]*,[ \t]*|(\d+),)(\d+)(?![\w.])")
_TIGHT = re.compile(r"(?<![\w.])(?:(0),|(\d+),)(\d+)(?![\w.])")


def pointed(what: str, spans: Iterable[Span | None], tight: bool = False) -> str | None:
    """The mend for a decimal comma among arguments at these places: whole numbers of which the first is 0 or which nothing but
    the comma parts (tight: only these). None where there are none."""
    found = [x for x in spans if x is not None]
    if len(found) < 2:
        return None
    text = found[0].source.text[min(x.start for x in found) : max(x.end for x in found)]
    new = (_TIGHT if tight else _SPACED).sub(lambda m: f"{m[1] or m[2]}.{m[3]}", text)
    return f"{MEND}: {what}({new})" if new != text and "[" not in text and "\n" not in text else None
