"""The pipelines: which passes run, in which order. A pass is named as the command line names it."""

from cnndsl.passes.choose_layout import choose_layout
from cnndsl.passes.combine_parallel import combine_parallel
from cnndsl.passes.common_subexpressions import common_subexpressions
from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.explicit_padding import explicit_padding
from cnndsl.passes.fold_batch_norm import fold_batch_norm
from cnndsl.passes.fold_constants import fold_constants
from cnndsl.passes.fold_padding import fold_padding
from cnndsl.passes.fuse import fuse
from cnndsl.passes.inference import inference
from cnndsl.passes.recompute import recompute
from cnndsl.passes.specialise import specialise
from cnndsl.passes.winograd import winograd

CLASSICS = (fold_constants, common_subexpressions, dead_code)
FOLDS = (fold_padding, fold_batch_norm, combine_parallel, dead_code)
INFERENCE = (specialise, inference, *CLASSICS, *FOLDS, explicit_padding, choose_layout, winograd, fuse)
TRAINING = (*CLASSICS, fold_padding, explicit_padding, recompute, choose_layout, winograd, fuse)
