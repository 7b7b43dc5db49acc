"""What is wrong with a case: its program against the meaning of its graph, in words; nothing where all is well.

    the passes keep the meaning      in float64, to 1e-10
    the plan is sound                by program/check.py
    the numbers are right            in float32, to the tolerances of tests/tolerances.py
    nothing is left over             memory that holds NaN at first, the same bits at the third call

An exception is a finding too, but for what the words' own rules refuse while the graph is built.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import cnndsl
from cnndsl.graph.graph import Graph, copy_node
from cnndsl.passes.context import Options
from cnndsl.program.check import check
from cnndsl.runtime.compile import lower
from cnndsl.runtime.executable import StepExecutable
from cnndsl.targets.reference.interpreter import evaluate, walk
from tests.differential.case import Case, build, step_of
from tests.differential.gradients import along_a_direction
from tests.differential.settings import settings
from tests.differential.tally import Tally
from tests.tolerances import GRAD32, GRAD64, NETWORK, distance

EXACT = 1e-10
"""Two orders of the same sums in float64."""
ILL = 1e-6
"""A case whose meaning in float32 is this far from its meaning in float64 is no measure of a target."""
Arrays = dict[str, Any]


class UnfitError(Exception):
    """The case measures nothing: its meaning itself is lost in float32."""


def problem(case: Case, tally: Tally | None = None) -> str:
    """What is wrong, empty if nothing. `tally` counts what the case held. Raises UnfitError."""
    counts = Tally() if tally is None else tally
    counts.drew(case)
    with settings(case.costs), np.errstate(all="ignore"):
        try:
            return _inference(case, counts) if case.training is None else _training(case, counts)
        except UnfitError:
            counts.unfit += 1
            raise
        except Exception as e:  # whatever comes is a finding
            return f"{type(e).__name__}: {e}"


def weights_of(graph: Graph, seed: int) -> Arrays:
    """Initial weights, but statistics, biases and slopes at random, γ of both signs; slots and counters too."""
    rng = np.random.default_rng(seed)
    found: Arrays = graph.initial_weights(seed % 1000)
    for name, s in graph.state.items():
        last, shape = name.rsplit(".", 1)[-1], s.type.sizes
        if s.kind == "counter":
            found[name] = np.asarray(rng.integers(0, 9), s.type.dtype)
        elif last == "gamma":
            found[name] = rng.uniform(0.5, 1.3, shape) * rng.choice([1.0, 1.0, -1.0], shape)
        elif last in ("variance", "mean_square", "second_moment"):
            found[name] = rng.uniform(0.5, 1.8, shape)
        elif last not in ("weight",):
            found[name] = rng.normal(0, 0.3, shape)
        found[name] = np.asarray(found[name], s.type.dtype)
    return found


def meaning(graph: Graph, given: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
    """(outputs, updates) in float64, fused nodes taken apart, so that constants inside them are read in float64 too."""
    out = Graph(graph.name)
    new: dict[Any, Any] = {}
    for node in graph.nodes:
        operands = tuple(new[x] for x in node.operands)
        inner = getattr(node.attrs, "inner", None)
        if inner is None:
            new.update(zip(node.outputs, copy_node(out, node, operands), strict=True))
            continue
        here = dict(zip(inner.inputs.values(), operands, strict=True))
        for part in inner.nodes:
            if part.outputs[0] not in here:
                made = copy_node(out, part, tuple(here[x] for x in part.operands))
                here.update(zip(part.outputs, made, strict=True))
        new.update(zip(node.outputs, (here[v] for v in inner.outputs.values()), strict=True))
    out.outputs = {name: new[v] for name, v in graph.outputs.items()}
    out.updates = {name: new[v] for name, v in graph.updates.items()}
    return evaluate(out, given, state, dtype="float64")


# Inference ------------------------------------------------------------------------------------------------------------


def _inference(case: Case, tally: Tally) -> str:
    built = build(case)
    graph = built.graph
    rng = np.random.default_rng(case.seed)
    given = {name: _normal(rng, (case.images, *v.type.shape[1:])) for name, v in graph.inputs.items()}
    weights = weights_of(graph, case.seed)
    results = _results(case, graph)
    values = walk(graph, given, weights, dtype="float64")
    wanted = {name: values[v] for name, v in results.items()}
    sizes = {f"H{i}": n for i, n in enumerate(case.inputs[0][:-1])} if case.symbolic else {}
    run: Any = cnndsl.compile(
        build(case, case.symbolic).graph, weights, batch=case.batch, threads=case.workers, outputs=case.wanted,
        heads=case.with_heads, sizes=sizes, without=case.without,
    )  # fmt: skip
    tally.ran(run)
    if run.output_names != tuple(results):
        return f"names: the outputs are {run.output_names}, not {tuple(results)}"
    wrong = check(run.program)
    if wrong:
        return f"plan: {wrong[0]}"
    full = {name: _filled(x, case.batch) for name, x in given.items()}
    shown = min(case.batch, case.images)
    for name, y in meaning(run.graph, full, weights)[0].items():
        if not distance(y[:shown], wanted[name][:shown]) <= EXACT:
            return f"passes: {name} is off by {distance(y[:shown], wanted[name][:shown]):.2g} in float64"
    run.network.spare.append(full_of_nans(run.network.arena()))
    first, _, again = _called(run, given), _called(run, {k: 2 * x for k, x in given.items()}), _called(run, given)
    for (name, y), x, z in zip(wanted.items(), first, again, strict=True):
        if not distance(x, y) <= NETWORK:
            _fit(lambda name=name, v=results[name]: (walk(graph, given, weights, dtype="float32")[v], wanted[name]))
            return f"numbers: {name} is off by {distance(x, y):.2g}"
        if x.tobytes() != z.tobytes():
            return f"bits: {name} differs at the third call"
    return ""


def _called(run: Any, given: Arrays) -> tuple[Any, ...]:
    found = run(**given)
    return found if isinstance(found, tuple) else (found,)


def _results(case: Case, graph: Graph) -> Arrays:
    """What the program is to return, by the rules of `compile`, written again here."""
    known = {**graph.outputs, **graph.heads, **graph.names}
    found = {name: known[name] for name in case.wanted} if case.wanted else dict(graph.outputs)
    return found | (graph.heads if case.with_heads else {})


def _normal(rng: np.random.Generator, shape: tuple[Any, ...]) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def _filled(x: Any, batch: int) -> Any:
    """The first `batch` images, zeros where there are fewer."""
    full = np.zeros((batch, *x.shape[1:]), x.dtype)
    full[: len(x)] = x[:batch]
    return full


def full_of_nans(arena: Any) -> Any:
    """The arena with every byte 255, so that what is read before it is written shows."""
    block = arena.scratch
    while block.base is not None:
        block = block.base
    block.reshape(-1).view(np.uint8)[...] = 255
    return arena


def _fit(both: Any) -> None:
    """Raise UnfitError where the meaning itself, in float32, is far from that in float64."""
    narrow, wide = both()
    if not distance(narrow, wide) <= ILL:
        raise UnfitError


# Training -------------------------------------------------------------------------------------------------------------


def _training(case: Case, tally: Tally) -> str:
    assert case.training is not None
    net = build(case).graph
    graph = step_of(case, net, [o for o in ("y0", "y1") if o in net.outputs])
    rng = np.random.default_rng(case.seed)
    state = weights_of(graph, case.seed)
    given = {name: _data(rng, name, v, graph) for name, v in graph.inputs.items()}
    if case.training.poisoned:
        given |= {name: np.full_like(x, np.nan) for name, x in given.items() if name.startswith("x")}
    if case.training.differences and not case.training.poisoned:
        off = along_a_direction(graph, given, state)
        if not off <= GRAD64:
            return f"differences: the gradient is off by {off:.2g}"
    outputs, updates = evaluate(graph, given, state, dtype="float64")
    moved = _largest(updates, state, graph)
    if moved and not 0.05 < moved < 20:  # so that a step is as long as a weight, and rounding it is nothing
        given["rate"] = np.float32(given["rate"] / moved)
        outputs, updates = evaluate(graph, given, state, dtype="float64")
    options = Options(
        batch=case.batch, workers=case.workers, training=True, without=case.without, recompute=case.training.recompute
    )  # fmt: skip
    run = StepExecutable(*lower(graph, target="numpy", options=options), graph.state, case.workers).load(state)
    tally.ran(run)
    wrong = check(run.program)
    if wrong:
        return f"plan: {wrong[0]}"
    for kind, wide, found in zip(("output", "update"), (outputs, updates), meaning(run.graph, given, state), strict=True):
        if set(found) - set(wide) or (kind == "output" and len(found) < len(wide)):
            return f"passes: the {kind}s are {sorted(found)}, not {sorted(wide)}"
        for name, y in found.items():
            if not distance(y, wide[name]) <= EXACT:
                return f"passes: the {kind} {name} is off by {distance(y, wide[name]):.2g} in float64"
    return _stepped(case, graph, run, given, state, outputs, updates)


def _stepped(case: Case, graph: Graph, run: Any, given: Arrays, state: Arrays, outputs: Arrays, updates: Arrays) -> str:
    """One step of the program from the given state, twice: numbers, and the same bits."""

    def narrow() -> tuple[Arrays, Arrays]:
        return evaluate(graph, given, state, dtype="float32")

    run.network.spare.append(full_of_nans(run.network.arena()))
    found = {k: np.array(x) for k, x in run(**given).items()}
    after = {name: np.array(x) for name, x in run.state.items()}
    for name, y in outputs.items():
        if not distance(found[name], y) <= NETWORK:
            _fit(lambda name=name: (narrow()[0][name], outputs[name]))
            return f"numbers: {name} is off by {distance(found[name], y):.2g}"
    kinds = {"slots": [], "parameters": [], "statistics": []}  # type: ignore[var-annotated]
    for name in after:
        s = graph.state[name]
        if name not in updates or not s.type.is_float:
            if after[name].tobytes() != np.asarray(updates.get(name, state[name])).tobytes():
                return f"numbers: {name} is {after[name]!r}"
            continue
        kinds[{"slot": "slots", "parameter": "parameters"}.get(s.kind, "statistics")].append(name)
    still = case.training is not None and not np.isfinite(outputs["loss"])
    for kind, names in kinds.items():
        apart = [largest_apart(after[n], updates[n]) for n in names]
        step = [largest_apart(updates[n], state[n]) if np.isfinite(updates[n]).all() else 0.0 for n in names]
        if still and any(after[n].tobytes() != state[n].tobytes() for n in names):
            return f"gate: {kind} change though the loss is {outputs['loss']}"
        if names and not max(apart) <= GRAD32 * max(max(step), 0.01):
            worst = names[int(np.argmax(apart))]
            _fit(lambda n=worst: (narrow()[1][n], updates[n]))
            return f"numbers: {worst} is off by {max(apart):.2g} of a step of {max(step):.2g}"
    run.network.load(state)
    again = run(**given)
    same = [
        *(again[k].tobytes() == x.tobytes() for k, x in found.items()),
        *(run.state[k].tobytes() == x.tobytes() for k, x in after.items()),
    ]
    return "" if all(same) else "bits: a second step from the same state differs"


def largest_apart(a: Any, b: Any) -> float:
    """max|a − b|; infinite where NaNs or infinities stand elsewhere: an update of a finite loss may hold some."""
    if not np.array_equal(np.isfinite(a), np.isfinite(b)) or not np.array_equal(a[~np.isfinite(a)], b[~np.isfinite(b)], True):
        return float("inf")
    finite = np.isfinite(b)
    return float(np.abs(a[finite].astype(np.float64) - b[finite]).max(initial=0.0))


def _data(rng: np.random.Generator, name: str, value: Any, graph: Graph) -> Any:
    if name == "rate":
        return np.float32(1.0)
    if name == "seed":
        return np.uint64(rng.integers(0, 1000))
    shape = value.type.sizes
    if name == "label":
        classes = min(n.operands[0].type.sizes[-1] for n in graph.nodes if n.op.name == "cross_entropy")
        return rng.integers(0, classes, shape).astype(np.int32)
    return _normal(rng, shape) if name != "mask" else rng.uniform(0, 1, shape).astype(np.float32)


def _largest(updates: Arrays, state: Arrays, graph: Graph) -> float:
    """The largest change of a parameter."""
    moved = (np.abs(y - state[n]).max() for n, y in updates.items() if graph.state[n].kind == "parameter")
    return float(max(moved, default=0.0))
