"""Optimisers as graph: from gradients to the new values of parameters and slots.

`sgd` as in the lecture (rate_in = velocity):    v ← μ·v − α·(g + λ·θ),   θ ← θ + v
           nesterov:                             θ ← θ + μ·v_new − α·(g + λ·θ)
`sgd` as in PyTorch  (rate_in = update):         v ← μ·v + (g + λ·θ),     θ ← θ − α·v
           nesterov:                             θ ← θ − α·(g + λ·θ + μ·v_new)

g gradient, θ parameter, v velocity (the slot `<weight>.velocity`, zeros at first), α rate, μ momentum, λ weight decay.
Both forms are one and the same while the rate stays. Krizhevsky et al. 2012 (first form); Sutskever et al. 2013.
"""

from __future__ import annotations

from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Origin, State, Value
from cnndsl.language.recipe import Sgd

RATE_IN = ("velocity", "update")
DECAY_ON = ("all", "weights")


def add_updates(graph: Graph, optimizer: Any, gradients: dict[str, Value], rate: Value) -> None:
    """Append the updates of all parameters in `gradients` (name → gradient) to `graph`. Raises E423."""
    if not isinstance(optimizer, Sgd):
        said = getattr(optimizer, "name", optimizer)
        help = "there is sgd(rate, momentum, nesterov, weight_decay)"
        raise error("E423", f"the optimizer {said} cannot be run", getattr(optimizer, "span", None), help=help)
    for name, gradient in gradients.items():
        _sgd(graph, optimizer, graph.state[name], gradient, rate)


def _sgd(graph: Graph, a: Sgd, state: State, gradient: Value, rate: Value) -> None:
    theta = graph.state_values[state.name]
    decay = float(a.weight_decay) if a.decay_on == "all" or state.decay else 0.0
    mu = float(a.momentum)
    origin = Origin(state.name)
    if decay:
        gradient = graph.pointwise(lambda e, g, w: g + decay * w, gradient, theta, origin=origin)
    if not mu:
        new = graph.pointwise(lambda e, w, g, r: w - r * g, theta, gradient, rate, origin=origin)
    else:
        slot = State(f"{state.name}.velocity", state.type, kind="slot", head=state.head)
        old = graph.add_state(slot, Origin(slot.name))
        if a.rate_in == "velocity":
            v = graph.pointwise(lambda e, v, g, r: mu * v - r * g, old, gradient, rate, origin=Origin(slot.name))
            if a.nesterov:
                new = graph.pointwise(lambda e, w, v, g, r: w + (mu * v - r * g), theta, v, gradient, rate, origin=origin)
            else:
                new = graph.pointwise(lambda e, w, v: w + v, theta, v, origin=origin)
        else:
            v = graph.pointwise(lambda e, v, g: mu * v + g, old, gradient, origin=Origin(slot.name))
            if a.nesterov:
                new = graph.pointwise(lambda e, w, v, g, r: w - r * (g + mu * v), theta, v, gradient, rate, origin=origin)
            else:
                new = graph.pointwise(lambda e, w, v, r: w - r * v, theta, v, rate, origin=origin)
        graph.update(slot.name, v)
    graph.update(state.name, new)
