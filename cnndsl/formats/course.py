"""The one-line notation of the lecture's practical, written as `.cnn` text.

    CB-16-5-2-same,M-3-2,R-[C-16-3-1-same,C-16-3-1-same],F,H-100,D-0.5

C: convolution with ReLU, filters-kernel-stride-padding. CB: the same with batch norm between, without bias. M, A: max or
average pooling, size-stride, unpadded. R: residual around its list. F: flatten. H: dense layer with ReLU. D: dropout.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.errors import CnnError, Source, Span, counted, error

TOKEN = re.compile(r"\s*(?:([A-Za-z]+)((?:-[^\s,\[\]-]+)*)(-?)|([\[\],]))")
SHAPES = {
    "C": ("filters", "kernel", "stride", "padding"),
    "CB": ("filters", "kernel", "stride", "padding"),
    "M": ("size", "stride"),
    "A": ("size", "stride"),
    "R": (),
    "F": (),
    "H": ("units",),
    "D": ("rate",),
}
LONGEST = 10_000
DEEPEST = 20
INPUT = re.compile(r"\d{1,6}(x\d{1,6}){1,3}")
NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


@dataclass(frozen=True)
class Item:
    """A letter with its numbers; of R, the items of its list."""

    letter: str
    numbers: tuple[str, ...]
    inner: tuple[Item, ...] = ()


def import_course(line: str, *, name: str = "course", input: str = "28x28x1", classes: int = 10) -> str:
    """`.cnn` text of the network that `line` describes, with a recipe. Raises E103, E104, E303 with the place in the line."""
    from cnndsl.language.load import load_text

    if not INPUT.fullmatch(input):
        raise error("E303", f"the input {input!r} is not a size", help="it looks like 28x28x1")
    if not NAME.fullmatch(name):
        raise error("E103", f"{name!r} cannot name a model", help="a name is a word: letters, digits, underscores")
    if len(line) > LONGEST:
        raise error("E901", f"a line of {len(line):,} characters; at most {LONGEST:,} are read")
    items = parse(line)
    text = (
        "\n".join([f"# {' '.join(line.split())}", "", *model(items, name, input, classes), "", *recipe(input, classes)]) + "\n"
    )
    load_text(text, "<imported>")  # what cannot be a network is told here, and nothing is written
    return text


def parse(line: str) -> tuple[Item, ...]:
    """The items of a line."""
    source = Source("<notation>", line)
    levels: list[tuple[list[Item], int]] = [([], -1)]
    at, expects = 0, True  # whether an item must come next
    while line[at:].strip():
        match = TOKEN.match(line, at)
        start = at + len(line[at:]) - len(line[at:].lstrip())
        if match is None:
            raise error("E103", f"{line[start]!r} is not understood here", Span(source, start, start + 1))
        span = Span(source, start, match.end())
        at = match.end()
        letter, numbers, dash, sign = match.groups()
        if letter is not None:
            if not expects:
                raise error("E103", "a comma is missing before this", span)
            expects = letter.upper() == "R"
            if expects:
                if numbers or line[at : at + 1] != "[" or len(levels) > DEEPEST:
                    raise error("E103", "R is followed by a list", span, help="R-[C-16-3-1-same,C-16-3-1-same]")
                levels.append(([], start))
                at += 1
            elif dash:
                raise error("E103", "a number is missing after the dash", span)
            else:
                levels[-1][0].append(item(letter.upper(), numbers, span))
        elif sign == ",":
            if expects:
                raise error("E103", "an item is missing before the comma", span)
            expects = True
        elif sign == "]" and len(levels) > 1:
            if expects:
                raise error("E103", "an item is missing here", span)
            inner, _ = levels.pop()
            levels[-1][0].append(Item("R", (), tuple(inner)))
        else:
            raise error("E104", f"{sign} has no partner", span, help="a list stands after R-" if sign == "[" else None)
    if len(levels) > 1:
        raise error("E104", "this list does not end", Span(source, levels[-1][1], levels[-1][1] + 1))
    if expects:
        raise error("E110" if not line.strip() else "E103", "the line ends where an item is expected", Span(source, at, at))
    return tuple(levels[0][0])


def item(letter: str, numbers: str, span: Span) -> Item:
    """One letter with what follows it, checked."""
    given = tuple(numbers.split("-")[1:])
    if letter not in SHAPES:
        raise error("E203", f"there is no layer {letter}", span, help=f"there are {', '.join(SHAPES)}")
    wanted = SHAPES[letter]
    if len(given) != len(wanted):
        form = "-".join((letter, *wanted))
        raise error(
            "E206",
            f"{letter} takes {counted(len(wanted), 'number') if wanted else 'no numbers'}",
            span,
            help=f"it is written {form}",
        )
    for what, text in zip(wanted, given, strict=True):
        good = (
            r"same|valid|\d{1,4}" if what == "padding" else r"0(\.\d{1,9})?|0?\.\d{1,9}" if what == "rate" else r"[1-9]\d{0,5}"
        )
        if not re.fullmatch(good, text):
            kind = {"padding": "same, valid or a number", "rate": "a share from 0 to below 1"}.get(
                what, "a whole number from 1"
            )
            raise error("E303", f"the {what} of {letter} is {kind}, not {text}", span)
    return Item(letter, given)


def model(items: Sequence[Item], name: str, input: str, classes: int) -> list[str]:
    """The lines of the model."""
    lines = [f"model {name}(classes = {classes}) {{", f"    input image: {input}", "", *body(items, "    ")]
    return [*lines, "    dense(classes) as logits", "    softmax", "}"]


def body(items: Sequence[Item], indent: str) -> list[str]:
    """One line an item; dropout joins the line before it; equal neighbours are written once, `* n`."""
    lines: list[str] = []
    at = 0
    while at < len(items):
        x, count = items[at], 1
        while at + count < len(items) and items[at + count] == x and x.letter not in "FD":
            count += 1
        at += count
        if x.letter == "R":
            many = count > 1
            inner = indent + ("    " if many else "")
            lines += [f"{indent}{{"] * many
            lines += [f"{inner}add {{", *branch(x.inner, inner + "    "), f"{inner}    skip: identity", f"{inner}}}"]
            lines += [f"{indent}}} * {count}"] * many
        elif x.letter == "D" and lines and not lines[-1].endswith("}"):
            lines[-1] += f" -> {step(x)}"
        else:
            lines.append(
                indent
                + (step(x) if count == 1 else f"{step(x)} * {count}" if "->" not in step(x) else f"{{ {step(x)} }} * {count}")
            )
    return lines


def branch(items: Sequence[Item], indent: str) -> list[str]:
    """`main: …`, on one line where it is one step."""
    lines = body(items, indent + "    ")
    if len(lines) == 1:
        return [f"{indent}main: {lines[0].strip()}"]
    return [f"{indent}main: {{", *lines, f"{indent}}}"]


def step(x: Item) -> str:
    """An item as steps of the language."""
    match x.letter:
        case "C" | "CB":
            filters, kernel, stride, padding = x.numbers
            options = [f"stride = {stride}"] * (stride != "1") + [f"pad = {padding}"] * (padding not in ("valid", "0"))
            options += ["bias = false"] * (x.letter == "CB")
            conv = f"conv({', '.join([filters, f'{kernel}x{kernel}', *options])})"
            return f"{conv} -> batch_norm -> relu" if x.letter == "CB" else f"{conv} -> relu"
        case "M" | "A":
            size, stride = x.numbers
            word = "max_pool" if x.letter == "M" else "avg_pool"
            return f"{word}({size}x{size}{f', stride = {stride}' * (stride != size)})"
        case "F":
            return "flatten"
        case "H":
            return f"dense({x.numbers[0]}) -> relu"
    return f"dropout({float(x.numbers[0]):g})"


def recipe(input: str, classes: int) -> list[str]:
    """A recipe to begin with; for pictures like the bundled digits it names them."""
    digits = input == "28x28x1" and classes == 10
    lines = ["train {", *["    data      = digits"] * digits, "    loss      = cross_entropy(logits)"]
    lines += [
        "    optimizer = sgd(rate = 0.02, momentum = 0.9)",
        "    schedule  = cosine",
        "    batch     = 64",
        "    epochs    = 10",
        "}",
    ]
    if digits:
        lines += [
            "",
            "preprocess {",
            "    images = grey -> invert(auto) -> resize(28x28)",
            "    labels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
            "}",
        ]
    return lines


__all__ = ["CnnError", "import_course"]
