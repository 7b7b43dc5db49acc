"""How a failure reaches the user: one message on stderr, never a traceback, and the exit code.

A `CnnError` is the user's to mend and is shown as it is. Anything else is a mistake of ours: one sentence with the
code E799 and how to report it; `CNNDSL_DEBUG=1` shows the traceback.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable

from cnndsl.errors import CnnError, Diagnostic


def report(e: Exception, as_json: bool = False) -> int:
    """Print `e` on stderr (and as data on stdout with `--json`); the exit code."""
    found = explained(e)
    if isinstance(e, BrokenPipeError):  # the reader of our output has gone: nothing to tell it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if as_json:
        print(json.dumps({"errors": [d.as_dict() for d in found.diagnostics]}, indent=2))
    draw(found.diagnostics)
    if os.environ.get("CNNDSL_DEBUG"):
        traceback.print_exception(e)
    return 1


def explained(e: Exception) -> CnnError:
    """`e` as diagnostics: itself, the system's refusal of a file, or our own mistake."""
    if isinstance(e, CnnError):
        return e
    if isinstance(e, MemoryError):
        return CnnError(Diagnostic("E990", "there is not enough memory for this", help="a smaller batch needs less"))
    if isinstance(e, OSError) and e.filename is not None:
        return CnnError(Diagnostic("E598", f"{os.fsdecode(e.filename)}: {(e.strerror or type(e).__name__).lower()}"))
    if isinstance(e, OSError) and e.strerror:
        return CnnError(Diagnostic("E598", f"the system refuses: {e.strerror.lower()}"))
    what = " ".join(f"{type(e).__name__}: {e}".split())[:300]
    again = "this is our mistake: please report it with the command and the model (CNNDSL_DEBUG=1 shows where it happened)"
    return CnnError(Diagnostic("E799", f"internal error ({what})", help=again))


def draw(diagnostics: Iterable[Diagnostic]) -> None:
    """Errors and warnings on stderr, an empty line between them; with colours where that is a terminal that has them."""
    for k, d in enumerate(diagnostics):
        if k:
            print(file=sys.stderr)
        if sys.stderr.isatty():
            _draw_coloured(d)
        else:
            print(d.render(), file=sys.stderr)


def _draw_coloured(d: Diagnostic) -> None:
    """The head, the carets and the margin stand out."""
    from rich.console import Console
    from rich.text import Text

    mark = "bold red" if d.severity == "error" else "bold yellow"
    head, *rest = d.render().split("\n")
    kind, _, message = head.partition(": ")
    text = Text.assemble((kind, mark), ": ", (message, "bold"))
    for line in rest:
        margin, bar, code = line.partition(" | ")
        carets = bool(bar) and code.lstrip().startswith("^")
        text.append("\n").append(margin + bar, "blue" if bar else "").append(code, mark if carets else "")
    Console(stderr=True, highlight=False, markup=False).print(text, soft_wrap=True)
