"""The bundled networks cut down: fewer channels, smaller images, the same structure; and weights that suit them.

A network is built again node by node, each layer with a fraction of its filters; its weights keep their names.
"""

from __future__ import annotations

from dataclasses import fields, replace
from math import gcd
from typing import Any

import numpy as np

import cnndsl.ops  # noqa: F401  (fills the registry)
from cnndsl.errors import CnnError
from cnndsl.graph.graph import CONSTANT, INPUT, STATE, Graph, Node, Value
from cnndsl.graph.layers import add_layer
from cnndsl.language.load import load

IMAGES = {
    "alexnet": 67, "alexnet_ungrouped": 67, "course": 0, "course_plain": 0, "lenet5": 0, "vgg": 32, "googlenet": 96,
    "bn_inception": 64, "inception_v2": 203, "inception_v3": 299, "inception_naive": 9, "inception_reduced": 9, "resnet": 64,
    "plain": 64, "resnet20": 16, "resnet32": 16, "resnet44": 16, "resnet56": 16, "resnet110": 16, "plain20": 16, "plain56": 16,
    "preact": 8, "mobilenet_v2": 64, "efficientnet_b0": 64, "densenet": 64, "squeezenet": 47, "unet": 188, "se_resnet": 64,
    "resnext": 64, "hourglass": 64, "tower": 0, "residual": 0, "four": 0,
}  # fmt: skip
"""Height and width of the images by the longest beginning of a model's name; 0: as they are."""

DIVISORS = {
    "lenet5": 1,
    "course": 1,
    "resnet20": 2,
    "plain20": 2,
    "tower": 2,
    "residual": 2,
    "four": 2,
    "preact": 2,
    "squeezenet": 4,
}
"""By the beginning of a name, where 8 would leave nothing."""

FAMILIES = (
    "lenet5", "course", "alexnet", "vgg16", "vgg11_lrn", "googlenet", "bn_inception", "inception_v2", "inception_v3",
    "inception_naive", "inception_reduced", "resnet18", "resnet50", "resnet50_paper", "resnet34_a", "plain18", "resnet20",
    "plain20", "preact_a", "preact_b", "preact_c", "preact_d", "preact_e", "mobilenet_v2", "efficientnet_b0", "densenet121",
    "squeezenet", "unet", "se_resnet50", "resnext50", "hourglass", "hourglass_no_skips",
    "tower8", "tower8_no_norm", "residual20", "four_relu", "four_tanh",
)  # fmt: skip
"""One or more of every file of models/; the rest differ in depth or width alone."""


SHALLOW = {
    "preact_a": {"unit": "original", "first": "both", "last": "nothing"},
    "preact_b": {"unit": "norm_after_addition", "first": "both", "last": "nothing"},
    "preact_c": {"unit": "relu_before_addition", "first": "both", "last": "nothing"},
    "preact_d": {"unit": "relu_first", "first": "norm", "last": "rectifier"},
    "preact_e": {"unit": "full"},
}
"""Three units a stage instead of 18: so many of the kind that norms after its additions multiply what float32 rounds by a
million, however they are computed."""


def scaled(name: str) -> tuple[Graph, Any]:
    """(the network with about an eighth of its channels, its recipe or None); more where an eighth does not fit."""
    model = load("preact", n=3, **SHALLOW[name]) if name in SHALLOW else load(name)
    key = max((k for k in IMAGES if name.startswith(k)), key=len)
    return narrowed(model.graph, name, IMAGES[key]), model.train


def narrowed(graph: Graph, name: str, side: int = 0, classes: bool = False) -> Graph:
    """A network with fewer channels, by the name of the model, on images of another side (0: as they are).

    The classes stay, with `classes`.
    """
    divisor = next((n for k, n in DIVISORS.items() if name.startswith(k)), 8)
    last = {v.node for v in (*graph.heads.values(), *(v for n, v in graph.names.items() if n == "logits")) if classes}
    last |= {n.operands[0].node for n in last if n.op.name == "global_avg_pool"}
    last |= {n.operands[0].node for n in last if n.op.name == "relu"}
    while True:
        try:
            return _again(graph, side, divisor, last)
        except CnnError:
            if divisor == 1:
                raise
            divisor //= 2


