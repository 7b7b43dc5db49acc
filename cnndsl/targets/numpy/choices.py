"""Choosing the algorithm of a node."""

from __future__ import annotations

from dataclasses import replace

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.targets.numpy.fusion import parts_of
from cnndsl.targets.numpy.lower import LOWERINGS

NUMBER_SECONDS = 0.4e-9  # of one number of one statement in a pointwise chain


def choose(node: Node, workers: int) -> Choice:
    """The kernel of a node; its reference where there is none."""
    if node.op.view:
        return Choice("view")
    parts = parts_of(node)
    numbers = max((x.type.elements for x in (*node.operands, *node.outputs)), default=1)
    share = numbers / max(workers, 1)
    if parts.anchor is None:
        return Choice("pointwise", (), 0, share * NUMBER_SECONDS * 2)
    lowering = LOWERINGS.get(parts.anchor.op.name)
    found = lowering.choose(parts.anchor, workers) if lowering else None
    if found is None or any(y.type.dtype == "float64" for y in node.outputs):
        return Choice("reference", (), 0, share * 20e-9, fallback=True)
    seconds = found.seconds or share * NUMBER_SECONDS * 3
    return replace(found, seconds=seconds)


def writes_strided(node: Node, choice: Choice) -> bool:
    """Pools, pointwise chains, and convolutions whose product makes one output a row can; with several outputs together
    a row of the product would cross the gap.
    """
    parts = parts_of(node)
    if parts.anchor is None:
        return not choice.fallback
    together = dict(choice.parameters).get("together", 1)
    kinds = ("conv", "winograd_conv", "max_pool", "avg_pool", "take_part")
    return parts.anchor.op.name in kinds and not choice.fallback and together == 1


def adds_in_place(node: Node, choice: Choice) -> bool:
    """Whether the products of a fused convolution can lie apart until they are added to what is in memory already."""
    parts = parts_of(node)
    anchor = parts.anchor
    plain = anchor is not None and anchor.op.name == "conv" and choice.algorithm == "products" and anchor.attrs.groups == 1
    return plain and not choice.fallback and len(parts.epilogue) == 1 and parts.prologue is None


def reads_strided(node: Node, choice: Choice) -> bool:
    """Kernels that gather, compare or add what they read, and products of whole positions."""
    parts = parts_of(node)
    if choice.fallback or parts.prologue is not None:
        return False
    kinds = ("conv", "conv_input_grad", "conv_weight_grad", "winograd_conv", "max_pool", "avg_pool", "avg_pool_grad", "concat")
    return parts.anchor is None or parts.anchor.op.name in kinds
