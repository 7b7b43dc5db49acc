"""Attributes of every op: a value of a wrong type or size is refused by an error of ours, never by a traceback."""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import dis
import inspect
import sys
from typing import Any

import pytest

from cnndsl.errors import CnnError
from cnndsl.graph.op import Op
from cnndsl.graph.types import BATCH, TensorType
from cnndsl.ops import OPS
from tests.ops.samples import case

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2.5, 1e300, 10**400, 2**53 + 1, 2**31, float("nan"), float("inf"), -float("inf"), "", "same",
    "zero", "nothing", "\x00", (), (0,), (1, -1), (1, True), (2.5, 2.5), ("a", "b"), ((1, 2), (3, 4)), ((1,), (2,)),
    ((1, 2, 3), (1, 2, 3)), (((1,),),), [3, 3], (1,) * 9, {}, object(),
)  # fmt: skip
WORDS = [op for op in OPS if op.word]


@pytest.mark.parametrize("op", WORDS, ids=lambda op: op.name)
def test_strange_values(op: Op) -> None:
    for index in range(len(op.samples)):
        c = case(op, index)
        given = {f.name: getattr(c.given, f.name) for f in op.fields()}
        for name in given:
            for value in STRANGE:
                with contextlib.suppress(CnnError):  # the only exception that may come
                    a = op.attrs(**(given | {name: value}))
                    op.infer(a, *c.types("float32"))
                    if op.weights:
                        op.weights(a, c.types("float32")[0])
                    if op.resolve:
                        op.infer(op.resolve(a, *c.types("float32")), *c.types("float32"))


@pytest.mark.parametrize(
    ("word", "key", "value", "code"),
    [
        ("conv", "stride", 0, "E303"), ("conv", "filters", 0, "E303"), ("conv", "groups", 0, "E303"),
        ("conv", "filters", True, "E302"), ("conv", "filters", "many", "E302"), ("conv", "filters", (3, 3), "E302"),
        ("conv", "filters", 2**53, "E303"), ("conv", "kernel", 3, "E302"), ("conv", "kernel", (), "E304"),
        ("conv", "kernel", (3, 3, 3, 3), "E304"), ("conv", "kernel", (3, 0), "E303"), ("conv", "pad", "some", "E305"),
        ("conv", "pad", -1, "E303"), ("conv", "pad", ((1, 2, 3), (1, 2, 3)), "E304"), ("conv", "bias", 1, "E302"),
        ("conv", "pad_mode", "wrap", "E305"), ("conv", "dilation", 0, "E303"), ("conv", "init", "best", "E305"),
        ("max_pool", "window", 2, "E302"), ("max_pool", "round", "up", "E305"), ("max_pool", "stride", 0, "E303"),
        ("avg_pool", "count_padding", "yes", "E302"), ("dense", "units", 0, "E303"), ("dense", "units", 2.5, "E302"),
        ("dropout", "rate", 1, "E303"), ("dropout", "rate", -0.1, "E303"), ("dropout", "rate", "half", "E302"),
        ("batch_norm", "momentum", 1.0, "E303"),
        ("batch_norm", "eps", 0, "E303"), ("batch_norm", "eps", "small", "E302"),
        ("leaky_relu", "slope", "steep", "E302"), ("scale", "factor", float("nan"), "E302"),
        ("concat", "fit", "stretch", "E305"),
        ("pad", "channels", (1,), "E304"), ("pad", "mode", "mirror", "E305"), ("pad", "amount", "same", "E302"),
    ],
)  # fmt: skip
def test_codes(word: str, key: str, value: Any, code: str) -> None:
    op = next(op for op in OPS if op.name == word)
    given = {f.name: getattr(case(op, 0).given, f.name) for f in op.fields()}
    with pytest.raises(CnnError) as caught:
        op.attrs(**(given | {key: value}))
    assert caught.value.code == code
    assert "expected" in caught.value.diagnostics[0].message


def test_attributes_are_frozen_records_that_compare() -> None:
    for op in OPS:
        assert dataclasses.is_dataclass(op.attrs)
        for index in range(len(op.samples)):
            a, b = case(op, index).attrs, case(op, index).attrs
            assert a == b
            assert hash(a) == hash(b)


@pytest.mark.parametrize("op", WORDS, ids=lambda op: op.name)
def test_the_batch_stays_free(op: Op) -> None:
    """Shape rules of words work while the batch is a symbol."""
    for index in range(len(op.samples)):
        c = case(op, index)
        types = c.types("float32")
        flows = len(types) if op.inputs is None else op.inputs
        if len({t.shape[0] for t in types[:flows]}) > 1:
            continue
        free = [TensorType((BATCH, *t.shape[1:]), t.dtype) if i < flows else t for i, t in enumerate(types)]
        found = op.infer(c.given, *free)
        assert [t.bind({"N": types[0].shape[0]}).shape for t in found] == [t.shape for t in op.infer(c.given, *types)]


def test_dense_on_a_picture_says_flatten() -> None:
    dense = next(op for op in OPS if op.name == "dense")
    assert dense.weights is not None
    with pytest.raises(CnnError, match="flatten"):
        dense.weights(dense.attrs(10), TensorType((BATCH, 5, 5, 16)))


@pytest.mark.parametrize("op", [op for op in OPS if op.name not in ("pointwise", "fused")], ids=lambda op: op.name)
def test_a_reference_stands_alone(op: Op) -> None:
    """Its text is embedded in emitted files: it reads Python's own names, and functions beside it, which follow."""
    beside = {n for n, x in vars(sys.modules[op.reference.__module__]).items() if inspect.isfunction(x)}
    codes = [op.reference.__code__]  # type: ignore[attr-defined]
    for code in codes:
        codes += [c for c in code.co_consts if hasattr(c, "co_code")]
        used = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
        assert used <= {*dir(builtins), *beside}, used
    assert not op.reference.__closure__  # type: ignore[attr-defined]
