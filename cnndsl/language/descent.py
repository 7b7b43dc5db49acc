"""Optimizers and schedules: from the words of a recipe to their records, and the optimizers as functions of Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnndsl.errors import Span, error
from cnndsl.language import vocabulary as words
from cnndsl.language.options import bind, steps_of
from cnndsl.language.recipe import (
    Adam,
    AdamW,
    Call,
    Constant,
    Cosine,
    Exponential,
    Linear,
    Plateau,
    RmsProp,
    Sgd,
    Step,
    Warmup,
)


def optimizer(call: Call) -> Any:
    """The record of an optimizer."""
    found = bind(call, words.OPTIMIZERS, "optimizer")
    return OPTIMIZERS[call.name](**found)


OPTIMIZERS: dict[str, Callable[..., Any]] = {"sgd": Sgd, "rmsprop": RmsProp, "adam": Adam, "adamw": AdamW}


def sgd(*args: Any, **options: Any) -> Sgd:
    """Stochastic gradient descent as `compile_step` takes it: `sgd(rate = 0.1, momentum = 0.9)`, as a recipe writes it.

    Options: rate (needed), momentum = 0, nesterov = False, weight_decay = 0, rate_in = "velocity" or "update", decay_on =
    "all" or "weights". `Sgd` has the formulas. Raises E402 for an unknown option, E403 for a value that does not fit.
    """
    found: Sgd = optimizer(Call("sgd", args, options))
    return found


def rmsprop(*args: Any, **options: Any) -> RmsProp:
    """`rmsprop(rate = 0.01, decay = 0.9)`. Options: rate (needed), decay = 0.9, eps = 1e-10, momentum = 0, weight_decay = 0,
    decay_on. `RmsProp` has the formulas. Raises E402, E403 as `sgd`."""
    found: RmsProp = optimizer(Call("rmsprop", args, options))
    return found


def adam(*args: Any, **options: Any) -> Adam:
    """`adam(rate = 1e-3)`. Options: rate (needed), beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, decay_on.
    `Adam` has the formulas. Raises E402, E403 as `sgd`."""
    found: Adam = optimizer(Call("adam", args, options))
    return found


def adamw(*args: Any, **options: Any) -> AdamW:
    """As `adam`, the decay apart from the gradient: `AdamW`."""
    found: AdamW = optimizer(Call("adamw", args, options))
    return found


def schedule(value: Any, span: Span) -> Any:
    """A schedule's record. `warmup(5) -> cosine` goes before another."""
    steps = steps_of(value, span)
    then: Any = Constant()
    for i, call in reversed(list(enumerate(steps))):
        found = bind(call, words.SCHEDULES, "schedule")
        if (call.name == "warmup") != (i < len(steps) - 1) and len(steps) > 1:
            raise error("E403", "only warmup goes before another schedule", call.span, help="warmup(5) -> cosine")
        match call.name:
            case "step":
                then = step_schedule(found, call)
            case "warmup":
                then = Warmup(found["epochs"], then)
            case _:
                then = PLAIN_SCHEDULES[call.name](**found)
    return then


PLAIN_SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": Constant, "cosine": Cosine, "linear": Linear, "exponential": Exponential, "plateau": Plateau,
}  # fmt: skip


def step_schedule(found: Mapping[str, Any], call: Call) -> Step:
    every, at = found.get("every"), found.get("at", ())
    if (every is None) == (at == ()):
        raise error("E403", "step takes every or at", call.span, help="step(every = 8, factor = 0.96) or step(at = [82, 123])")
    return Step(every, at if isinstance(at, tuple) else (at,), found.get("factor", 0.1))
