"""`cnndsl new NAME`: a small network file to begin with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

TEMPLATE = """\
# {name}: a small convolutional network. A line is a step; `->` chains steps on one line.

model {name}(classes = 10) {{
    input image: 28x28x1  # height x width x channels

    # Shapes after `:` are checked, not believed. `cnndsl fmt --shapes` writes them.
    conv(16, 3x3, pad = same) -> relu : 28x28x16
    max_pool(2x2)                     : 14x14x16
    conv(32, 3x3, pad = same) -> relu : 14x14x32
    max_pool(2x2)                     :   7x7x32
    flatten -> dropout(0.3)           :     1568
    dense(classes) as logits  # the loss below takes this value
    softmax
}}

# How it is trained: cnndsl train {file}
train {{
    data      = digits                                 # bundled; --data FOLDER takes your own
    loss      = cross_entropy(logits)
    optimizer = sgd(rate = 0.02, momentum = 0.9)
    schedule  = cosine
    batch     = 64
    epochs    = 5
    augment   = affine(rotate = 10, scale = 0.9..1.1)  # drawn anew for every picture
}}

# What happens to every picture before the network sees it.
preprocess {{
    images = grey -> invert(auto) -> resize(28x28)
}}
"""


def new(
    name: Annotated[str, typer.Argument(help="The network's name; NAME.cnn is written.", show_default=False)],
) -> None:
    """Write a small network file, with comments, to change into your own. Never overwrites."""
    from cnndsl.errors import error
    from cnndsl.graph.naming import RESERVED
    from cnndsl.language.scope import words

    path = Path(name if name.endswith(".cnn") else f"{name}.cnn")
    word = path.stem
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word):
        raise error(
            "E770", f"{word!r} cannot name a network: letters, digits and _ can, a letter first", help="cnndsl new mynet"
        )
    if word in RESERVED or word in words():
        raise error("E770", f"{word} is a word of the language and cannot name a network", help=f"cnndsl new my_{word}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(name=word, file=path.as_posix()))
    except FileExistsError:
        raise error("E770", f"{path.as_posix()} is there already, and new never overwrites", help="take another name") from None
    print(f"{path.as_posix()} is written. Next:\n")
    print(f"  cnndsl check {path.as_posix()}    what is wrong with it, as you change it")
    print(f"  cnndsl show  {path.as_posix()}    layers, shapes, parameters")
    print(f"  cnndsl train {path.as_posix()}    train it on the bundled digits")
