"""The ops: what each one means. One file an op (with its gradient companions), one line here."""

from cnndsl.graph.op import register
from cnndsl.ops.batch_norm import BATCH_NORM
from cnndsl.ops.conv import CONV
from cnndsl.ops.pointwise import POINTWISE
from cnndsl.ops.relu import RELU

OPS = tuple(
    register(op)
    for op in (
        POINTWISE,
        CONV,
        BATCH_NORM,
        RELU,
    )
)
