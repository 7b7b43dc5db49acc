"""Marks in an emitted module: the very same text, with a line `net.mark(track, place)` before each kernel.

Take these lines out and the text is the one that runs unmarked. Places are numbers: first the kernels of `program.run` in
order, then what `run_program` itself does (starting a region, adding up the workers' parts, copying), and END after the
last. Tracks are the workers, and WALL, the caller's own course through the program.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from cnndsl.program.program import Program
from cnndsl.targets.numpy.comments import NOTE

WALL, END = -1, -1
MARK = "net.mark("


@dataclass(frozen=True, slots=True)
class Marked:
    """The text; what the places after the kernels are: `part2`, `sum`, `copy`."""

    text: str
    others: tuple[str, ...]


def marked(text: str, program: Program) -> Marked:
    """`text` is what `emit` printed for `program`: every kernel begins with its comment, in a function a region."""
    lines = text.split("\n")
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    before: dict[int, list[str]] = {}  # line number → lines to put before it
    kernel = 0
    for n, region in enumerate(program.run.regions, 1):
        function = functions[f"part{n}" if len(program.run.regions) > 1 else "part"]
        heads = [i for i in range(function.lineno, function.end_lineno or 0) if _is_head(lines[i].lstrip())]
        if len(heads) != len(region.kernels):
            raise ValueError(f"{function.name} has {len(heads)} comments for {len(region.kernels)} kernels")
        shares = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function]
        track = "worker" if region.workers > 1 else str(WALL)
        for head in heads:
            inside = any(f.lineno <= head < (f.end_lineno or 0) for f in shares)
            _put(before, head + 1, lines[head], "worker" if inside else track, kernel)
            for share in (f for f in shares if heads_of(f, heads) == head):
                _put(before, share.body[0].lineno - 1, lines[share.body[0].lineno - 1], "worker", kernel)
            kernel += 1
        for share in [*shares, *([function] if region.workers > 1 else [])]:
            last = share.end_lineno or 0
            _put(before, last, lines[share.body[0].lineno - 1], "worker", END)
    others: list[str] = []
    run = functions["run_program"]
    for statement in run.body:
        said = ast.unparse(statement)
        if isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant):
            _put(before, statement.lineno - 1, lines[statement.lineno - 1], str(WALL), kernel + len(others))
            others.append("sum" if said.startswith("np.add.reduce") else "copy" if said.startswith("np.copyto") else "part")
    _put(before, run.end_lineno or 0, lines[(run.end_lineno or 0) - 1], str(WALL), END)
    found: list[str] = []
    for i, line in enumerate([*lines, ""]):
        found += before.get(i, [])
        found.append(line)
    return Marked("\n".join(found[:-1]), tuple(others))


def _is_head(line: str) -> bool:
    """Whether the comment of a kernel begins here: no heading, and no second line."""
    return line.startswith("# ") and not line.startswith((NOTE, "#  "))


def heads_of(share: ast.FunctionDef, heads: list[int]) -> int:
    """The line of the comment of the kernel that the workers share by this function, where it stands before it."""
    return max((h for h in heads if h < share.lineno), default=-1)


def _put(before: dict[int, list[str]], at: int, like: str, track: str, place: int) -> None:
    """A mark before line `at` (from 0), indented as the line `like`."""
    indent = like[: len(like) - len(like.lstrip())]
    before.setdefault(at, []).append(f"{indent}{MARK}{track}, {place})")


def unmarked(text: str) -> str:
    """The text without its marks."""
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(MARK))
