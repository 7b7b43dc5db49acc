"""Broken texts: the bundled models with tokens deleted, doubled, swapped and replaced; with values, steps, statements and
whole definitions exchanged, wrapped, doubled and left out, as the grammar has them; with bytes changed; and noise."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from cnndsl.errors import Source
from cnndsl.language.load import bundled_models
from cnndsl.language.syntax import tree
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.walk import records

TOKENS = re.compile(r'\s+|\d+x[\dx]+|[\w.]+|"[^"\n]*"|->|\.\.|[^\w\s]')
STRANGE = """
( ) { } [ ] -> * as : ; .. , = | ! # == // / % ** 0 -1 2.5 1e400 1e-400 1000000000 9007199254740993 3x3 0x0 1xn if for in
else not and or true false nan inf _ H W HxWx3 same null none range(10000) range(n) len [[1,2],[3,4]] cnn 99999x99999 input
input.channels model block use train eval task preprocess share defaults head output where softmax concat add conv dense
max_pool( identity flatten \u00e9 \u202e \u0430dd \u200b \x00 \x1b[2J \ufeff " \\ ' `__import__('os')` {{}} ../../etc/passwd
cross_entropy(logits) sgd(rate=0.1) 1..2 2..1 [1]*99999 [0]*2*2 max(1) round(2.5) ceil() min([])
""".split()  # noqa: SIM905  (a hundred pieces in quotes cannot be read)
NUMBERS = ("0", "-1", "2.5", "1000000000", "3x3", "[1]", "[]", "9007199254740992", "true", '"a"', "relu", "1..2", "(1)", "1/3")


def sources() -> list[str]:
    """The bundled models, those that use another file with its definitions in place of the `use`."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted(set(bundled_models().values()))}
    parts = {name: re.split(r"^(?:train|eval|preprocess)\b", text, flags=re.MULTILINE)[0] for name, text in found.items()}
    return [re.sub(r'^use "(.*)"$', lambda m: parts[m[1]], text, flags=re.MULTILINE) for text in found.values()]


def mutated(draw: random.Random, texts: list[str]) -> tuple[str, str | None]:
    """One text with one to six mutations, and one of the models that it held before."""
    if draw.random() < 0.03:
        return bytes(draw.randrange(256) for _ in range(draw.randrange(400))).decode("utf-8", "replace"), None
    text = draw.choice(texts)
    names = re.findall(r"^model (\w+)", text, flags=re.MULTILINE)
    tokens = TOKENS.findall(text)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        kind, at = draw.random(), draw.randrange(len(tokens))
        other = draw.randrange(len(tokens))
        if kind < 0.2:
            del tokens[at]
        elif kind < 0.35:
            tokens.insert(at, tokens[at])
        elif kind < 0.5:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif kind < 0.7:
            tokens[at] = draw.choice(STRANGE)
        elif kind < 0.8:
            tokens.insert(at, f" {draw.choice(STRANGE)} ")
        elif kind < 0.93:
            numbers = [k for k, t in enumerate(tokens) if t[0].isdigit()]
            if numbers:
                tokens[draw.choice(numbers)] = draw.choice(NUMBERS)
        else:
            tokens[at:at] = tokens[other : other + draw.randrange(30)]
    return "".join(tokens), draw.choice(names)


# By the grammar ---------------------------------------------------------------------------------------------------------

KINDS: dict[type, str] = {
    **dict.fromkeys((tree.Literal, tree.SizeLiteral, tree.Text, tree.ListOf, tree.Apply, tree.Postfix), "value"),
    **dict.fromkeys((tree.Prefix, tree.Chain, tree.Compare, tree.Range, tree.Arrow), "value"),
    **dict.fromkeys((tree.Pipeline, tree.If, tree.For, tree.Head, tree.Output, tree.Share, tree.Defaults), "statement"),
    **dict.fromkeys((tree.Block, tree.ModelItem, tree.Instance, tree.Recipe), "item"),
    tree.Input: "statement", tree.Step: "step", tree.Argument: "argument", tree.Param: "param", tree.Body: "body",
    tree.Shape: "shape", tree.Entry: "entry", tree.Branch: "branch", tree.Name: "name",
}  # fmt: skip
WRAPPED = {
    "value": (
        "({})", "[{}]", "{} + 1", "-{}", "{} / 2", "{} * 1000", "not {}", "{}[0]", "{} -> {}", "{}..{}", "{0} == {0}",
        "len({})", "{}.channels", "f({})", "{} // 0", "max({}, {})", "range({})",
    ),
    "statement": (
        "{{ {} }}", "if true {{ {} }}", "for q in [1, 2] {{ {} }}", "{}\n{}", "share q = {}", "", "{} * 2", "head q {{ {} }}",
        "{} as q", "block q {{ {} }}", "add {{ a: {}; b: {} }}", "{}; {}", "if input.channels > 4 {{ {} }}", "concat {{ {} }}",
    ),
    "step": ("{{ {} }}", "{0} -> {0}", "{} * 3", "{} as q", "{} : _", "identity", "({})", "{} * 0"),
    "argument": ("{0}, {0}", "", "q = {}", "{} -> {}"),
    "param": ("{0}, {0}", "", "{} = 1", "q = a | b"),
    "body": ("{{ {} }}", "{{ }}", "{{ {0}; {0} }}", "{0} {0}"),
    "shape": ("_", "[{}]", "{}x{}", "HxWx3", "1", "[_, _, 2 * 3]"),
    "entry": ("{0}\n{0}", "", "q = 1", "{} -> flip"),
    "branch": ("{0}; {0}", "", "q: {}", "if true {{ {} }}"),
    "item": ("{0}\n{0}", "", "model q {{ {} }}", "{}\ntrain {{ {} }}"),
    "name": ("q", "input", "{}2", "_{}", "relu", "{}.{}", "{}[1]"),
}  # fmt: skip


@dataclass(frozen=True)
class Grown:
    """A text, and what stands where in it."""

    text: str
    parts: tuple[tuple[str, int, int], ...]
    models: tuple[str, ...]


def grown(text: str) -> Grown:
    found = [(KINDS[type(x)], x.span) for x in records(parse(Source("mutated.cnn", text))) if type(x) in KINDS]
    parts = sorted((kind, span.start, span.end) for kind, span in found if span.end > span.start)
    return Grown(text, tuple(parts), tuple(re.findall(r"^model (\w+)", text, flags=re.MULTILINE)))


@cache
def forest() -> tuple[dict[str, list[str]], list[Grown]]:
    """The texts of all parts of all models by kind, and the models."""
    trees = [grown(text) for text in sources()]
    texts: dict[str, set[str]] = {}
    for x in trees:
        for kind, start, end in x.parts:
            if end - start < 2000:
                texts.setdefault(kind, set()).add(x.text[start:end])
    return {kind: sorted(found) for kind, found in texts.items()}, trees


def exchanged(draw: random.Random) -> tuple[str, str | None]:
    """One model with one to five of its parts exchanged for others of their kind, or written otherwise."""
    texts, trees = forest()
    model = draw.choice(trees)
    by_kind: dict[str, list[tuple[str, int, int]]] = {}
    for part in model.parts:
        by_kind.setdefault(part[0], []).append(part)
    edits: list[tuple[int, int, str]] = []
    for _ in range(draw.choice((1, 1, 2, 3, 5))):
        kind, start, end = draw.choice(by_kind[draw.choice(sorted(by_kind))])
        old = model.text[start:end]
        new = draw.choice(texts[kind]) if draw.random() < 0.5 else draw.choice(WRAPPED[kind]).format(old, old)
        if all(end <= a or b <= start for a, b, _ in edits):
            edits.append((start, end, new))
    text = model.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text, draw.choice(model.models)


# Bytes ------------------------------------------------------------------------------------------------------------------


def spoilt(draw: random.Random, texts: list[str]) -> tuple[bytes, str | None]:
    """The bytes of one model with some changed, inserted, cut out or cut off; or noise."""
    if draw.random() < 0.2:
        return draw.randbytes(draw.randrange(2000)), None
    text = draw.choice(texts)
    data = bytearray(text.encode())
    for _ in range(draw.choice((1, 1, 2, 5, 40))):
        at = draw.randrange(len(data) or 1)
        kind = draw.random()
        if kind < 0.4 and data:
            data[at] = draw.randrange(256)
        elif kind < 0.7:
            data[at:at] = draw.randbytes(draw.randrange(1, 5))
        elif kind < 0.9:
            del data[at : at + draw.randrange(1, 30)]
        else:
            del data[at:]
    return bytes(data), draw.choice(re.findall(r"^model (\w+)", text, flags=re.MULTILINE))
