"""What calls of the Python API are given by strangers: endless numbers, numbers that are none, things of other kinds. Each
call works or raises our own error, which can be printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cnndsl
from cnndsl.errors import CnnError
from cnndsl.graph.graph import Graph, Value

STRANGE: dict[str, Any] = {
    "endless": 10**5000, "endless below": -(10**5000), "10**400": 10**400, "2**63": 2**63, "-1": -1, "0": 0, "2.5": 2.5,
    "nan": float("nan"), "word": "x", "control": "\x1b[2J", "none": None, "true": True, "thing": object(), "list": [1],
    "mapping": {}, "bytes": b"x", "int64": np.int64(3), "float64": np.float64(2.5),
}  # fmt: skip


def image() -> Value:
    return Graph("g").input("i", (8, 8, 2))


LENET = cnndsl.load("lenet5")
CALLS: dict[str, Callable[[Any], Any]] = {
    "load": lambda v: cnndsl.load(v),
    "an argument": lambda v: cnndsl.load("lenet5", classes=v),
    "a list as an argument": lambda v: cnndsl.load("resnet", unit="basic", depths=v),
    "an entry of the recipe": lambda v: cnndsl.load("lenet5", train={"batch": v}),
    "the recipe": lambda v: cnndsl.load("lenet5", train=v),
    "what is compiled": lambda v: cnndsl.compile(v),
    "batch": lambda v: cnndsl.compile(LENET, batch=v),
    "threads": lambda v: cnndsl.compile(LENET, threads=v),
    "target": lambda v: cnndsl.compile(LENET, target=v),
    "outputs": lambda v: cnndsl.compile(LENET, outputs=v),
    "without": lambda v: cnndsl.compile(LENET, without=v),
    "sizes": lambda v: cnndsl.compile(LENET, sizes=v),
    "weights": lambda v: cnndsl.compile(LENET, v),
    "seed": lambda v: LENET.initial_weights(v),
    "batch of a step": lambda v: cnndsl.compile_step(LENET, batch=v),
    "memory of a step": lambda v: cnndsl.compile_step(LENET, batch=8, max_memory=v),
    "rate": lambda v: cnndsl.sgd(rate=v),
    "shape of an input": lambda v: Graph("g").input("i", v),
    "size of an input": lambda v: Graph("g").input("i", (v, 8, 2)),
    "name of an input": lambda v: Graph("g").input(v, (8, 8, 2)),
    "where": lambda v: Graph("g").input("i", ("H", 8, 2), where={"H": v}),
    "filters": lambda v: image().conv(v, (3, 3)),
    "kernel": lambda v: image().conv(3, v),
    "side of a kernel": lambda v: image().conv(3, (v, v)),
    "stride": lambda v: image().conv(3, (3, 3), stride=v),
    "pad": lambda v: image().conv(3, (3, 3), pad=v),
    "units": lambda v: image().flatten().dense(v),
    "factor": lambda v: image().scale(v),
    "dropout": lambda v: image().dropout(v),
    "name of a value": lambda v: image().relu().named(v),
}


@pytest.mark.parametrize("call", CALLS)
def test_strange_values(call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    refused = []
    for value in STRANGE.values():
        try:
            CALLS[call](value)
        except CnnError as e:
            refused.append(str(e))
    assert len(refused) > 3
    assert all(0 < len(said) < 5_000 and "\x1b" not in said for said in refused)


def test_numbers_do_for_entries_of_a_recipe() -> None:
    train = cnndsl.load("lenet5", train={"batch": 8, "epochs": 3}).train  # type: ignore[dict-item]
    assert train is not None
    assert (train.batch, train.epochs) == (8, 3)
