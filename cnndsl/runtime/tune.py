"""Measuring the candidates of a program's kernels, each alone, as a program of one kernel made by the same emitter.

What is measured is what one worker will do: its part of the batch on one thread; or, where there are fewer images than
threads, all of them on all threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnndsl.graph.graph import INPUT, Graph, Node, Origin
from cnndsl.program.plan import plan
from cnndsl.program.program import Kernel, Program
from cnndsl.program.work import anchor, kind
from cnndsl.runtime.load import load_source
from cnndsl.runtime.turns import take_turns
from cnndsl.targets.numpy import TARGET
from cnndsl.targets.numpy.lower import LOWERINGS
from cnndsl.targets.numpy.tuning import Table, fastest, problem, using

HOPELESS = 1.5  # times the best first run: not measured further
ROUNDS, BURST = 3, 3


@dataclass(frozen=True)
class Problem:
    """What one or several kernels of a program do. labels: the candidates, the prediction's choice first."""

    name: str
    kind: str
    node: Node
    batched: tuple[bool, ...]
    count: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """label → seconds, of those that were not hopeless."""

    problem: Problem
    times: Mapping[str, float]

    @property
    def predicted(self) -> str:
        return self.problem.labels[0]

    @property
    def best(self) -> str:
        return fastest(self.times, self.predicted)


def problems(program: Program) -> list[Problem]:
    """Those for which there are several candidates, in the order of the program."""
    found: dict[str, Problem] = {}
    for k in program.run.kernels:
        node = anchor(k)
        lowering = LOWERINGS.get(node.op.name)
        if lowering is None or lowering.candidates is None or k.choice.fallback:
            continue
        labels = tuple(lowering.candidates(node, program.workers))
        if len(labels) < 2:
            continue
        name = problem(node)
        count = found[name].count + 1 if name in found else 1
        found[name] = Problem(name, kind(k), node, _batched(k, node), count, labels)
    return list(found.values())


def _batched(k: Kernel, node: Node) -> tuple[bool, ...]:
    """Of the anchor's operands: is axis 0 the batch?"""
    if node is k.node:
        return k.batched[: len(node.operands)]
    numbers = {x: i for i, x in enumerate(k.node.attrs.inner.inputs.values())}
    return tuple(k.batched[numbers[x]] if x in numbers else True for x in node.operands)


def measure(p: Problem, batch: int, threads: int) -> Measured:
    """Time the candidates of a problem of a program on `batch` images and `threads` threads; a few runs of each."""
    images, workers = (-(-batch // threads), 1) if batch >= threads else (batch, threads)
    equal = same_choices(p, images, workers)
    runs = {label: alone(p, label, images, workers) for label in dict.fromkeys(equal.values())}
    first = {label: min(t) for label, t in take_turns(runs, 1, burst=1, warm=1).items()}
    good = {label: runs[label] for label, t in first.items() if t <= HOPELESS * min(first.values())}
    good.setdefault(p.labels[0], runs[p.labels[0]])
    found = take_turns(good, ROUNDS, burst=BURST, warm=1)
    return Measured(p, {label: min(found[other]) for label, other in equal.items() if other in found})


def same_choices(p: Problem, images: int, workers: int) -> dict[str, str]:
    """Each label → the first label that comes to the same thing on so many images."""
    made = problem_graph(p, images)
    lowering = LOWERINGS[made.op.name]
    assert lowering.candidates is not None
    firsts: dict[Any, str] = {}
    return {label: firsts.setdefault(choice, label) for label, choice in lowering.candidates(made, workers).items()}


def problem_graph(p: Problem, images: int) -> Node:
    """The op alone on so many images, in a graph whose inputs are its operands."""
    g, node = Graph("problem"), p.node
    operands = []
    for n, (x, batched) in enumerate(zip(node.operands, p.batched, strict=True)):
        type_ = x.type.with_shape(images, *x.type.sizes[1:]) if batched else x.type
        operands.append(g.source(INPUT, f"x{n}", type_, Origin(f"x{n}"), batched))
    found = g.add(node.op, operands, node.attrs, Origin("measured"))
    for n, y in enumerate(found):
        g.output(y, f"y{n}")
    return found[0].node


def alone(p: Problem, label: str, images: int, workers: int) -> Callable[[], None]:
    """A run of the problem's op on so many images, by that candidate, on random numbers."""
    made = problem_graph(p, images)
    g = made.graph
    with using(Table("one", workers, {problem(made): {label: 1.0}})):
        program = plan(g, TARGET, images, workers)
        module = load_source(TARGET.emit(program), "problem")
    rng, net = np.random.default_rng(0), module.Network(workers)
    arrays = [rng.standard_normal(v.type.sizes, dtype=np.float32) for v in g.inputs.values()]
    arrays += [np.empty(v.type.sizes, v.type.dtype) for v in g.outputs.values()]
    net.load({})
    arena = net.arena()
    return lambda: net.run_batch(arena, *arrays)


def table_of(found: list[Measured]) -> dict[str, dict[str, float]]:
    """As `runtime.tuning` keeps it."""
    return {m.problem.name: dict(m.times) for m in found}


def untuned(threads: int) -> Any:
    """A block in which predictions alone choose."""
    return using(Table("nothing", threads, {}))
