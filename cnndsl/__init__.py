"""cnndsl: convolutional networks from text to numbers.

    net = cnndsl.load("lenet5")                    # a path, `file.cnn:model`, or a bundled model's name
    w = net.initial_weights(seed=0)
    run = cnndsl.compile(net, w, batch=8)
    p = run(images)                                # (n, 28, 28, 1) float32 → (n, 10), any n

Everything is imported when it is first used, so that `import cnndsl` takes milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cnndsl.version import __version__

if TYPE_CHECKING:
    from cnndsl.errors import CnnError as CnnError
    from cnndsl.formats.onnx import export_onnx as export_onnx
    from cnndsl.graph.blocks import block as block
    from cnndsl.graph.graph import Graph as Graph
    from cnndsl.language.descent import adam as adam
    from cnndsl.language.descent import adamw as adamw
    from cnndsl.language.descent import rmsprop as rmsprop
    from cnndsl.language.descent import sgd as sgd
    from cnndsl.language.load import load as load
    from cnndsl.language.load import load_text as load_text
    from cnndsl.language.model import Model as Model
    from cnndsl.runtime.compile import compile as compile
    from cnndsl.runtime.safetensors import read_weights as read_weights
    from cnndsl.runtime.safetensors import write_weights as write_weights
    from cnndsl.training.step import compile_step as compile_step

HOMES = {
    "CnnError": ("cnndsl.errors", "CnnError"),
    "Graph": ("cnndsl.graph.graph", "Graph"),
    "Model": ("cnndsl.language.model", "Model"),
    "adam": ("cnndsl.language.descent", "adam"),
    "adamw": ("cnndsl.language.descent", "adamw"),
    "block": ("cnndsl.graph.blocks", "block"),
    "compile": ("cnndsl.runtime.compile", "compile"),
    "compile_step": ("cnndsl.training.step", "compile_step"),
    "export_onnx": ("cnndsl.formats.onnx", "export_onnx"),
    "load": ("cnndsl.language.load", "load"),
    "load_text": ("cnndsl.language.load", "load_text"),
    "read_weights": ("cnndsl.runtime.safetensors", "read_weights"),
    "rmsprop": ("cnndsl.language.descent", "rmsprop"),
    "sgd": ("cnndsl.language.descent", "sgd"),
    "write_weights": ("cnndsl.runtime.safetensors", "write_weights"),
}
"""Where each public name lives: name → (module, name there)."""

__all__ = [
    "CnnError",
    "Graph",
    "Model",
    "__version__",
    "adam",
    "adamw",
    "block",
    "compile",
    "compile_step",
    "export_onnx",
    "load",
    "load_text",
    "read_weights",
    "rmsprop",
    "sgd",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'cnndsl' has no attribute {name!r}")
    module, own = HOMES[name]
    importlib.import_module("cnndsl.ops")  # the words are methods of values: they must be known
    found = getattr(importlib.import_module(module), own)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
