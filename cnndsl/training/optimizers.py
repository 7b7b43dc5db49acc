"""Optimisers as graph: from gradients to the new values of parameters and slots; clipping; the average of weights.

`sgd` as in the lecture (rate_in = velocity):    v ← μ·v − α·(g + λ·θ),   θ ← θ + v
           nesterov:                             θ ← θ + μ·v_new − α·(g + λ·θ)
`sgd` as in PyTorch  (rate_in = update):         v ← μ·v + (g + λ·θ),     θ ← θ − α·v
           nesterov:                             θ ← θ − α·(g + λ·θ + μ·v_new)

g gradient, θ parameter, v velocity (the slot `<weight>.velocity`, zeros at first), α rate, μ momentum, λ weight decay.
Both forms are one and the same while the rate stays. Krizhevsky et al. 2012 (first form); Sutskever et al. 2013.
The formulas of `rmsprop`, `adam` and `adamw` stand with their records in `language.recipe`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Origin, State, Value
from cnndsl.graph.types import TensorType
from cnndsl.language.recipe import Adam, AdamW, Call, RmsProp, Sgd


def add_updates(graph: Graph, optimizer: Any, gradients: Mapping[str, Value], rate: Value) -> None:
    """Append the updates of all parameters in `gradients` (name → gradient) to `graph`. Raises E423."""
    rule = RULES.get(type(optimizer))
    if rule is None:
        said = getattr(optimizer, "name", optimizer)
        help = "there are sgd(rate, …), rmsprop(rate, …), adam(rate, …), adamw(rate, …)"
        raise error("E423", f"the optimizer {said} cannot be run", getattr(optimizer, "span", None), help=help)
    for name, gradient in gradients.items():
        rule(graph, optimizer, graph.state[name], gradient, rate)


def _decayed(graph: Graph, a: Any, state: State, gradient: Value) -> Value:
    """g + λ·θ, where `decay_on` lets this weight decay."""
    decay = _decay(a, state)
    if not decay:
        return gradient
    theta = graph.state_values[state.name]
    return graph.pointwise(lambda e, g, w: g + decay * w, gradient, theta, origin=Origin(state.name))


def _decay(a: Any, state: State) -> float:
    return float(a.weight_decay) if a.decay_on == "all" or state.decay else 0.0


def _slot(graph: Graph, state: State, what: str) -> Value:
    """The optimiser's own array beside a weight, zeros at first."""
    slot = State(f"{state.name}.{what}", state.type, kind="slot", head=state.head)
    return graph.add_state(slot, Origin(slot.name))


def _sgd(graph: Graph, a: Sgd, state: State, gradient: Value, rate: Value) -> None:
    theta = graph.state_values[state.name]
    mu = float(a.momentum)
    origin = Origin(state.name)
    gradient = _decayed(graph, a, state, gradient)
    if not mu:
        new = graph.pointwise(lambda e, w, g, r: w - r * g, theta, gradient, rate, origin=origin)
    else:
        old = _slot(graph, state, "velocity")
        slot = Origin(f"{state.name}.velocity")
        if a.rate_in == "velocity":
            v = graph.pointwise(lambda e, v, g, r: mu * v - r * g, old, gradient, rate, origin=slot)
            if a.nesterov:
                new = graph.pointwise(lambda e, w, v, g, r: w + (mu * v - r * g), theta, v, gradient, rate, origin=origin)
            else:
                new = graph.pointwise(lambda e, w, v: w + v, theta, v, origin=origin)
        else:
            v = graph.pointwise(lambda e, v, g: mu * v + g, old, gradient, origin=slot)
            if a.nesterov:
                new = graph.pointwise(lambda e, w, v, g, r: w - r * (g + mu * v), theta, v, gradient, rate, origin=origin)
            else:
                new = graph.pointwise(lambda e, w, v, r: w - r * v, theta, v, rate, origin=origin)
        graph.update(slot.path, v)
    graph.update(state.name, new)


def _rmsprop(graph: Graph, a: RmsProp, state: State, gradient: Value, rate: Value) -> None:
    theta = graph.state_values[state.name]
    decay, eps, mu = float(a.decay), float(a.eps), float(a.momentum)
    gradient = _decayed(graph, a, state, gradient)
    old = _slot(graph, state, "mean_square")
    where, origin = Origin(f"{state.name}.mean_square"), Origin(state.name)
    s = graph.pointwise(lambda e, s, g: decay * s + (1 - decay) * (g * g), old, gradient, origin=where)
    graph.update(where.path, s)
    if not mu:
        new = graph.pointwise(lambda e, w, g, s, r: w - r * g / e.sqrt(s + eps), theta, gradient, s, rate, origin=origin)
    else:
        before, slot = _slot(graph, state, "velocity"), Origin(f"{state.name}.velocity")
        v = graph.pointwise(lambda e, v, g, s, r: mu * v - r * g / e.sqrt(s + eps), before, gradient, s, rate, origin=slot)
        graph.update(slot.path, v)
        new = graph.pointwise(lambda e, w, v: w + v, theta, v, origin=origin)
    graph.update(state.name, new)


