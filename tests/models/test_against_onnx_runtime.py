"""Every bundled network on the NumPy target against ONNX Runtime on its export, with a photograph.

Random weights, random batch-norm statistics; logits and heads, batches of one and three. Odd sizes where a network
allows them: its text with another input and without the notes that the first input's shapes are written in.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.formats.onnx import export_onnx
from cnndsl.graph.graph import Graph
from cnndsl.language.load import bundled_models, load, load_text
from tests.models.test_counts import COUNTS
from tests.tolerances import NETWORK, distance

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from onnx_networks import random_weights

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

SMALL = ("lenet5", "course", "resnet20", "preact_b", "residual20", "four_tanh")
SYMBOLIC = {"hourglass": {"H": 64, "W": 96}, "hourglass_no_skips": {"H": 96, "W": 64}}
ODD = {
    "resnet18": ("resnet.cnn", "224x224x3", "199x225x3"),
    "googlenet": ("googlenet.cnn", "224x224x3", "221x239x3"),
    "densenet121": ("densenet.cnn", "224x224x3", "225x193x3"),
    "squeezenet": ("squeezenet.cnn", "224x224x3", "131x227x3"),
    "mobilenet_v2": ("mobilenet_v2.cnn", "224x224x3", "223x161x3"),
    "bn_inception": ("bn_inception.cnn", "224x224x3", "225x197x3"),
}
"""name → file, its input, an odd one."""


def photograph(shape: tuple[int, ...], count: int) -> Any:
    """`count` parts of a photograph, (count, *shape) in about [-2, 2]; channels beyond three repeat."""
    import matplotlib
    from PIL import Image

    height, width, channels = shape
    picture = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    parts = []
    for k in range(count):
        part = picture.crop((40 * k, 30 * k, 400 + 30 * k, 480 + 20 * k)).resize((width, height))
        x = np.asarray(part, np.float32) / 64 - 2
        parts.append(np.resize(np.moveaxis(x, -1, 0), (channels, height, width)).transpose(1, 2, 0))
    return np.stack(parts)


def compare(g: Graph, folder: Path, sizes: dict[str, int] | None = None) -> None:
    """Our outputs and heads against ONNX Runtime's, on batches of three and of one."""
    wanted = ("logits",) if "logits" in g.names else ()
    weights = random_weights(g, 1)
    export_onnx(g, weights, folder / "net.onnx", heads=True, outputs=wanted, sizes=sizes)
    session = runtime.InferenceSession(str(folder / "net.onnx"), providers=["CPUExecutionProvider"])
    keys = [y.name for y in session.get_outputs()]
    for batch in (3, 1):
        ours = cnndsl.compile(g, weights, batch=batch, heads=True, outputs=("output", *wanted), sizes=sizes)
        ((name, value),) = ours.graph.inputs.items()
        images = photograph(value.type.sizes[1:], batch)
        found = ours(images)
        found = dict(zip(ours.output_names, found if isinstance(found, tuple) else (found,), strict=True))
        want = dict(zip(keys, session.run(None, {name: images}), strict=True))
        assert set(found) == set(want)
        for key in found:
            assert distance(found[key], want[key]) <= NETWORK, (key, batch)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name: str, tmp_path: Path) -> None:
    compare(load(name).graph, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted(set(COUNTS) - set(SMALL)))
def test_networks(name: str, tmp_path: Path) -> None:
    compare(load(name).graph, tmp_path, SYMBOLIC.get(name))


@pytest.mark.campaign
@pytest.mark.parametrize("name", ODD)
def test_odd_sizes(name: str, tmp_path: Path) -> None:
    file, before, after = ODD[name]
    text = (bundled_models()[name].parent / file).read_text()
    text = re.sub(r"\s+:\s*[\dHW_]+(x[\dHW_]+)*$", "", text.replace(before, after), flags=re.MULTILINE)
    assert after in text
    compare(load_text(text, model=name).graph, tmp_path)
