"""Bundled networks with their own recipes on smaller pictures, and synthetic pictures to train and judge them on.

The text of the file with another input; sizes of pictures in its recipes follow in proportion, all else stays: optimizer,
schedule, clip, losses, averages, order of the augmentation. Depth is a parameter of the models.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from cnndsl.data.records import Dataset, Part
from cnndsl.language.load import bundled_models, load_text
from cnndsl.training.scores import input_shape, scores_of
from tests.models.scaled import narrowed

SIZES = re.compile(r"(?<!\d\.)(?<!\d)(\d{2,3})(?!\d|\.\d)")
"""Whole numbers of two or three digits: sides of pictures, but not 0.485, 4 or the 12 degrees of `rotate = 12`."""


def reduced(name: str, side: int, **arguments: Any) -> Any:
    """The model on `side`×`side` pictures with an eighth of its channels (more where that leaves too few), its recipes'
    sizes in proportion, without notes on shapes.
    """
    before = int(re.findall(r"^    input image: (\d+)x", whole(name), re.MULTILINE)[-1])
    text = re.sub(r"^(    input image: )\d+x\d+(x\d+)$", rf"\g<1>{side}x{side}\g<2>", whole(name), flags=re.MULTILINE)
    text = re.sub(r"\s+:\s*[\dHW_]+(x[\dHW_]+)*$", "", text, flags=re.MULTILINE)

    def smaller(line: re.Match[str]) -> str:
        fewer = lambda n: str(round(int(n[1]) * side / before) if int(n[1]) >= 20 else n[1])  # noqa: E731
        return SIZES.sub(fewer, line[0])

    text = re.sub(r"^    (augment|views|images) +=.*$", smaller, text, flags=re.MULTILINE)
    model = load_text(text, model=name if "unit" not in arguments else "resnet", **arguments)
    return replace(model, graph=narrowed(model.graph, name, classes=True))


def whole(name: str) -> str:
    """The text of a bundled model's file, that of the files it uses within it, without their recipes."""
    path = bundled_models()[name]
    text = path.read_text()
    for other in re.findall(r'^use "(.*)"$', text, flags=re.MULTILINE):
        used = (path.parent / other).read_text()
        text = text.replace(f'use "{other}"', re.split(r"^(?:train|eval|preprocess)\b", used, flags=re.MULTILINE)[0])
    return text


def pictures(net: Any, count: int, more: tuple[int, int] = (9, 30)) -> Dataset:
    """`count` pictures somewhat larger than the network's input, each a smooth pattern of its class's colours under noise."""
    height, width, channels = input_shape(net)
    scores, _ = scores_of(net)
    classes = net.graph.names[scores].type.shape[-1]
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[0 : height + more[0], 0 : width + more[1]] / height
    labels = (np.arange(count) % classes).astype(np.int32)
    waves = [np.sin(6 * rows * (k % 5 + 1) + 4 * columns * (k // 5 % 5 + 1)) for k in labels]
    shades = np.stack(waves)[..., None] * rng.uniform(0.5, 1, (count, 1, 1, channels)) * 60 + 128
    images = np.clip(shades + rng.normal(0, 12, shades.shape), 0, 255).astype(np.uint8)
    part = Part(images, labels)
    return Dataset("waves", tuple(map(str, range(classes))), part, None)
