"""The ops: what each one means. One file an op with its gradient companions; one line here."""

from cnndsl.graph.op import Op, register
from cnndsl.ops.arithmetic import ADD, MAXIMUM, MULTIPLY, SUBTRACT
from cnndsl.ops.batch_norm import BATCH_NORM
from cnndsl.ops.concat import CONCAT, TAKE_PART
from cnndsl.ops.conv import CONV, CONV_INPUT_GRAD, CONV_WEIGHT_GRAD
from cnndsl.ops.conv_transpose import CONV_TRANSPOSE
from cnndsl.ops.crop import CROP, TAKE
from cnndsl.ops.dense import DENSE, MATMUL
from cnndsl.ops.depthwise_conv import DEPTHWISE_CONV
from cnndsl.ops.dropout import DROPOUT
from cnndsl.ops.elu import ELU
from cnndsl.ops.fused import FUSED
from cnndsl.ops.gelu import GELU
from cnndsl.ops.global_pool import GLOBAL_AVG_POOL, GLOBAL_MAX_POOL
from cnndsl.ops.group_norm import GROUP_NORM, INSTANCE_NORM, LAYER_NORM, STANDARDIZE, STANDARDIZE_GRAD
from cnndsl.ops.hard_sigmoid import HARD_SIGMOID, HARD_SWISH
from cnndsl.ops.lanes import FROM_LANES, LANE_CONV, LANE_CONV_INPUT_GRAD, LANE_CONV_WEIGHT_GRAD, REPEAT_LANES, TO_LANES
from cnndsl.ops.leaky_relu import LEAKY_RELU
from cnndsl.ops.loss import CROSS_ENTROPY, CROSS_ENTROPY_GRAD, MSE
from cnndsl.ops.losses import BINARY_CROSS_ENTROPY, HUBER, MAE, TOTAL_VARIATION
from cnndsl.ops.lrn import LRN, WINDOW_SUM
from cnndsl.ops.moments import MOMENTS
from cnndsl.ops.pad import PAD, PAD_GRAD
from cnndsl.ops.pointwise import POINTWISE
from cnndsl.ops.pool import AVG_POOL, AVG_POOL_GRAD, MAX_POOL, MAX_POOL_GRAD
from cnndsl.ops.prelu import PRELU
from cnndsl.ops.random_bits import RANDOM_BITS
from cnndsl.ops.random_layers import NOISE, SPATIAL_DROPOUT, STOCHASTIC_DEPTH
from cnndsl.ops.rearrange import CHANNEL_SHUFFLE, DEPTH_TO_SPACE, SPACE_TO_DEPTH
from cnndsl.ops.reduce_sum import REDUCE_SUM
from cnndsl.ops.relu import RELU
from cnndsl.ops.relu6 import RELU6
from cnndsl.ops.resample import DOWNSAMPLE, RESAMPLE, UPSAMPLE
from cnndsl.ops.scale import SCALE
from cnndsl.ops.shape import FLATTEN, IDENTITY, RESHAPE, SPREAD, VIEW
from cnndsl.ops.sigmoid import SIGMOID
from cnndsl.ops.silu import SILU
from cnndsl.ops.softmax import LOG_SOFTMAX, SOFTMAX
from cnndsl.ops.softplus import SOFTPLUS
from cnndsl.ops.tanh import TANH
from cnndsl.ops.winograd import WINOGRAD_CONV, WINOGRAD_FILTER

OPS: tuple[Op, ...] = (
    CONV, CONV_INPUT_GRAD, CONV_WEIGHT_GRAD, DEPTHWISE_CONV, CONV_TRANSPOSE,
    MAX_POOL, MAX_POOL_GRAD, AVG_POOL, AVG_POOL_GRAD, GLOBAL_AVG_POOL, GLOBAL_MAX_POOL,
    DENSE, MATMUL, BATCH_NORM, MOMENTS,
    RELU, LEAKY_RELU, PRELU, RELU6, ELU, GELU, SILU, HARD_SWISH, SIGMOID, HARD_SIGMOID, TANH, SOFTPLUS, SOFTMAX, LOG_SOFTMAX,
    LAYER_NORM, INSTANCE_NORM, GROUP_NORM, STANDARDIZE, STANDARDIZE_GRAD, LRN, WINDOW_SUM,
    FLATTEN, RESHAPE, VIEW, SPREAD, IDENTITY, PAD, PAD_GRAD, CROP, TAKE, SCALE,
    CHANNEL_SHUFFLE, SPACE_TO_DEPTH, DEPTH_TO_SPACE, RESAMPLE, UPSAMPLE, DOWNSAMPLE,
    ADD, SUBTRACT, MULTIPLY, MAXIMUM, CONCAT, TAKE_PART,
    DROPOUT, SPATIAL_DROPOUT, STOCHASTIC_DEPTH, NOISE, RANDOM_BITS,
    CROSS_ENTROPY, CROSS_ENTROPY_GRAD, MSE, MAE, HUBER, BINARY_CROSS_ENTROPY, TOTAL_VARIATION,
    POINTWISE, REDUCE_SUM, FUSED, WINOGRAD_FILTER, WINOGRAD_CONV,
    TO_LANES, FROM_LANES, REPEAT_LANES, LANE_CONV, LANE_CONV_INPUT_GRAD, LANE_CONV_WEIGHT_GRAD,
)  # fmt: skip

for _op in OPS:
    register(_op)
