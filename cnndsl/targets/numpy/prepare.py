"""The text of `prepare_weights`: what depends on the weights alone, layer by layer.

Layers that are prepared by the same statements share one function, which is called with the layer's name and numbers: a
network of fifty convolutions has fifty lines instead of fifty times four statements.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cnndsl.program.program import Kernel
from cnndsl.targets.numpy.comments import path_of
from cnndsl.targets.numpy.texts import quoted, wrapped

FEW = 3  # layers of one kind from which on they share a function
NORM = ("gamma", "beta", "mean", "variance")
SAFE = re.compile(r"[a-z_]+(\.[a-z_]+)*(#[0-9]+)?", re.ASCII)  # ends of names that may stand in an f-string
TOKENS = re.compile(
    r"""\b(?P<home>[sp])\[(?P<name>"(?:[^"\\]|\\.)*")\]|(?P<string>"(?:[^"\\]|\\.)*")|(?<![\w.])(?P<number>\d+)(?![\w.])"""
)


@dataclass
class Layer:
    """Kernels in a row that prepare one layer's weights.

    text: their statements, with `{}` for each hole. holes: what stands there, the names first met and numbers alike.
    """

    path: str
    kernels: list[Kernel] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    text: str = ""
    holes: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def prepare_text(kernels: Sequence[tuple[Kernel, list[str]]], known: dict[str, str]) -> list[str]:
    """`prepare_weights` and the functions that it calls. kernels: with their comments and statements; known: each string as
    printed, with the name that it stands for.
    """
    layers: list[Layer] = []
    for k, lines in kernels:
        path = _layer(path_of(k))
        if not layers or layers[-1].path != path:
            layers.append(Layer(path))
        layers[-1].kernels.append(k)
        layers[-1].lines += lines
    kinds: dict[str, list[Layer]] = {}
    for layer in layers:
        _cut(layer, known)
        kinds.setdefault(layer.text, []).append(layer)
    names = _names(kinds)
    functions = [_function(names[text], alike) for text, alike in kinds.items() if text in names]
    body = [
        line for layer in layers for line in (_call(names[layer.text], layer, kinds) if layer.text in names else layer.lines)
    ]
    says = """What depends on the weights alone, once, when they are loaded: from `a.state` into `a.prepared`.

    The order matters: what is of no further use gives its place to what comes later.
    """
    if not body:
        says = "Nothing here depends on the weights alone."
    return [_with_locals("def prepare_weights(net, a):", says, body), *functions]


def _layer(path: str) -> str:
    return path.partition(".folded.")[0] if ".folded." in path else path.rpartition(".")[0] or path


def _with_locals(head: str, says: str, body: list[str]) -> str:
    used = "\n".join(x for x in body if not x.startswith("#"))
    homes = {"s": "a.state", "p": "a.prepared", "scratch": "a.scratch[0]"}
    locals_ = [f"{x} = {home}" for x, home in homes.items() if re.search(rf"(?<![\w.\"]){x}\b(?!=)", used)]
    lines = [part for line in (*locals_, *body) for part in wrapped(f"    {line}")]
    return "\n".join([head, f'    """{says}"""', *lines])


def _cut(layer: Layer, known: dict[str, str]) -> None:
    """Fill `text`, `holes` and `words` (what each hole is called)."""
    layer.holes, layer.words, pieces, at = [], [], [], 0
    block = layer.path.rpartition(".")[0]
    mine = [known[found["name"]] for found in TOKENS.finditer("\n".join(layer.lines)) if found["name"]]
    stem_of = block if block and all(_safe_below(name, block) for name in mine) else layer.path
    code = "\n".join(x for x in layer.lines if not x.startswith("#"))
    for found in TOKENS.finditer(code):
        if found["string"]:
            continue
        pieces.append(code[at : found.start()])
        at = found.end()
        if found["number"]:
            before = re.search(r"(\w+)=$", code[: found.start()])
            layer.holes.append(found["number"])
            layer.words.append(before[1] if before else "n")
            pieces.append(f"\0{len(layer.holes) - 1}\0")
            continue
        name = known[found["name"]]
        stem, end = _split(name, stem_of)
        hole = quoted(stem)
        if hole not in layer.holes:
            layer.holes.append(hole)
            layer.words.append("norm" if end in NORM else "layer")
        pieces.append(f"{found['home']}[\1{layer.holes.index(hole)}\1{end}\1]")
    layer.text = "".join([*pieces, code[at:]])


def _safe_below(name: str, stem: str) -> bool:
    return name.startswith(f"{stem}.") and SAFE.fullmatch(name[len(stem) + 1 :]) is not None


def _split(name: str, layer: str) -> tuple[str, str]:
    """The part of a name that differs from layer to layer, and the rest, which goes into the function's text."""
    stem, _, end = name.rpartition(".")
    if _safe_below(name, layer):
        return layer, name[len(layer) + 1 :]
    return (stem, end) if stem and SAFE.fullmatch(end) else (name, "")


def _names(kinds: dict[str, list[Layer]]) -> dict[str, str]:
    """The functions' names, by the texts that enough layers share: `prepare_weight_bias`."""
    found: dict[str, str] = {}
    for text, alike in kinds.items():
        if len(alike) < FEW:
            continue
        ends = [path_of(k).rpartition(".")[2] for k in alike[0].kernels]
        wish = "_".join(["prepare", *dict.fromkeys(x for x in ends if SAFE.fullmatch(x))])
        wishes: Iterator[str] = itertools.chain([wish], (f"{wish}_{n}" for n in itertools.count(2)))
        taken = {"prepare", "prepare_weights", *found.values()}
        found[text] = next(x for x in wishes if x not in taken)
    return found


def _parameters(alike: list[Layer]) -> tuple[dict[int, str], dict[int, int]]:
    """Of the holes that differ: their parameters; and for each hole the first one that holds the same in every layer."""
    columns = [[layer.holes[i] for layer in alike] for i in range(len(alike[0].holes))]
    first = {i: columns.index(column) for i, column in enumerate(columns)}
    names: dict[int, str] = {}
    for i, column in enumerate(columns):
        if first[i] == i and (len(set(column)) > 1 or column[0].startswith('"')):
            wish = alike[0].words[i]
            numbered = itertools.chain([wish], (f"{wish}{n}" for n in itertools.count(2)))
            names[i] = next(x for x in numbered if x not in names.values())
    return names, first


def _function(name: str, alike: list[Layer]) -> str:
    parameters, first = _parameters(alike)

    def put_number(found: re.Match[str]) -> str:
        i = first[int(found[1])]
        return parameters.get(i, alike[0].holes[i])

    def put_name(found: re.Match[str]) -> str:
        hole = parameters[first[int(found[1])]]
        return f'f"{{{hole}}}.{found[2]}"' if found[2] else hole

    body = re.sub("\1(\\d+)\1([^\1]*)\1", put_name, re.sub("\0(\\d+)\0", put_number, alike[0].text)).split("\n")
    strings = [parameters[i] for i in parameters if alike[0].holes[i].startswith('"')]
    numbers = [parameters[i] for i in parameters if not alike[0].holes[i].startswith('"')]
    keys = ["*", *numbers] if numbers else []
    ends = dict.fromkeys(path_of(k).rpartition(".")[2] for k in alike[0].kernels)
    parts = [x for x in ends if SAFE.fullmatch(x)] or ["weights"]
    what = " and ".join([", ".join(parts[:-1]), parts[-1]][len(parts) == 1 :])
    folds = all(f".{x}" in alike[0].text for x in NORM)
    says = f"{'Fold the batch norm of a layer into its' if folds else 'Prepare the'} {what}{'' if folds else ' of a layer'}"
    says += "; norm: that batch norm." if "norm" in strings else "."
    return _with_locals(f"def {name}({', '.join(['a', *strings, *keys])}):", says, body)


def _call(name: str, layer: Layer, kinds: dict[str, list[Layer]]) -> list[str]:
    alike = kinds[layer.text]
    parameters, _ = _parameters(alike)
    strings = [layer.holes[i] for i in parameters if layer.holes[i].startswith('"')]
    keys = [f"{parameters[i]}={layer.holes[i]}" for i in parameters if not layer.holes[i].startswith('"')]
    return [f"{name}({', '.join(['a', *strings, *keys])})"]
