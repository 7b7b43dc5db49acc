"""Marks in emitted text: one before each kernel, nothing else changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.runtime.load import load_source
from cnndsl.targets.numpy.marks import END, WALL, marked, unmarked
from cnndsl.training.step import compile_step
from tests.runtime.small_networks import plain, residual

Course = list[tuple[int, int]]


def compiled(name: str, threads: int) -> Any:
    if name == "step":
        return compile_step(plain(), loss="cross_entropy(logits)", batch=5, threads=threads).executable
    g = residual() if name == "residual" else cnndsl.load("lenet5").graph
    return cnndsl.compile(g, g.initial_weights(0), batch=1 if name == "single" else 6, threads=threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", ["single", "residual", "step"])
def test_without_its_marks_it_is_the_text_that_runs(name: str, threads: int) -> None:
    run = compiled(name, threads)
    found = marked(run.source, run.program)
    assert unmarked(found.text) == run.source
    assert found.text.count("net.mark(") > len(run.program.run.kernels)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["single", "residual", "step"])
def test_every_kernel_is_met_once_in_order(name: str, threads: int) -> None:
    run = compiled(name, threads)
    found = marked(run.source, run.program)
    net = load_source(found.text, "marked").Network(threads)
    net.state, net.prepared = run.network.state, run.network.prepared
    courses: list[Course] = [[] for _ in range(threads + 1)]
    net.mark = lambda track, place: courses[track].append(place)
    rng, a = np.random.default_rng(0), net.arena()
    arrays = [
        rng.integers(0, 9, v.type.sizes).astype(v.type.dtype) if name == "label" else np.ones(v.type.sizes, v.type.dtype)
        for name, v in run.graph.inputs.items()
    ]
    net.run_batch(a, *arrays, *(np.empty(v.type.sizes, v.type.dtype) for v in run.graph.outputs.values()))
    kernels = len(run.program.run.kernels)
    alone, numbers = [], iter(range(kernels))
    for region in run.program.run.regions:
        mine = [next(numbers) for _ in region.kernels]
        if region.workers == 1:
            alone += mine
        else:
            for w in range(region.workers):
                assert [p for p in courses[w] if p in mine] == mine
    wall = courses[WALL]
    assert [p for p in wall if 0 <= p < kernels] == alone
    assert [p for p in wall if p >= kernels] == list(range(kernels, kernels + len(found.others)))
    assert wall[-1] == END
    assert found.others.count("part") == len(run.program.run.regions)
    assert found.others.count("sum") == sum(len(r.joins) for r in run.program.run.regions)
    assert found.others.count("copy") == len(run.program.copies)
    assert all(not course or course[-1] == END for course in courses)


def test_workers_that_share_a_kernel_are_marked_inside_it() -> None:
    g = cnndsl.Graph("wide")
    g.output(g.input("image", (64, 64, 32)).conv(64, (3, 3), pad=1))
    run = cnndsl.compile(g, g.initial_weights(0), batch=1, threads=2)
    text = marked(run.source, run.program).text
    assert "    @net.shared\n    def _(worker):\n" in text
    share = text.split("def _(worker):\n")[1].split("\n\n\n")[0].splitlines()
    assert share[0].strip() == "net.mark(worker, 0)"
    assert share[-1].strip() == f"net.mark(worker, {END})"


def test_text_in_which_a_kernel_has_no_comment_is_refused() -> None:
    run = compiled("single", 1)
    text = "\n".join(line for line in run.source.split("\n") if not line.startswith("    # conv2"))
    with pytest.raises(ValueError, match="comments for"):
        marked(text, run.program)


@pytest.mark.parametrize("name", ["inception_v3", "efficientnet_b0", "googlenet", "alexnet", "resnet20"])
def test_published_networks(name: str) -> None:
    for batch in (1, 4):
        run = cnndsl.compile(cnndsl.load(name), batch=batch, threads=2)
        assert unmarked(marked(run.source, run.program).text) == run.source
