"""Cutting a failing case down: every simplification that still fails the same way is taken, until none is left.

Tried are: fewer outputs, losses and inputs; one image, one worker, fewer passes; a step replaced by its operand, or by a
new input of its shape, which frees all that came before; attributes at their defaults; smaller sizes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.differential.case import Case, Step, Training, begin, fits
from tests.differential.draw import INFERENCE_PASSES, TRAINING_PASSES
from tests.differential.judge import UnfitError, problem

DEFAULTS: dict[str, Any] = {
    "stride": 1, "pad": 0, "dilation": 1, "groups": 1, "bias": False, "pad_mode": "zero", "flip": False, "output_pad": 0,
    "multiplier": 1, "round": "floor", "count_padding": False, "mode": "zero", "channels": (0, 0), "fit": "exact",
}  # fmt: skip
SMALLER = ("filters", "units", "kernel", "window", "factor")


def judged(case: Case) -> str:
    try:
        return problem(case)
    except UnfitError:
        return ""


def kind(found: str) -> str:
    """`plan`, `numbers`, `ValueError`, …: the first word, which stays the same while a case shrinks."""
    return found.partition(":")[0]


def shrunk(case: Case, judge: Callable[[Case], str] = judged, seconds: float = 60.0) -> Case:
    """A smaller case that fails as this one does."""
    wanted, end = kind(judge(case)), time.monotonic() + seconds

    def fails(smaller: Case) -> bool:
        return fits(smaller.inputs, smaller.steps, smaller.symbolic) and kind(judge(smaller)) == wanted

    progress = True
    while progress:
        progress = False
        for candidates in (_ways, _bypassed, _cut_off, _plainer, _narrower):
            again = True
            while again and time.monotonic() < end:
                found = next((c for c in candidates(case) if time.monotonic() < end and fails(c)), None)
                again = found is not None
                if found is not None:
                    case, progress = found, True
    return case


# What may go --------------------------------------------------------------------------------------------------------


def _ways(case: Case) -> Iterator[Case]:
    """Other ways to run it, and less to ask of it."""
    for change in (
        {"heads": (), "with_heads": False}, {"wanted": ()}, {"symbolic": False}, {"costs": 0}, {"workers": 1}, {"workers": 2},
        {"batch": 1}, {"batch": 2}, {"images": 1}, {"images": case.batch},
    ):  # fmt: skip
        smaller = replace(case, **change)  # type: ignore[arg-type]
        less = smaller.workers <= case.workers and smaller.batch <= case.batch and smaller.images <= case.images
        if smaller != case and less:
            yield smaller
    if len(case.outputs) > 1:
        yield from (_clean(replace(case, outputs=(i,))) for i in case.outputs)
    passes = INFERENCE_PASSES if case.training is None else TRAINING_PASSES
    yield from (replace(case, without=case.without | {p}) for p in passes if p not in case.without)
    if case.training is not None:
        t = case.training
        if len(t.terms) > 1:
            yield from (_clean(replace(case, training=replace(t, terms=(x,)))) for x in t.terms)
        for plain in (
            replace(t, optimizer=()),
            replace(t, poisoned=False),
            replace(t, word="sgd", optimizer=()),
            replace(t, clip=""),
            replace(t, average=0.0),
            replace(t, freeze=()),
            replace(t, recompute=0.0),
            replace(t, terms=tuple(replace(x, weight=1.0, keys=()) for x in t.terms)),
        ):
            if plain != t:
                yield replace(case, training=plain)


def _bypassed(case: Case) -> Iterator[Case]:
    """Without one step: its first operand, or another, stands in its place."""
    count = len(case.inputs)
    for k in reversed(range(len(case.steps))):
        for operand in dict.fromkeys(case.steps[k].operands):
            yield _without_value(case, count + k, operand)


def _cut_off(case: Case) -> Iterator[Case]:
    """A step's value given from outside."""
    built = begin(case.inputs)
    shapes = [built.apply(s).type.shape[1:] for s in case.steps]
    for k in reversed(range(len(case.steps))):
        at = len(case.inputs)
        numbers = {i: i for i in range(at)} | {i: i + 1 for i in range(at, case.values)}
        numbers[at + k] = at
        moved = _renumbered(replace(case, inputs=(*case.inputs, tuple(map(int, shapes[k])))), case, numbers)
        steps = tuple(s for j, s in enumerate(moved.steps) if j != k)
        after = {i: i if i < at + 1 + k else i - 1 for i in range(moved.values + 1)}
        yield _clean(_renumbered(replace(moved, steps=steps), moved, after, steps))


