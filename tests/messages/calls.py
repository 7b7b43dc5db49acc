"""Calls of the Python API that are refused, one a message: what neither a text nor a command can provoke.

`tests/golden/python/<name>.txt` holds what each must say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cnndsl
from cnndsl.autodiff import differentiate
from cnndsl.data.pipeline import bind
from cnndsl.graph.graph import Graph
from cnndsl.graph.op import REGISTRY
from cnndsl.language.load import load_text
from cnndsl.language.recipe import Call
from cnndsl.runtime.safetensors import write_weights

TEXT = "model m {\n    input image: 4x4x1\n    flatten -> dense(3) as logits -> softmax\n}\n"


def model() -> Any:
    return load_text(TEXT, "m.cnn")


def image(**keys: Any) -> Any:
    return Graph("m").input("image", (4, 4, 1), **keys)


def compiled(**keys: Any) -> Any:
    net = model()
    return cnndsl.compile(net, net.initial_weights(seed=0), threads=1, **keys)


def without_gradient() -> None:
    """The gradient of a gradient."""
    g = Graph("m")
    x = g.input("image", (4, 4, 1))
    y = x.node.graph.add("concat", (x, x), REGISTRY["concat"].attrs())[0]
    differentiate(g, y, [x])


def written(make: Callable[[Any], Any]) -> str:
    x = image()
    x.node.graph.output(make(x))
    return str(x.node.graph.to_cnn())


def trained_on(loss: str) -> None:
    cnndsl.compile_step(model(), None, loss=loss, optimizer=cnndsl.sgd(rate=0.1), batch=2)


BAD: dict[str, Callable[[Path], Any]] = {
    "whole_numbers": lambda folder: image(dtype="int32").conv(2, (3, 3)),
    "word_that_is_none": lambda folder: image().conv(2, (3, 3), pad="sane"),
    "image_step_that_cannot_be_run": lambda folder: bind([Call("flipp", (), {}, None)], "augment", random=True),
    "image_step_out_of_its_bounds": lambda folder: bind([Call("shift", (0.5,), {}, None)], "augment", random=True),
    "text_as_a_weight": lambda folder: write_weights(folder / "w.safetensors", {"a": np.array(["text"])}),
    "loss_of_many_numbers": lambda folder: without_gradient(),
    "loss_of_nothing": lambda folder: trained_on("cross_entropy(scores)"),
    "output_of_nothing": lambda folder: compiled(outputs=["logit"]),
    "export_of_nothing": lambda folder: cnndsl.export_onnx(model(), {}, folder / "m.onnx", outputs=("logit",)),
    "loss_as_text": lambda folder: written(lambda x: x.node.graph.total_variation(x)),
    "image_of_another_size": lambda folder: compiled()(np.zeros((2, 5, 4, 1), np.float32)),
    "called_before_load": lambda folder: cnndsl.compile(model(), threads=1)(np.zeros((2, 4, 4, 1), np.float32)),
    "batch_that_is_none": lambda folder: compiled(batch=0),
    "target_that_is_none": lambda folder: compiled(target="tpu"),
}
