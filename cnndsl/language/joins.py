"""Joins: `concat { … }`, `add { … }` and the like. Branches begin from the value that flows in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnndsl.errors import Label, error
from cnndsl.graph.graph import Origin, Value
from cnndsl.graph.op import Op
from cnndsl.language import syntax as s
from cnndsl.language.scope import POISON, Env, Flow, Poison
from cnndsl.language.values import near

if TYPE_CHECKING:
    from cnndsl.language.elaborate import Elaborator

JOINS = ("concat", "add", "subtract", "multiply", "maximum")


def join(owner: Elaborator, op: Op, call: s.Call, given: Mapping[str, Any], env: Env, flow: Flow) -> Flow:
    """The branches' values joined. A join of one branch is that branch."""
    from cnndsl.language.elaborate import env_flow

    if op.name not in JOINS:
        raise error("E202", f"`{op.name}` takes no branches", call.span)
    assert call.branches is not None
    came = flow if flow is not None else env_flow(env)
    found: list[tuple[Value, s.Branch]] = []
    bad = _branches(owner, call.branches, Env(env, flow=came), came, found)
    if bad or flow is POISON:
        return POISON
    if not found:
        raise error("E205", f"`{op.name}` has no branches", call.span)
    if len(found) == 1:
        return found[0][0]
    values = [v for v, _ in found]
    if op.name == "multiply":
        values = _gates(owner, values)
    _agree(op, call, values, [b for _, b in found], given)
    origin = Origin(owner.scope.path(owner.scope.segment(call.name)), call.span, owner.frames)
    return owner.add(op, values, given, origin)


def _branches(owner: Elaborator, items: tuple[s.BranchItem, ...], env: Env, flow: Flow, found: list[tuple[Value, s.Branch]]) -> bool:
    """Append the value of each branch; whether any of them failed."""
    bad = False
    for item in items:
        owner.count(item.span)
        if isinstance(item, s.BranchIf):
            chosen = next((b for c, b in item.cases if owner.evaluator.truth(owner.evaluate(c, env), c.span)), item.otherwise)
            bad |= _branches(owner, chosen, env, flow, found)
        elif isinstance(item, s.BranchFor):
            for names in owner.items(item, env, flow):
                inner = Env(env, dict(names))
                bad |= _branches(owner, item.branches, inner, flow, found)
        else:
            value = _branch(owner, item, env, flow)
            if isinstance(value, Value):
                found.append((value, item))
            else:
                bad = True
    return bad


def _branch(owner: Elaborator, x: s.Branch, env: Env, flow: Flow) -> Flow:
    if x.pipeline is None:
        value = env.find(x.label.name)
        if isinstance(value, (Value, Poison)):
            return value
        names = [n for n in env.known() if isinstance(env.find(n), Value)]
        owner.record(error("E201", f"no value is named `{x.label.name}`", x.label.span,
                           help=near(x.label.name, names) or f"a branch is written label: steps, as in {x.label.name}: identity"))  # fmt: skip
        return POISON
    with owner.scope.inside(owner.scope.segment(x.label.name)):
        body = s.Body((x.pipeline,), x.pipeline.span)
        return owner.body(body, Env(env, flow=flow), flow)


def _gates(owner: Elaborator, values: list[Value]) -> list[Value]:
    """`multiply` takes (N, C) beside (N, H, W, C): the gate is given the missing axes of size 1."""
    rank = max(v.type.rank for v in values)
    return [owner.graph.spread(v, rank=rank) if v.type.rank == 2 < rank else v for v in values]


def _agree(op: Op, call: s.Call, values: list[Value], branches: list[s.Branch], given: Mapping[str, Any]) -> None:
    """Refuse branches whose shapes differ, with both places and the difference in words."""
    first = values[0].type
    if op.name == "concat" and getattr(given.get("fit"), "text", given.get("fit")) == "crop":
        return
    for value, branch in zip(values[1:], branches[1:], strict=True):
        a, b = first.shape[1:], value.type.shape[1:]
        if op.name == "concat":
            a, b = a[:-1], b[:-1]
        gate = op.name == "multiply" and len(a) == len(b) and all(p == q or 1 in (p, q) for p, q in zip(a, b, strict=True))
        if a == b or gate:
            continue
        sizes = f"{'x'.join(map(str, first.shape[1:]))} and {'x'.join(map(str, value.type.shape[1:]))}"
        where, mend = f"differ: {sizes}", None
        if len(a) == len(b) and a[:-1] == b[:-1] and op.name != "concat":
            where = f"differ in channels: {a[-1]} and {b[-1]}"
            mend = f"project one of them, as in {branch.label.name}: conv({a[-1]}, 1x1)"
        elif len(a) == len(b) and op.name == "concat":
            where = f"differ in size: {sizes}"
            mend = "pad or stride them alike, or write concat(fit = crop)"
        here = Label(branches[0].span, "x".join(map(str, first.shape[1:])))
        raise error("E312", f"{op.name}: branches {where}", branch.span, label="x".join(map(str, value.type.shape[1:])),
                    related=(here,), help=mend)  # fmt: skip