def _plainer(case: Case) -> Iterator[Case]:
    """Attributes at their defaults, and small."""
    for k, step in enumerate(case.steps):
        keys = dict(step.keys)
        for name, x in keys.items():
            if name in DEFAULTS and x != DEFAULTS[name]:
                yield _with_step(case, k, replace(step, keys=tuple({**keys, name: DEFAULTS[name]}.items())))
            if name in SMALLER:
                for smaller in _less(x):
                    yield _with_step(case, k, replace(step, keys=tuple({**keys, name: smaller}.items())))
        if step.shares >= 0:
            yield _with_step(case, k, replace(step, shares=-1))
        if step.word != "relu" and len(step.operands) == 1:
            yield _with_step(case, k, Step("relu", step.operands))


def _narrower(case: Case) -> Iterator[Case]:
    """Smaller inputs."""
    for k, shape in enumerate(case.inputs):
        for axis, n in enumerate(shape):
            for m in sorted({1, 2, n // 2, n - 1} - {0, n}):
                if m < n:
                    smaller = (*shape[:axis], m, *shape[axis + 1 :])
                    yield replace(case, inputs=(*case.inputs[:k], smaller, *case.inputs[k + 1 :]))
                    same = tuple(smaller if x == shape else x for x in case.inputs)
                    yield replace(case, inputs=same)


def _less(x: Any) -> Iterator[Any]:
    if isinstance(x, int):
        yield from sorted({1, 2, x // 2, x - 1} & set(range(1, x)))
    elif isinstance(x, tuple):
        for i, n in enumerate(x):
            if isinstance(n, int):
                yield from ((*x[:i], m, *x[i + 1 :]) for m in _less(n))


# Numbers of values ----------------------------------------------------------------------------------------------------


def _with_step(case: Case, k: int, step: Step) -> Case:
    return replace(case, steps=(*case.steps[:k], step, *case.steps[k + 1 :]))


def _without_value(case: Case, number: int, instead: int) -> Case:
    """The case without the step that makes value `number`, read from `instead`; what only it read goes too."""
    at = number - len(case.inputs)
    numbers = {i: (i if i < number else i - 1) for i in range(case.values)}
    numbers[number] = numbers[instead]
    steps = tuple(s for j, s in enumerate(case.steps) if j != at)
    return _clean(_renumbered(replace(case, steps=steps), case, numbers, steps))


def _renumbered(case: Case, old: Case, numbers: dict[int, int], steps: tuple[Step, ...] | None = None) -> Case:
    """`case` with every number of a value replaced; weights that were shared with a value that went are its own."""
    given = old.steps if steps is None else steps
    gone = {i for i, n in numbers.items() if list(numbers.values()).count(n) > 1 and i != n}

    def shared(s: Step) -> int:
        return numbers[s.shares] if s.shares >= 0 and s.shares not in gone else -1

    changed = tuple(replace(s, operands=tuple(numbers[i] for i in s.operands), shares=shared(s)) for s in given)
    training: Training | None = case.training
    if training is not None:
        terms = tuple(replace(t, value=numbers[t.value], against=numbers.get(t.against, -1)) for t in training.terms)
        training = replace(training, terms=terms)
    return replace(
        case, steps=changed, outputs=tuple(numbers[i] for i in old.outputs), heads=tuple(numbers[i] for i in old.heads),
        training=training, wanted=(),
    )  # fmt: skip


def _clean(case: Case) -> Case:
    """Without steps and inputs that nothing reads any more."""
    needed = set(case.outputs) | set(case.heads)
    if case.training is not None:
        needed |= {i for t in case.training.terms for i in (t.value, t.against) if i >= 0}
    count = len(case.inputs)
    for k in reversed(range(len(case.steps))):
        if count + k in needed:
            needed |= set(case.steps[k].operands) | ({case.steps[k].shares} - {-1})
    if not needed & set(range(count)):
        needed.add(0)
    kept = [i for i in range(case.values) if i in needed]
    numbers = {i: kept.index(i) for i in kept}
    smaller = replace(
        case,
        inputs=tuple(case.inputs[i] for i in kept if i < count),
        steps=tuple(case.steps[i - count] for i in kept if i >= count),
    )
    return _renumbered(smaller, case, numbers, smaller.steps) if len(kept) < case.values else case
