"""Every registered op over its samples and rejects. No test is written for one op here."""

from __future__ import annotations

from typing import Any

import pytest

from cnndsl.graph.op import REGISTRY, Op
from cnndsl.ops import OPS
from tests.ops import harness
from tests.ops.samples import Case, cases

CHECKS = [pytest.param(c, name, id=f"{c.id}-{name}") for c in cases() for name in harness.all_checks(c)]
REJECTS = [pytest.param(op, r, id=f"{op.name}-{i}") for op in OPS for i, r in enumerate(op.rejects)]


@pytest.mark.parametrize(("case", "check"), CHECKS)
def test_sample(case: Case, check: str) -> None:
    getattr(harness, f"check_{check}")(case)


@pytest.mark.parametrize(("op", "reject"), REJECTS)
def test_reject(op: Op, reject: Any) -> None:
    harness.check_reject(op, reject)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_record(op: Op) -> None:
    harness.check_record(op)


def test_every_op_is_registered_once() -> None:
    assert {REGISTRY[op.name] for op in OPS} == set(OPS)
    assert len({op.name for op in OPS}) == len(OPS)
