"""Broken texts: the bundled models with tokens deleted, doubled, swapped and replaced, and bytes that are no text."""

from __future__ import annotations

import random
import re

from cnndsl.language.load import bundled_models

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
