"""Which kernel runs an op, with which numbers, and the call as text. One entry an op, one file a family.

A lowering has two functions: `choose(node, workers)` → `Choice` or None (no kernel for these attributes), and
`lines(call)` → statements. What an entry does not cover runs through the op's reference.
"""

from __future__ import annotations

from cnndsl.graph.graph import Node
from cnndsl.graph.target import Choice
from cnndsl.program import regions
from cnndsl.targets.numpy.lower import conv, conv_grad, lanes, moves, pool, products, sums, window_sum, winograd
from cnndsl.targets.numpy.lower.call import Call, Lowering, Text
from cnndsl.targets.numpy.lower.sums import row_shape, sums_rows

__all__ = ["LOWERINGS", "Call", "Lowering", "Text", "is_shared", "row_shape", "sums_rows"]

LOWERINGS: dict[str, Lowering] = {
    **conv.LOWERINGS,
    **winograd.LOWERINGS,
    **conv_grad.LOWERINGS,
    **products.LOWERINGS,
    **pool.LOWERINGS,
    **sums.LOWERINGS,
    **moves.LOWERINGS,
    **lanes.LOWERINGS,
    **window_sum.LOWERINGS,
}


def is_shared(node: Node, choice: Choice, workers: int) -> bool:
    """Whether the workers share one call of this node's kernel, where the batch is not cut."""
    return LOWERINGS[node.op.name].shares and workers > 1 and choice.seconds > 2 * regions.FORK_SECONDS
