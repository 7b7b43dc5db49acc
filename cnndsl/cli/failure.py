"""How a failure reaches the user: one message on stderr, never a traceback, and the exit code.

A `CnnError` is the user's to mend and is shown as it is. Anything else is a mistake of ours: one sentence with the
code E799 and how to report it; `CNNDSL_DEBUG=1` shows the traceback.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from cnndsl.errors import CnnError, Diagnostic

RED, YELLOW, BLUE, BOLD, PLAIN = "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"


def report(e: Exception, as_json: bool = False) -> int:
    """Print `e` on stderr (and as data on stdout with `--json`); the exit code."""
    found = explained(e)
    if isinstance(e, BrokenPipeError):  # the reader of our output has gone: nothing to tell it
        sys.stdout = None  # type: ignore[assignment]
        return 1
    if as_json:
        print(json.dumps({"errors": [d.as_dict() for d in found.diagnostics]}, indent=2))
    for d in found.diagnostics:
        print(coloured(d, sys.stderr.isatty()), file=sys.stderr)
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


def coloured(d: Diagnostic, colours: bool) -> str:
    """The message as text; with colours, the head, the carets and the margin stand out."""
    text = d.render()
    if not colours:
        return text
    mark = RED if d.severity == "error" else YELLOW
    head, *rest = text.split("\n")
    kind, _, message = head.partition(": ")
    out = [f"{mark}{kind}{PLAIN}: {BOLD}{message}{PLAIN}"]
    for line in rest:
        margin, bar, code = line.partition(" | ")
        if bar and not code.strip("^ ") and "^" in code:
            code = f"{mark}{code}{PLAIN}"
        out.append(f"{BLUE}{margin}{bar}{PLAIN}{code}" if bar else line)
    return "\n".join(out)


def warn(diagnostics: tuple[Diagnostic, ...]) -> None:
    """Warnings go to stderr and change no exit code."""
    for d in diagnostics:
        print(coloured(d, sys.stderr.isatty()), file=sys.stderr)