def _again(graph: Graph, side: int, divisor: int, stay: set[Node]) -> Graph:
    out = Graph(graph.name)
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            shape = node.outputs[0].type.shape[1:]
            sizes = (*((side,) * (len(shape) - 1)), shape[-1]) if side else shape
            new[node.outputs[0]] = out.input(node.attrs.name, sizes, node.outputs[0].type.dtype)
        elif node.op is CONSTANT:
            new[node.outputs[0]] = out.constant(node.attrs.data, node.attrs.type.dtype, node.attrs.type.sizes)
        elif node.op is not STATE:
            inputs = [new[x] for x in node.operands if x.node.op is not STATE]
            attrs = node.attrs if node in stay else _fewer(node, inputs, divisor)
            new[node.outputs[0]] = add_layer(out, node.op, inputs, attrs, node.origin, reuse=True)
    for kind in ("outputs", "names", "heads"):
        getattr(out, kind).update({k: new[v] for k, v in getattr(graph, kind).items()})
    return out


def _fewer(node: Node, inputs: list[Value], divisor: int) -> Any:
    """The attributes of a node with fewer channels, but two where there were two: one class has no gradient."""
    a = node.attrs
    names = {f.name for f in fields(a)}
    counts = {n: getattr(a, n) for n in ("filters", "units") if n in names}
    changes: dict[str, Any] = {n: max(min(count, 2), count // divisor) for n, count in counts.items()}
    if node.op.name in ("crop", "pad"):
        changes["channels"] = tuple(n // divisor for n in a.channels)
    if "groups" in names and "filters" in names and a.groups > 1:
        both = gcd(changes["filters"], inputs[0].type.channels)
        changes["groups"] = a.groups if both % a.groups == 0 and both > a.groups else gcd(both, max(1, a.groups // divisor))
    return replace(a, **changes)


def feeds(graph: Graph, images: int, seed: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {k: rng.standard_normal((images, *v.type.shape[1:])).astype(np.float32) for k, v in graph.inputs.items()}


def fitted(graph: Graph, given: dict[str, Any], seed: int = 1) -> dict[str, Any]:
    """Weights with batch-norm statistics near those of these images, so that no layer's values vanish or explode, but not
    the same; γ of both signs, β and biases at random.
    """
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {k: np.asarray(x) for k, x in graph.initial_weights(seed).items()}
    for name, x in weights.items():
        last = name.rsplit(".", 1)[-1]
        if last == "gamma":
            weights[name] = rng.uniform(0.5, 1.2, x.shape) * rng.choice([1.0, 1.0, -1.0], x.shape)
        elif last in ("bias", "beta"):
            weights[name] = rng.normal(0, 0.2, x.shape)
    values: dict[Value, Any] = {}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.op is INPUT or node.op is STATE:
                source = given if node.op is INPUT else weights
                values[node.outputs[0]] = np.asarray(source[node.attrs.name], np.float64)
                continue
            if node.op.name == "batch_norm":
                _statistics(node, values, weights, rng)
            attrs = node.op.resolve(node.attrs, *(x.type for x in node.operands)) if node.op.resolve else node.attrs
            found = node.op.reference(np, attrs, *(values[x] for x in node.operands))
            values.update(zip(node.outputs, found, strict=True))
    return {k: np.asarray(x, np.float32) for k, x in weights.items()}


def _statistics(node: Node, values: dict[Value, Any], weights: dict[str, Any], rng: np.random.Generator) -> None:
    x, _, _, mean, variance = node.operands
    rows = values[x].reshape(-1, values[x].shape[-1])
    spread = rows.std(axis=0) + 1e-3
    found = {mean: rows.mean(axis=0) + 0.3 * spread * rng.standard_normal(spread.shape)}
    found[variance] = spread**2 * rng.uniform(0.6, 1.6, spread.shape)
    for value, array in found.items():
        array = array.astype(np.float32)
        weights[value.node.attrs.name] = array
        values[value] = array.astype(np.float64)
