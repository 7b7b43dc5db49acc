"""Receptive fields: how much of the input one position of a value depends on, how far apart and from where.

Per axis, with window k (dilated), stride s and begin pad p, going down from the input (size 1, step 1, start 0):

    size ← size + (k − 1) · step        start ← start − p · step        step ← step · s

A join takes the largest size and step and the least start of its branches. Where an op without a window makes a value
larger, the step shrinks by as much. What ends the spatial axes (flatten, global pooling) sees the whole input. The
size counts padding in and is not cut at the input's border, as the literature does; a start below 0 lies in the
padding. Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from cnndsl.graph.graph import INPUT, SOURCES, Graph, Node, Value
from cnndsl.graph.sizes import Affine, Size
from cnndsl.view.words import padding, strides

Field = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Per axis: the size of the field, the step between those of neighbours, the first row of the first.

    An axis that sees the whole input has step and start 0. A start that no number says (padding of open sizes) is None.
    """

    size: Field
    step: tuple[Fraction, ...]
    start: tuple[Fraction | None, ...]


def seen(graph: Graph) -> dict[Value, Seen]:
    """For each value that an input reaches: what one position of it sees of that input."""
    found: dict[Value, Seen] = {}
    whole: dict[Value, Field] = {}
    for node in graph.nodes:
        if node.op is INPUT:
            space = node.outputs[0].type.space
            n = len(space)
            found[node.outputs[0]] = Seen((1,) * n, (Fraction(1),) * n, (Fraction(0),) * n)
            whole[node.outputs[0]] = space
        fed = [x for x in node.operands if x in found]
        if node.op in SOURCES or not fed:
            continue
        widest = max(fed, key=lambda x: len(found[x].size))
        rank = len(found[widest].size)
        alike = [found[x] for x in fed if len(found[x].size) == rank]
        size = tuple(_largest([a.size[i] for a in alike]) for i in range(rank))
        step = tuple(max(a.step[i] for a in alike) for i in range(rank))
        start = tuple(_least([a.start[i] for a in alike]) for i in range(rank))
        if node.op.window is not None and len(stride := strides(node)) == rank:
            reach = node.op.window(node.attrs)[0]
            pads = padding(node)
            begins = [b for b, _ in pads.pads] if pads else [None] * rank
            size = tuple(f + (k - 1) * _round(j) for f, k, j in zip(size, reach, step, strict=True))
            start = tuple(
                None if s is None or not isinstance(b, int) else s - b * j for s, b, j in zip(start, begins, step, strict=True)
            )
            step = tuple(j * s for j, s in zip(step, stride, strict=True))
        for y in node.outputs:
            if factors := _shrunk(node, rank):
                taps = 6 if getattr(node.attrs, "method", "") == "lanczos" else 1
                size = tuple(f + (k * taps - 1) * _round(j) for f, k, j in zip(size, factors, step, strict=True))
                step = tuple(j * k for j, k in zip(step, factors, strict=True))
            if node.op.name == "resample" and node.attrs.method == "bilinear":  # between two neighbours
                size = tuple(f + _round(j) for f, j in zip(size, step, strict=True))
            if len(y.type.space) < len(widest.type.space):
                found[y] = Seen(whole[widest], (Fraction(0),) * rank, (Fraction(0),) * rank)
            else:
                grown = step if node.op.window is not None else tuple(map(_grown, step, widest.type.space, y.type.space))
                found[y] = Seen(size, grown if len(grown) == rank else step, start)
            whole[y] = whole[widest]
    return found


def _shrunk(node: Node, rank: int) -> tuple[int, ...]:
    """How many rows become one, per axis, where an op without a window makes them fewer."""
    if node.op.name == "resample" and not node.attrs.grows and len(node.attrs.factor) == rank:
        return tuple(node.attrs.factor)
    return (node.attrs.block,) * rank if node.op.name == "space_to_depth" else ()


def _grown(step: Fraction, before: Size, after: Size) -> Fraction:
    """The step where an op without a window makes an axis larger: upsampling."""
    if isinstance(before, Affine) and isinstance(after, Affine) and not before.const and not after.const:
        (name, small), *others = before.terms
        ((again, large), *more) = after.terms
        if name != again or others or more:
            return step
        before, after = small, large
    if isinstance(before, int) and isinstance(after, int) and before and after > before and after % before == 0:
        return step * before / after
    return step


def _round(step: Fraction) -> int:
    """Rows between neighbours, at least: a fraction of a row is a row."""
    return -(-step.numerator // step.denominator)


def _least(starts: list[Fraction | None]) -> Fraction | None:
    known = [s for s in starts if s is not None]
    return min(known) if len(known) == len(starts) and known else None


def _largest(sizes: list[Size]) -> Size:
    """The largest of them; a symbolic size (the whole input) is larger than any number."""
    symbolic = [s for s in sizes if not isinstance(s, int)]
    return symbolic[0] if symbolic else max(s for s in sizes if isinstance(s, int))
