"""Words of the emitted text: names that hide nothing, strings that cannot break out, comments, lines that are not too long."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re

from cnndsl.graph.types import drawn
from cnndsl.program.program import Buffer, Kernel
from cnndsl.targets.numpy import frame
from cnndsl.targets.numpy.kernels import (
    conv,
    conv_grad,
    dense,
    depthwise,
    lanes,
    loss,
    memory,
    pointwise,
    pool,
    random,
    reduce,
    shape,
    winograd,
    winograd_grad,
)

LOCALS = re.compile(
    r"((x|v|n|y|t|row|number|bound|part|prepare|out)_?\d*(_at|_tile)?)|a|at|finish|product|hi|i|j|lo|make|net|np|p|s|scratch|share|start"
    r"|stop|wide|worker|zero"
)
KERNELS = (
    conv,
    conv_grad,
    dense,
    depthwise,
    lanes,
    loss,
    memory,
    pointwise,
    pool,
    random,
    reduce,
    shape,
    winograd,
    winograd_grad,
)
TAKEN = frozenset(dir(builtins)).union(dir(frame), *map(dir, KERNELS))
STRINGS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
MOST_WORDS = 4  # of the name of a function
GIVEN = frozenset(
    {"Arena", "Prepared", "prepare_weights", "run_program", "NAME", "BATCH", "WORKERS", "TRAINING", "ARENA_BYTES"}
    | {"CHAIN", "PREPARED_BYTES", "OPTIONAL", "INPUTS", "OUTPUTS", "STATE", "BATCHED"}
)


def words_of(k: Kernel, first: str = "") -> str:
    """`add_relu`: what a kernel does number by number; `update` of weights, `chain` of what has no word."""
    node = k.node
    if node.op.name != "fused":
        found = [node.op.name] if node.op.pointwise is not None else []
    else:
        found = [n.op.name for n in node.attrs.inner.nodes if n.op.pointwise is not None]
    found = [w for w, _ in itertools.groupby([first, *found]) if w not in ("", "pointwise")]
    if found == ["bias"]:
        return "add_bias"
    if found and len(found) <= MOST_WORDS:
        return "_".join(found)
    if ".folded." in node.path:
        return f"folded_{node.path.rpartition('.')[2]}"
    return "update" if any(b.space == "state" for b in k.outputs) else "chain"


def quoted(name: str) -> str:
    """A string literal in double quotes where that needs no escape."""
    return f'"{name}"' if re.fullmatch(r"[\w./-]*", name, flags=re.ASCII) else repr(name)


def wrapped(line: str, width: int = 108) -> list[str]:
    """A call that is too long for one line with its arguments on lines of their own."""
    if len(line) <= width or line.startswith("#") or not line.endswith(")"):
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    head, inside = line[: line.index("(") + 1], line[line.index("(") + 1 : -1]
    parts, depth, start = [], 0, 0
    code = STRINGS.sub(lambda found: "_" * len(found[0]), inside)  # names may hold brackets and commas
    for at, c in enumerate(code):
        depth += (c in "([{") - (c in ")]}")
        if depth < 0:
            return [line]
        in_parameters = "lambda" in code[start:at] and ":" not in code[start:at].split("lambda")[1]
        if c == "," and depth == 0 and not in_parameters:
            parts.append(inside[start:at].strip())
            start = at + 1
    parts.append(inside[start:].strip())
    lines, now = [], ""
    for part in parts:
        if now and (len(now) + len(part) > width - 8 or "lambda" in part):
            lines.append(f"{indent}    {now}")
            now = ""
        now = f"{now} {part}," if now else f"{part},"
    return [head, *lines, f"{indent}    {now}", f"{indent})"]


def identifier(name: str) -> str:
    """A parameter or function name that hides nothing the printed code uses."""
    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not clean or clean[0].isdigit():
        clean = f"v{clean}"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in TAKEN or LOCALS.fullmatch(clean) else clean


def plain(text: str) -> str:
    """Text for a comment or docstring: one line, nothing that could end it."""
    return re.sub(r"[^ -!#-\[\]-~→×−·]", "_", text)


def path_of(k: Kernel) -> str:
    return k.node.path or k.name


def comment_of(k: Kernel) -> str:
    """`conv1: conv 28x28x1, 5x5x1x6 → 28x28x6`: shapes of one image."""
    node = k.node
    name = node.op.name
    if name == "fused":
        name = " + ".join(n.op.name for n in node.attrs.inner.nodes if n.op.inputs != 0)
        name = re.sub(r"pointwise( \+ pointwise)+", "pointwise", name)
    count = len(k.inputs)

    def shape_of(b: Buffer, batched: bool) -> str:
        return drawn(b.type.shape[1:] if batched and b.type.rank > 1 else b.type.shape)

    shapes = ", ".join(dict.fromkeys(shape_of(b, k.batched[i]) for i, b in enumerate(k.inputs)))
    result = ", ".join(dict.fromkeys(shape_of(b, k.batched[count + i]) for i, b in enumerate(k.outputs)))
    return plain(f"{path_of(k)}: {name}, {shapes} → {result}")
