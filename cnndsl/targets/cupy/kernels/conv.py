"""conv and its gradients, directly: one thread an output number, in 1, 2 or 3 dimensions.

The weight's gradient is summed in two stages: a thread for each weight and each part of the rows (images and
positions), then a thread a weight adds the parts in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnndsl.graph.graph import Node
from cnndsl.targets.cupy.launch import (
    Launch,
    all_float32,
    chunks,
    launch,
    linear,
    offset,
    parts,
    product,
    reads,
    total_of_parts,
    unravel,
    writes,
)


@dataclass(frozen=True)
class Geometry:
    """The sizes of one convolution: input (N, *space, C), weight (*kernel, C / groups, F), output (N, *out, F)."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    a: Any

    @property
    def rank(self) -> int:
        return len(self.a.kernel)

    @property
    def w(self) -> tuple[int, ...]:
        return (*self.a.kernel, self.x[-1] // self.a.groups, self.y[-1])

    @property
    def axes(self) -> range:
        return range(self.rank)

    def names(self, letter: str) -> list[str]:
        return [f"{letter}{k}" for k in self.axes]

    def taps(self, inside: Sequence[str]) -> list[str]:
        """A loop over the kernel: m0, m1, … and, for the weight, k0, k1, … (backwards where it is flipped)."""
        lines = [f"for (int tap = 0; tap < {product(self.a.kernel)}; ++tap) {{"]
        lines += [f"    {x}" for x in unravel("tap", self.names("m"), self.a.kernel)]
        lines += [f"    {x}" for x in self.flipped()]
        return [*lines, *(f"    {x}" for x in inside), "}"]

    def flipped(self) -> list[str]:
        kernel = self.a.kernel
        return [f"const int k{k} = {f'{kernel[k] - 1} - m{k}' if self.a.flip else f'm{k}'};" for k in self.axes]

    def seen(self, mode: str, leave: str) -> list[str]:
        """h0, h1, …: where output o sees the input through tap m; `leave` where that is padding."""
        lines = []
        for k in self.axes:
            n, step, d, b = self.x[1 + k], self.a.stride[k], self.a.dilation[k], self.a.pad[k][0]
            place = f"{linear(f'o{k}', step)} + {linear(f'm{k}', d, -b)}"
            if mode == "zero":
                lines += [f"const int h{k} = {place};", f"if (h{k} < 0 || h{k} >= {n}) {leave};"]
                continue
            low, high = ("0", f"{n - 1}") if mode == "edge" else (f"-at{k}", f"{2 * (n - 1)} - at{k}")
            lines += [f"const int at{k} = {place};", f"const int h{k} = at{k} < 0 ? {low} : at{k} >= {n} ? {high} : at{k};"]
        return lines

    def at_x(self, channel: str) -> str:
        return offset(["n", *self.names("h"), channel], self.x)

    def at_y(self, channel: str) -> str:
        return offset(["n", *self.names("o"), channel], self.y)

    def at_w(self, channel: str, filter: str) -> str:
        return offset([*self.names("k"), channel, filter], self.w)

    @property
    def wide(self) -> bool:
        return max(product(self.x), product(self.y), product(self.w)) >= 2**31


def forward(node: Node) -> list[Launch] | None:
    if not all_float32(node):
        return None
    a = node.resolved
    g = Geometry(node.operands[0].type.sizes, node.outputs[0].type.sizes, a)
    if g.wide:
        return None
    channels, filters = g.w[-2], g.y[-1]
    group = "0" if a.groups == 1 else f"f / {filters // a.groups} * {channels}"
    body = [
        *unravel("i", ["n", *g.names("o"), "f"], g.y),
        "float total = 0.0f;",
        *g.taps(
            [
                *g.seen(a.pad_mode, "continue"),
                f"const float* xs = x + {g.at_x(group)};",
                f"const float* ws = w + {g.at_w('0', 'f')};",
                f"for (int c = 0; c < {channels}; ++c) total += xs[c] * ws[c * {filters}];",
            ]
        ),
        f"y[i] = total{' + b[f]' if a.bias else ''};",
    ]
    bias = [reads("b", 2)] if a.bias else []
    return [launch([reads("x", 0), reads("w", 1), *bias, writes("y", 0)], body, product(g.y))]


def input_grad(node: Node) -> list[Launch] | None:
    """gx[n, h, c] = Σ over taps m with h + pad − m·dilation = o·stride, and over f, of gy[n, o, f] · w[m, c, f]."""
    if not all_float32(node):
        return None
    a = node.resolved
    g = Geometry(node.outputs[0].type.sizes, node.operands[0].type.sizes, a)
    if g.wide:
        return None
    channels, filters = g.w[-2], g.y[-1] // a.groups
    first = "0" if a.groups == 1 else f"c / {channels} * {filters}"
    found = []
    for k in g.axes:
        found += [
            f"const int t{k} = {linear(f'h{k}', 1, a.pad[k][0])} - {linear(f'm{k}', a.dilation[k])};",
            f"const int o{k} = t{k} / {a.stride[k]:d};",
            f"if (t{k} < 0 || t{k} % {a.stride[k]:d} || o{k} >= {g.y[1 + k]}) continue;",
        ]
    body = [
        *unravel("i", ["n", *g.names("h"), "c"], g.x),
        "float total = 0.0f;",
        *g.taps(
            [
                *found,
                f"const float* gys = gy + {g.at_y(first)};",
                f"const float* ws = w + {g.at_w('c' if a.groups == 1 else f'c % {channels}', first)};",
                f"for (int f = 0; f < {filters}; ++f) total += gys[f] * ws[f];",
            ]
        ),
        "gx[i] = total;",
    ]
    return [launch([reads("gy", 0), reads("w", 1), writes("gx", 0)], body, product(g.x))]


def transpose(node: Node) -> list[Launch] | None:
    """conv_transpose: the input's gradient, then the bias."""
    found = input_grad(node)
    if found is None or not node.attrs.bias:
        return found
    y = node.outputs[0].type.sizes
    return [*found, launch([reads("b", 2), writes("y", 0)], [f"y[i] += b[i % {y[-1]}];"], product(y), "bias")]


def weight_grad(node: Node) -> list[Launch] | None:
    """gw[m, c, f] = Σ over n and o of x[n, o·stride + m·dilation − pad, c] · gy[n, o, f]."""
    if not all_float32(node):
        return None
    a = node.resolved
    g = Geometry(node.operands[0].type.sizes, node.operands[1].type.sizes, a)
    if g.wide:
        return None
    weights, rows = product(g.w), product(g.y[:-1])
    count = chunks(rows, weights)
    length = -(-rows // count)
    channel = "c" if a.groups == 1 else f"f / {g.y[-1] // a.groups} * {g.w[-2]} + c"
    back = [f"const int m{k} = {f'{a.kernel[k] - 1} - k{k}' if a.flip else f'k{k}'};" for k in g.axes]
    body = [
        f"const int which = i % {weights};",
        f"const int first = i / {weights} * {length};",
        *unravel("which", [*g.names("k"), "c", "f"], g.w),
        *back,
        "float total = 0.0f;",
        f"for (int row = first; row < first + {length} && row < {rows}; ++row) {{",
        *(f"    {x}" for x in unravel("row", ["n", *g.names("o")], g.y[:-1])),
        *(f"    {x}" for x in g.seen("zero", "continue")),
        f"    total += x[{g.at_x(channel)}] * gy[row * {g.y[-1]} + f];",
        "}",
        "parts[i] = total;" if count > 1 else "gw[i] = total;",
    ]
    target = parts(True) if count > 1 else writes("gw", 0)
    first = launch([reads("x", 0), reads("gy", 1), target], body, count * weights, "parts" if count > 1 else "")
    return [first, total_of_parts(count, weights)] if count > 1 else [first]
