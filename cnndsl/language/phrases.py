"""The ops' own refusals in the words of the language: shapes as `28x28x3`, and the mend where there is one."""

from __future__ import annotations

import re
from dataclasses import replace

from cnndsl.errors import Diagnostic

_TYPE = re.compile(r"\b(?:float|int|bool)\w*\[((?:[\w/*+ -]+,?)*)\]")
_TUPLE = re.compile(r"\((\d+(?:, \d+)+)\)")
_BEYOND = re.compile(r"given is \d{10,}")
_LARGE = re.compile(r"from (\d+) to 2147483647")

MENDS = {
    "E209": "share makes one set of weights: every value that meets it needs as many channels as the first",
    "E306": "pad = same puts the odd row at the end; or write the padding out: [[0, 1], [0, 1]]",
    "E307": "pad = same keeps the size; a smaller window or less pooling before also help",
    "E308": "take a number of groups that divides both, or other filters",
}
"""What helps against a code of an op, where the op itself says nothing."""


def plainly(d: Diagnostic) -> Diagnostic:
    """The same message for a reader of `.cnn` files."""
    message = _TYPE.sub(_drawn, d.message)
    if not _BEYOND.search(message):  # the upper end is told to those who are beyond it
        message = _LARGE.sub(r"of at least \1", message)
    message = _TUPLE.sub(r"[\1]", message).replace(", but given is ", ", not ")
    help = d.help or MENDS.get(d.code)
    return d if (message, help) == (d.message, d.help) else replace(d, message=message, help=help)


def _drawn(found: re.Match[str]) -> str:
    """`float32[N,28,28,3]` as `28x28x3`."""
    return "x".join(found[1].removeprefix("N,").split(","))
