"""Words of the emitted text: names that hide nothing, strings that cannot break out, comments, lines that are not too long."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
import textwrap

from cnndsl.program.program import Kernel
from cnndsl.targets.numpy.frame import batches, network, threads
from cnndsl.targets.numpy.kernels import (
    conv,
    conv_grad,
    dense,
    depthwise,
    group_norm,
    lanes,
    loss,
    memory,
    pointwise,
    pool,
    product,
    random,
    reduce,
    resample,
    shape,
    window_sum,
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
    group_norm,
    lanes,
    loss,
    memory,
    pointwise,
    pool,
    product,
    random,
    reduce,
    resample,
    shape,
    window_sum,
    winograd,
    winograd_grad,
)
TAKEN = frozenset(dir(builtins)).union(dir(batches), dir(network), dir(threads), *map(dir, KERNELS))
STRINGS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
MOST_WORDS = 4  # of the name of a function
GIVEN = frozenset(
    {"Arena", "prepare_weights", "run_program", "NAME", "BATCH", "WORKERS", "PREPARED", "PREPARED_BYTES", "OPTIONAL", "KEPT"}
    | {"CHAIN", "BATCHES", "INPUTS", "OUTPUTS", "STATE", "BATCHED", "CLASSES"}
)
"""What the emitter writes itself, where the copied text names it."""
WIDTH = 110  # of a line


def words_of(k: Kernel, first: str = "") -> str:
    """`add_relu`: what a kernel does number by number; `update_weight`, `tanh_grad`, and `chain` of what has no word."""
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
    kinds = {node.graph.state[b.slot].kind for b in k.outputs if b.space == "state"}
    for kind, word in (("parameter", "update_weight"), ("buffer", "update_statistics"), ("counter", "count_step")):
        if kind in kinds:
            return word
    of, _, last = node.path.rpartition(".")
    return f"{of.rpartition('.')[2].rstrip('0123456789')}_grad" if of and last == "grad" else "chain"


def quoted(name: str) -> str:
    """A string literal in double quotes."""
    inside = repr(f"{name}'\"")[1:-4].replace("\\'", "'")  # with both quotes in it, `repr` takes single ones and escapes them
    return '"' + inside.replace('"', '\\"') + '"'


def sized(shape: tuple[int, ...], dtype: str) -> str:
    """`((64,), "float32")`."""
    return f"({shape!r}, {quoted(dtype)})"


def wrapped(line: str, width: int = WIDTH) -> list[str]:
    """A call that is too long for one line with its arguments on lines of their own, and so on inside them."""
    if len(line) <= width:
        return [line]
    if line.lstrip().startswith("#"):
        indent = line[: len(line) - len(line.lstrip())]
        return textwrap.wrap(line, width, subsequent_indent=f"{indent}#   ", break_long_words=False, break_on_hyphens=False)
    tail = line[-1] if line.endswith((",", ":")) else ""
    body = line.removesuffix(tail)
    start = _opening(body)
    parts = _parts(body[start + 1 : -1])
    called = start > 0 and (body[start - 1].isalnum() or body[start - 1] in "_)]")
    if start < 0 or not parts or (body[start] == "[" if called else len(parts) == 1) or " for " in _blank(parts[-1]):
        return [line]  # nothing that a comma at its end would leave as it is
    indent = line[: len(line) - len(line.lstrip())] + "    "
    lines: list[str] = []
    now = ""
    for part in parts:
        if now and len(indent) + len(now) + len(part) + 2 > width:
            lines += wrapped(f"{indent}{now}", width)
            now = ""
        now = f"{now} {part}," if now else f"{part},"
    return [body[: start + 1], *lines, *wrapped(f"{indent}{now}", width), f"{indent[4:]}{body[-1]}{tail}"]


def _blank(code: str) -> str:
    """The same with its strings blanked: names may hold brackets and commas."""
    return STRINGS.sub(lambda found: "_" * len(found[0]), code)


def _opening(line: str) -> int:
    """Where the bracket opens that the line's last character closes, or −1."""
    depth = 0
    code = _blank(line)
    if code[-1:] not in (")", "]", "}"):
        return -1
    for at in range(len(code) - 1, -1, -1):
        depth += (code[at] in ")]}") - (code[at] in "([{")
        if depth == 0:
            return at
    return -1


def _parts(inside: str) -> list[str]:
    """Arguments; those of a lambda's head stay with it."""
    parts, depth, start = [], 0, 0
    code = _blank(inside)
    for at, c in enumerate(code):
        depth += (c in "([{") - (c in ")]}")
        head = "lambda" in code[start:at] and ":" not in code[start:at].split("lambda")[1]
        if c == "," and depth == 0 and not head:
            parts.append(inside[start:at].strip())
            start = at + 1
    return [x for x in [*parts, inside[start:].strip()] if x]


def identifier(name: str) -> str:
    """A parameter or function name that hides nothing the printed code uses."""
    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not clean or clean[0].isdigit():
        clean = f"v{clean}"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in TAKEN or LOCALS.fullmatch(clean) else clean


def plain(text: str) -> str:
    """Text for a comment or docstring: one line, nothing that could end it."""
    return re.sub(r"[^ -!#-\[\]-~→×−·]", "_", text)