def _adam(graph: Graph, a: Adam, state: State, gradient: Value, rate: Value) -> None:
    theta = graph.state_values[state.name]
    b1, b2, eps = float(a.beta1), float(a.beta2), float(a.eps)
    apart = _decay(a, state) if isinstance(a, AdamW) else 0.0
    if not isinstance(a, AdamW):
        gradient = _decayed(graph, a, state, gradient)
    moments = []
    for what, beta, power in (("first_moment", b1, 1), ("second_moment", b2, 2)):
        old, where = _slot(graph, state, what), Origin(f"{state.name}.{what}")
        m = graph.pointwise(
            lambda e, m, g, b=beta, p=power: b * m + (1 - b) * (g * g if p == 2 else g), old, gradient, origin=where
        )
        graph.update(where.path, m)
        moments.append(m)
    new = graph.pointwise(
        lambda e, w, m, v, r, c1, c2: w - r * ((m / c1) / (e.sqrt(v / c2) + eps) + (apart * w if apart else 0.0)),
        theta, *moments, rate, _unbiased(graph, b1, theta.type.dtype), _unbiased(graph, b2, theta.type.dtype),
        origin=Origin(state.name),
    )  # fmt: skip
    graph.update(state.name, new)


RULES: dict[type, Callable[[Graph, Any, State, Value, Value], None]] = {
    Sgd: _sgd, RmsProp: _rmsprop, Adam: _adam, AdamW: _adam,
}  # fmt: skip


def _unbiased(graph: Graph, beta: float, dtype: str) -> Value:
    """1 − βᵗ, t the number of this step from 1; made anew each time it is asked for, as equal nodes become one.

    In float64: near t = 1 the difference of float32 numbers would have four digits (β = 0.999).
    """
    power = math.log(beta) if beta else -1e4  # e to that is 0

    def rule(e: Any, n: Any) -> Any:
        return e.cast(1.0 - e.exp(power * (e.cast(n, "float64") + 1.0)), dtype)

    return graph.pointwise(rule, step_state(graph), origin=Origin("step"))


def clipped(graph: Graph, clip: Call | None, gradients: Mapping[str, Value]) -> Mapping[str, Value]:
    """`gradients` cut: `value(c)` each number to −c … c; `norm(c)` each gradient, `global_norm(c)` all together, to an
    Euclidean length of c, where it is longer: g ← g · c / max(‖g‖, c). Pascanu et al. 2013, section 3.2."""
    if clip is None or not gradients:
        return gradients
    most = float(clip.args[0] if clip.args else clip.keys["most"])
    origin = {name: Origin(f"{name}.gradient") for name in gradients}
    if clip.name == "value":
        return {
            n: graph.pointwise(lambda e, x: e.max(e.min(x, most), -most), g, origin=origin[n]) for n, g in gradients.items()
        }
    if clip.name == "global_norm":
        squares = dict.fromkeys(gradients, _square_sum_of_all(graph, gradients, Origin("clip")))
    else:
        squares = {n: _square_sum(graph, g, origin[n]) for n, g in gradients.items()}
    return {
        n: graph.pointwise(lambda e, x, s: x * (most / e.max(e.sqrt(s), most)), g, squares[n], origin=origin[n])
        for n, g in gradients.items()
    }


def gradient_norm(graph: Graph, gradients: Mapping[str, Value]) -> Value:
    """√Σ g², the Euclidean length of all gradients together, a scalar."""
    origin = Origin("gradient_norm")
    return graph.pointwise(lambda e, s: e.sqrt(s), _square_sum_of_all(graph, gradients, origin), origin=origin)


def _square_sum_of_all(graph: Graph, gradients: Mapping[str, Value], origin: Origin) -> Value:
    total, *rest = (_square_sum(graph, g, Origin(f"{n}.gradient")) for n, g in gradients.items())
    for value in rest:
        total = graph.pointwise(lambda e, p, q: p + q, total, value, origin=origin)
    return total


def _square_sum(graph: Graph, x: Value, origin: Origin) -> Value:
    """Σ x², a scalar."""
    square = graph.pointwise(lambda e, v: v * v, x, origin=origin)
    if not x.type.rank:
        return square
    found: Value = graph.reduce_sum(square, axes=tuple(range(x.type.rank)), origin=origin)
    return found


def decay_of(average: Call) -> float:
    """d of `ema(d)`."""
    return float(average.args[0] if average.args else average.keys["decay"])


def add_average(graph: Graph, average: Call | None, names: Mapping[str, Any]) -> None:
    """Beside each updated parameter the slot `<weight>.average`: a ← d·a + (1 − d)·θ_new, zeros at first.

    `Step.averaged` takes the bias out. The running statistics of batch norm are averages already.
    """
    if average is None:
        return
    d = decay_of(average)
    for name in names:
        old, where = _slot(graph, graph.state[name], "average"), Origin(f"{name}.average")
        new = graph.pointwise(lambda e, a, w: d * a + (1 - d) * w, old, graph.updates[name], origin=where)
        graph.update(where.path, new)


def step_state(graph: Graph) -> Value:
    """The state `step`: how many updates there were before this one; made where it is not there yet."""
    if "step" not in graph.state:
        graph.add_state(State("step", TensorType((), "int64"), kind="counter"), Origin("step"))
    return graph.state_values["step"]


def count_step(graph: Graph) -> None:
    """Add the update of the state `step`."""
    if "step" not in graph.updates:
        graph.update("step", graph.pointwise(lambda e, n: n + 1, step_state(graph), origin=Origin("step")))
