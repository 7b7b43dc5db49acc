"""The pipelines: which passes run, in which order. A pass is named as the command line names it."""

from cnndsl.passes.dead_code import dead_code
from cnndsl.passes.fuse import fuse
from cnndsl.passes.inference import inference
from cnndsl.passes.specialise import specialise

INFERENCE = (specialise, inference, dead_code, fuse)
TRAINING = (dead_code, fuse)
