"""CUDA kernels, a file an op family. `KERNELS`: op → function from a node to its launches, or None for a fallback."""

from __future__ import annotations

from collections.abc import Callable

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.kernels import conv, pool, random, reduce, shape, softmax
from cnndsl.targets.cupy.launch import Launch

KERNELS: dict[str, Callable[[Node], list[Launch] | None]] = {
    "conv": conv.forward,
    "conv_input_grad": conv.input_grad,
    "conv_transpose": conv.transpose,
    "conv_weight_grad": conv.weight_grad,
    "max_pool": pool.forward,
    "avg_pool": pool.forward,
    "max_pool_grad": pool.max_grad,
    "avg_pool_grad": pool.avg_grad,
    "global_avg_pool": reduce.global_pool,
    "global_max_pool": reduce.global_pool,
    "reduce_sum": reduce.reduce_sum,
    "moments": reduce.moments,
    "mse": reduce.mse,
    "softmax": softmax.softmax,
    "log_softmax": softmax.softmax,
    "cross_entropy": softmax.cross_entropy,
    "cross_entropy_grad": softmax.cross_entropy_grad,
    "random_bits": random.random_bits,
    "concat": shape.concat,
    "take_part": shape.take_part,
    "pad": shape.pad,
}
