"""Random networks: the optimised program, the graph after its passes, and the meaning of the graph are one.

A failure prints the case cut down to what still fails, as Python. `pytest tests/differential --cases 416` judges case
416 alone, `--cases 500:20500` those; each number is one network and one way to run it, for ever the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from tests.differential.case import Case, Step, begin, fits, text
from tests.differential.draw import drawn, through_nothing
from tests.differential.judge import UnfitError, largest_apart, problem
from tests.differential.shrink import judged, shrunk
from tests.differential.tally import Tally

EVERYDAY, CAMPAIGN = 500, 20_000
MOST_TOLD = 3  # failures that are cut down: it takes a while


def report(seeds: Iterable[int], tally: Tally | None = None) -> str:
    """All that is wrong with these cases, in words. `tally` counts what they held."""
    failed, unfit, count = [], 0, 0
    for seed in seeds:
        case, count = drawn(seed), count + 1
        try:
            found = problem(case, tally)
        except UnfitError:
            unfit += 1
            continue
        if found:
            failed.append((seed, case, found))
    told = []
    for seed, case, found in failed[:MOST_TOLD]:
        small = shrunk(case)
        told.append(f"case {seed}: {found}\ncut down to what still fails:\n{text(small)}\n→ {judged(small)}\n")
    told += [f"case {seed}: {found}" for seed, _, found in failed[MOST_TOLD:]]
    if unfit > 1 + count // 100:
        told.append(f"{unfit} of {count} cases measure nothing")
    return "\n".join(told)


def test_random_graphs(seeds: range) -> None:
    """Five hundred in the everyday suite; those of --cases where it is given."""
    found = report(seeds)
    assert not found, found


@pytest.fixture(scope="module")
def tally() -> Iterator[Tally]:
    """What the campaign's cases held, told at its end (`-s` shows it)."""
    counts = Tally()
    yield counts
    print(f"\n{counts.told()}")


@pytest.mark.campaign
@pytest.mark.parametrize("first", range(EVERYDAY, EVERYDAY + CAMPAIGN, 500))
def test_twenty_thousand_random_graphs(first: int, tally: Tally) -> None:
    found = report(range(first, first + 500), tally)
    assert not found, found


@pytest.mark.campaign
def test_they_held_every_word_with_every_attribute_and_every_pass_fired(tally: Tally) -> None:
    """Of the twenty thousand above."""
    if tally.cases < CAMPAIGN:
        pytest.skip("only part of them ran")
    from cnndsl.ops import OPS
    from cnndsl.passes.pipelines import INFERENCE, TRAINING

    assert {op.name for op in OPS if op.word} <= set(tally.words)
    assert {name for name, values in tally.met.items() if len(values) < 2} == set()
    assert {p.__name__ for p in (*INFERENCE, *TRAINING)} - {"specialise"} <= set(tally.fired)


def test_a_seed_is_one_case_for_ever() -> None:
    assert drawn(7) == drawn(7)
    assert len({repr(drawn(seed)) for seed in range(100)}) == 100


def test_every_word_is_drawn() -> None:
    from cnndsl.ops import OPS

    met = {step.word for seed in range(EVERYDAY) for step in drawn(seed).steps}
    assert {op.name for op in OPS if op.word} <= met


def test_numbers_that_are_none_are_compared_by_their_places() -> None:
    """Images of NaN whose every number a dropout drops give a finite loss, and gradients that are NaN (case 20137)."""
    a = np.array([1.0, np.nan, -np.inf], np.float32)
    assert largest_apart(a, a.astype(np.float64)) == 0.0
    assert largest_apart(a, np.array([1.5, np.nan, -np.inf])) == 0.5
    assert largest_apart(a, np.array([1.0, np.nan, np.inf])) == float("inf")
    assert largest_apart(a, np.array([np.nan, 1.0, -np.inf])) == float("inf")


def test_losses_that_take_logits_look_through_what_vanishes() -> None:
    """A dropout that drops nothing behind a softmax: no cross entropy of it may be drawn, for it is refused (case 3506)."""
    g = begin(((4,),))
    scores = g.apply(Step("softmax", (0,)))
    for word, keys in (("dropout", (("rate", 0.0),)), ("noise", (("amount", 0.0),))):
        assert through_nothing(g.apply(Step(word, (len(g.values) - 1,), keys))) is scores
    drops = g.apply(Step("dropout", (1,), (("rate", 0.5),)))
    assert through_nothing(drops) is drops


def fault(case: Case) -> str:
    """A judge that finds fault with an average pool of stride 2 that a sum reads."""
    for step in case.steps:
        for i in step.operands if step.word == "add" else ():
            made = case.steps[i - len(case.inputs)] if i >= len(case.inputs) else step
            if made.word == "avg_pool" and dict(made.keys)["stride"] == 2:
                return "numbers: off"
    return ""


def test_a_failure_is_cut_down_to_its_cause() -> None:
    pool = Step("avg_pool", (2,), (("window", (3, 3)), ("stride", 2), ("pad", 1), ("round", "ceil")))
    steps = (Step("pad", (0,), (("amount", 3),)), pool, Step("tanh", (3,)), Step("add", (3, 4)), Step("relu", (5,)))
    case = Case(((7, 8, 3), (4, 4, 2)), steps, outputs=(6, 3), batch=5, workers=3, costs=9, without=frozenset({"fuse"}))
    assert fits(case.inputs, case.steps)
    assert fault(case)
    small = shrunk(case, fault)
    assert [s.word for s in small.steps] == ["avg_pool", "add"]
    assert dict(small.steps[0].keys)["round"] == "floor"
    assert small.inputs[0] == (1, 1, 1)
    assert (small.batch, small.workers, small.costs) == (1, 1, 0)
    assert "add" in text(small)
