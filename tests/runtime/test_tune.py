"""Measuring candidates: what is measured is the op itself, by the candidate that was asked for. No time is asserted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.runtime import tune
from cnndsl.training.step import compile_step
from tests.runtime.small_networks import residual


def compiled(train: bool, batch: int, threads: int) -> Any:
    if train:
        return compile_step(residual(), loss="cross_entropy(logits)", batch=batch, threads=threads).executable
    return cnndsl.compile(residual(), batch=batch, threads=threads)


@pytest.mark.parametrize("train", [False, True])
def test_problems_of_a_program(train: bool) -> None:
    with tune.untuned(2):
        run = compiled(train, 4, 2)
    found = tune.problems(run.program)
    assert len({p.name for p in found}) == len(found)
    assert all(len(p.labels) > 1 and p.count >= 1 for p in found)
    for p in found:
        sizes = [x.type.sizes[0] for x in p.node.operands]
        assert all(n == 4 for n, batched in zip(sizes, p.batched, strict=True) if batched)
        assert p.batched[0]
    assert "conv 3x3" in {p.kind for p in found}


@pytest.mark.parametrize(("images", "workers"), [(2, 1), (1, 2)])
def test_a_problem_alone_is_its_op(images: int, workers: int) -> None:
    with tune.untuned(2):
        found = tune.problems(compiled(False, 2, 2).program)[:3]
    for p in found:
        made = tune.problem_graph(p, images)
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(v.type.sizes, dtype=np.float32) for v in made.graph.inputs.values()]
        a = made.op.resolve(made.attrs, *(x.type for x in made.operands)) if made.op.resolve else made.attrs
        want = made.op.reference(np, a, *(x.astype(np.float64) for x in arrays))[0]
        for label in p.labels:
            runs = tune.alone(p, label, images, workers)
            runs()
            assert runs.__closure__ is not None
            kept = next(c.cell_contents for c in runs.__closure__ if isinstance(c.cell_contents, list))
            assert all(np.array_equal(x, y) for x, y in zip(kept, arrays, strict=False))
            assert np.abs(kept[-1] - want).max() <= 5e-5 * np.abs(want).max(), (p.name, label)


def test_measuring_times_every_candidate_that_is_not_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "HOPELESS", 1e9)
    with tune.untuned(2):
        found = tune.problems(compiled(False, 2, 2).program)[:2]
    for p in found:
        m = tune.measure(p, 2, 2)
        assert set(m.times) == set(p.labels)
        assert all(t > 0 for t in m.times.values())
        assert m.best in p.labels
        assert m.predicted == p.labels[0]
        equal = tune.same_choices(p, 1, 1)
        assert all(m.times[label] == m.times[other] for label, other in equal.items())
    assert tune.table_of([m]) == {m.problem.name: dict(m.times)}
    monkeypatch.setattr(tune, "HOPELESS", 0.0)
    assert m.predicted in tune.measure(p, 2, 2).times
