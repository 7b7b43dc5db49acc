"""A graph's text with one attribute changed gives our own error, or a graph that runs to the numbers of its ops' meanings:
every attribute of every op, and of the gradients in training steps, before and after the passes."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from cnndsl.language.load import load_text
from cnndsl.ops import OPS
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.pipelines import TRAINING
from cnndsl.passes.runner import run_passes
from cnndsl.passes.stages import Stage, to_stage
from cnndsl.targets import target_named
from cnndsl.training.step import build_step
from tests.graph.mutants import changed, judge, of_sample

MOST_MEMORY = 6 << 30
GRADIENT = r"_grad\(| moments\(| window_sum\(| resample\(| take_part\(| reduce_sum\(| view\(| random_bits\(| matmul\("
NETWORKS = {
    "windows": """
    conv(4, 3x3, stride = 2, pad = same) -> batch_norm -> relu -> max_pool(3x3, stride = 2, pad = 1)
    conv(4, 2x2, groups = 2, pad = [[1, 0], [0, 1]], dilation = 1) -> relu -> avg_pool(2x2, round = ceil)
    conv_transpose(3, 3x3, stride = 2) -> conv(4, 3x3, pad = 1, pad_mode = reflect) -> lrn""",
    "others": """
    conv(4, 3x3, pad = same) -> group_norm(2) -> dropout(0.5)
    concat { a: max_pool(2x2); b: downsample(2) } -> upsample(2, bilinear) -> crop(amount = 1)
    pad(1, mode = edge) -> space_to_depth(2) -> take([0, 12]) -> channel_shuffle(2)
    multiply { v: identity; g: global_avg_pool -> dense(12) -> sigmoid }""",
}
STAGES = {"built": 0, "laid out": 6, "fused": len(TRAINING)}


def step(name: str, passes: int) -> str:
    """A training step of a small network as a stage's text, after the first so many passes."""
    text = f"model m {{\n    input image: 16x12x3\n{NETWORKS[name]}\n    global_avg_pool -> dense(3) as logits -> softmax\n}}\n"
    net = load_text(text + "train { loss = cross_entropy(logits); optimizer = sgd(rate = 0.1) }\n")
    assert net.train is not None
    names = tuple(p.__name__ for p in TRAINING)
    options = Options(batch=4, workers=1, training=True, passes=names[:passes])
    graph = build_step(net, net.train.loss, net.train.optimizer, 4)
    graph = run_passes(graph, TRAINING, Context(target_named("numpy"), options, Log()))
    return to_stage(graph, Stage(passes, "these", (), "numpy", 4, 1, True))


def count(texts: Iterable[str], every: int = 1, first: int = 0) -> Counter[str]:
    """What became of every so manieth text."""
    found: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        for k, text in enumerate(texts):
            if k % every == first % every:
                found[judge(text)] += 1
    return found


def test_a_text_as_it_is_runs() -> None:
    for op in OPS:
        for index in range(len(op.samples)):
            assert op.name == "fused" or judge(of_sample(op, index)) == "run", (op.name, index)
    assert all(judge(step(name, passes)) == "run" for name in NETWORKS for passes in STAGES.values())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_some_attributes_of_every_op() -> None:
    found: Counter[str] = Counter()
    for k, op in enumerate(OPS):
        for index in range(len(op.samples)):
            found += count(changed(of_sample(op, index)), 41, 7 * k + index)
    assert set(found) == {"refused", "run"}
    assert found.total() > 400


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_some_attributes_of_gradients_in_training_steps(name: str) -> None:
    found = count(changed(step(name, STAGES["fused"]), GRADIENT), 97, 5)
    assert found["refused"] > 20


@pytest.mark.campaign
@pytest.mark.parametrize("what", ["ops", *(f"{name}, {stage}" for name in NETWORKS for stage in STAGES)])
def test_every_attribute(what: str) -> None:
    """In a process of its own: one that crashes is seen, and its memory is bounded."""
    code = f"from tests.graph.test_mutants import child; child({what!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-3000:]}"
    print(done.stdout.strip())


def child(what: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if what == "ops":
        found = Counter[str]()
        for op in OPS:
            for index in range(len(op.samples)):
                found += count(changed(of_sample(op, index)))
    else:
        name, stage = what.split(", ")
        found = count(changed(step(name, STAGES[stage]), GRADIENT))
    print(f"{what}: {found.total():,} texts, {found['refused']:,} refused, {found['run']:,} run")
