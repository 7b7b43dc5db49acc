"""Prints a program as one readable Python module that needs only NumPy.

Here stand the statements: of kernels, and of regions, one function each. `module` puts the whole together, `prepare` what is
done to the weights beforehand.

Names come from the model through the planner's identifiers; model names in strings are printed by `repr`. Nothing
depends on hash order, so the same program gives the same bytes.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace

from cnndsl.graph.expr import Expr, substitute, variables
from cnndsl.program.program import Buffer, Kernel, Program, Region, images_a_row
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.chains import Chain, Operand, Printed, print_chain
from cnndsl.targets.numpy.comments import NOTE, Comments, path_of
from cnndsl.targets.numpy.fusion import Parts, parts_of
from cnndsl.targets.numpy.kernels import (
    memory,
    pointwise,
    shape,
)
from cnndsl.targets.numpy.lower import LOWERINGS, Call, Text, is_shared, row_shape
from cnndsl.targets.numpy.module import module_text
from cnndsl.targets.numpy.operands import of_update, operands_of, results_of
from cnndsl.targets.numpy.sources import Copied
from cnndsl.targets.numpy.statements import literal
from cnndsl.targets.numpy.texts import GIVEN, identifier, plain, quoted, words_of, wrapped


@dataclass
class Emitter:
    """Prints regions and gathers what they need."""

    program: Program
    copied: Copied = field(default_factory=lambda: Copied(GIVEN))
    functions: list[str] = field(default_factory=list)
    chains: dict[str, str] = field(default_factory=dict)  # the text of each function, its name left open, and its name
    scratch: int = 0
    constants: dict[str, Buffer] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    homes: dict[str, Buffer] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)  # formulas of updates, to stand above the next kernel

    def __post_init__(self) -> None:
        self.comments = Comments(self.program)

    def turn_to(self, program: Program, keys: dict[str, str]) -> None:
        """Go on with another program, whose functions come into the same module. keys: what its prepared arrays are called."""
        self.program, self.comments, self.keys = program, Comments(program), keys
        self.buffers, self.homes = {}, {}

    # Names ------------------------------------------------------------------------------------------------------------

    def text(self, b: Buffer, cut: bool) -> str:
        """The expression for a buffer inside a region's function; `cut`: this worker's images."""
        if b.space == "constant":
            if b.type.rank == 0:
                return literal(b.data[0])
            name = b.name
            while name in self.constants and (self.constants[name].data, self.constants[name].type) != (b.data, b.type):
                name += "_"  # of another program
            self.constants[name] = b
            return f"CONSTANT_{name}"
        if b.space == "state":
            found, kept = f"s[{quoted(b.slot)}]", self.program.state[b.slot].type.shape
        else:
            self.buffers.setdefault(b.name, b)
            kept = self.home(b).type.shape
            found = f"p[{quoted(self.prepared_keys()[b.name])}]" if b.space == "prepared" else f"a.{b.name}"
        if b.partial:
            return f"{found}[worker, ...]"  # with `...` a scalar stays a view
        many = images_a_row(b, self.program.batch) if cut or b.local else 1
        if b.local:
            found += (
                "[worker]" if self.program.batch % min(self.program.workers, self.program.batch) == 0 else "[worker, : hi - lo]"
            )
        elif cut:
            found += "[lo:hi]" if many == 1 else f"[lo // {many} : hi // {many}]"
        if kept == b.type.shape:
            return found
        return found + f".reshape({', '.join(map(str, (-1, *b.type.sizes[1:]) if cut else b.type.sizes))})"

    def prepared_keys(self) -> dict[str, str]:
        """What each prepared array is called: the path of the node that makes it, or its buffer's name."""
        if not self.keys:
            taken: set[str] = set()
            for k in self.program.prepare.kernels:
                for n, b in enumerate(k.outputs):
                    key = k.node.path if n == 0 else b.name
                    while not key or key in taken:
                        key += "_"
                    taken.add(key)
                    self.keys[b.name] = key
        return self.keys

    def prepared_rows(self) -> dict[str, Buffer]:
        """The prepared arrays that are named anywhere, by what they are called."""
        keys = self.prepared_keys()
        return {keys[b.name]: self.home(b) for b in self.buffers.values() if b.space == "prepared"}

    def home(self, b: Buffer) -> Buffer:
        """The buffer as it was planned, where `b` may be a view of it under another shape."""
        if not self.homes:
            kernels = [*self.program.prepare.kernels, *self.program.run.kernels]
            self.homes = {x.name: x for k in kernels for x in k.outputs}
            self.homes |= {x.partial.name: x.partial for r in self.program.run.regions for x in r.joins}
            self.homes |= {x.name: x for v in (self.program.inputs, self.program.outputs) for x in v.values()}
            self.homes |= {x.total.name: x.total for r in self.program.run.regions for x in r.joins}
            for k in kernels:  # a concat that never runs is nobody's output; it may be met as a view first
                for x, value in zip(k.inputs, k.node.operands, strict=True):
                    while value.node.op.view:
                        value = value.node.operands[0]
                    self.homes.setdefault(x.name, replace(x, type=value.type))
        return self.homes.get(b.name, b)

    # Kernels ----------------------------------------------------------------------------------------------------------

    def kernel(self, k: Kernel, cut: bool) -> list[str]:
        """Comment and statements of one kernel."""
        count = len(k.inputs)
        ins = [self.text(b, cut and k.batched[i]) for i, b in enumerate(k.inputs)]
        outs = [self.text(b, cut and k.batched[count + i]) for i, b in enumerate(k.outputs)]
        head = self.comments.of(k)
        if k.choice.fallback:
            return head + self._fallback(k, ins, outs)
        if k.node.op.view:
            self.copied.add(shape.copy_results)
            sizes = k.outputs[0].type.sizes
            return [*head, f"copy_results(({ins[0]}.reshape(-1, *{sizes[1:]!r}),), {outs[0]})"]
        parts = parts_of(k.node)
        if parts.anchor is None:
            return head + self._chains(k, parts, ins, outs)
        return head + self._anchor(k, parts, ins, outs, cut)

    def _fallback(self, k: Kernel, ins: list[str], outs: list[str]) -> list[str]:
        node = k.node
        name = f"{node.op.name}_reference"
        self.copied.add(node.op.reference, rename=name)
        self.copied.add(shape.copy_results)
        self.copied.imports.add("from types import SimpleNamespace")
        a = node.resolved
        fields = ", ".join(f"{f}={getattr(a, f)!r}" for f in (x.name for x in node.op.fields()))
        found = f"{name}(np, SimpleNamespace({fields}), {', '.join(ins)})"
        return [f"copy_results({found}, {', '.join(outs)})"]

    def _chains(self, k: Kernel, parts: Parts, ins: list[str], outs: list[str]) -> list[str]:
        """A pointwise kernel: one function for each shape among the outputs."""
        lines: list[str] = []
        roots = [e for e in parts.epilogue if e is not None]
        count = len(k.inputs)
        plain = [substitute(e, [Expr("const", (), 0.0), *variables(count)]) for e in roots]
        shapes = list(dict.fromkeys(b.type.shape for b in k.outputs))
        for s in sorted(shapes, key=len):
            chosen = [i for i, b in enumerate(k.outputs) if b.type.shape == s]
            unit = _positions(k.outputs[chosen[0]], k.batched[count + chosen[0]])
            targets = [k.outputs[i] for i in chosen]
            same = tuple(_same(b, targets) for b in k.inputs)
            chain = Chain(tuple(plain[i] for i in chosen), operands_of(k), results_of(targets), same, unit)
            if any(b.space == "state" for b in targets):
                chain = of_update(chain, k, targets)
            printed, name = self._print(chain, words_of(k))
            if any(b.space == "state" for b in targets) and name not in self.told:
                self.told.add(name)
                self.notes += printed.says
            args = [*(ins[i] for i in printed.takes if same[i] < 0), *(outs[i] for i in chosen)]
            lines.append(_called(name, args, printed, "scratch"))
            self.scratch = max(self.scratch, printed.scratch)
        return lines

    def _print(self, chain: Chain, wish: str) -> tuple[Printed, str]:
        """Print a chain, once for all kernels that come to the same text; its name."""
        printed = print_chain(chain)
        name = self.chains.get(printed.text)
        if name is None:
            wish = identifier(wish)
            taken = set(self.chains.values())
            numbered = (f"{wish}_{n}" for n in itertools.count(2))
            name = wish if wish not in taken else next(x for x in numbered if x not in taken)
            self.chains[printed.text] = name
            text = printed.text.replace("def @(", f"def {name}(", 1).split("\n")
            self.functions.append("\n".join(part for line in text for part in wrapped(line)))
        self.copied.imports.add("import numpy as np")
        if "carve(" in printed.text:
            self.copied.add(memory.carve)
        for kernel in sorted(printed.kernels):
            self.copied.add(getattr(pointwise, kernel))
        return printed, name

    def _anchor(self, k: Kernel, parts: Parts, ins: list[str], outs: list[str], cut: bool) -> list[str]:
        anchor = parts.anchor
        assert anchor is not None
        lowering = LOWERINGS[anchor.op.name]
        inner = -(-k.choice.scratch // 64) * 64  # the anchor's own, then that of its epilogue
        shared = not cut and is_shared(anchor, k.choice, self.program.workers)
        base = Text("a.scratch[worker]" if shared else "scratch")
        ys, finish, extra = list(outs), Text(), 0
        numbers = dict(k.choice.parameters)
        each = numbers.pop("filters", 0) if shared else 0
        product: list[str] = []
        note: list[str] = []
        below = next((i for i, b in enumerate(k.inputs) if _same(b, list(k.outputs)) >= 0), -1)
        if below >= 0:  # it is added to an operand, in place
            note = [f"#   added in place: {outs[0]} is the memory of {ins[below]}, which it takes the place of"]
            width, filters = anchor.outputs[0].type.sizes[2:]
            numbers["block"] = cost.block_apart(numbers["block"], width, filters)
            positions = numbers["block"][0] * numbers["block"][1] * width
            product = [
                f'(product,) = carve({_after(base, inner)}, (({positions}, {each or filters}), "f4"))  # before it is added'
            ]
            self.copied.add(memory.carve)
            inner += cost.aligned(((positions, each or filters), 4))
        if any(e is not None for e in parts.epilogue):
            ys, finish, extra = self._finish(k, parts, ins, outs, _after(base, inner), each > 0, bool(product))
        elif each:
            ys = [f"{y}[..., at]" for y in ys]
        self.scratch = max(self.scratch, inner + extra)
        if parts.prologue is not None:
            return self._summed(k, parts, ins, outs)
        xs = [ins[i] for i in parts.operands]
        call = Call(
            anchor,
            anchor.resolved,
            [xs[0], f"{xs[1]}[..., at]"] if each else xs,
            ys,
            numbers,
            base,
            finish,
            f", worker=worker, workers={self.program.workers}" if shared and not each else "",
            "lo" if cut else "",
            k.choice.algorithm,
            Text("product" if product else ""),
        )
        for function in lowering.kernels(call):
            self.copied.add(function)
        lines = [*product, *lowering.lines(call)]
        if shared:
            at = [f"    at = slice({each} * worker, {each} * (worker + 1))  # its filters"] if each else []
            lines = ["@net.shared", "def _(worker):", *at, *(f"    {x}" for x in lines)]
        return [*note, *lines]

    def _finish(
        self, k: Kernel, parts: Parts, ins: list[str], outs: list[str], scratch: str, by_filters: bool, apart: bool
    ) -> tuple[list[str], Text, int]:
        """Where the anchor writes, the text of its `finish`, and the bytes of scratch that takes.

        by_filters: the workers share the filters, so that each has some of the channels of every array. apart: its own
        result is `product`, and is added to an operand where that lies.
        """
        anchor = parts.anchor
        assert anchor is not None
        kept = [i for i, e in enumerate(parts.epilogue) if e is None]
        made = [i for i, e in enumerate(parts.epilogue) if e is not None]
        targets = [k.outputs[i] for i in made]
        result = k.outputs[kept[0]] if kept else targets[0]
        same = (-1 if apart else _same(result, targets), *(_same(b, targets) for b in k.inputs))
        unit = anchor.outputs[0].type.sizes[-2] if anchor.outputs[0].type.rank > 2 else 1
        roots = tuple(e for e in parts.epilogue if e is not None)
        bias = _bias_of(k, parts)
        named = [replace(o, name="bias") if i == bias else o for i, o in enumerate(operands_of(k))]
        operands = (Operand("product" if apart else "", result.type, result.strides is not None), *named)
        results = results_of(targets)
        if by_filters:  # rows with gaps
            operands, results = (tuple(replace(o, strided=True) for o in each) for each in (operands, results))
            channels = [b.type.elements > 1 for b in k.inputs]
            ins = [f"{x}[..., at]" if many else x for x, many in zip(ins, channels, strict=True)]
            outs = [f"{y}[..., at]" for y in outs]
        chain = Chain(roots, operands, results, same, unit, ranged=True, apart=apart)
        printed, name = self._print(chain, words_of(k, "bias" if bias >= 0 else ""))
        written = outs[kept[0]] if kept else outs[made[0]]
        texts = ["product" if apart else written, *ins]
        args = [*(texts[i] for i in printed.takes if same[i] < 0), *(outs[i] for i in made)]
        return [written], Text(_called(name, args, printed, scratch)), printed.scratch

    def _summed(self, k: Kernel, parts: Parts, ins: list[str], outs: list[str]) -> list[str]:
        """reduce_sum of an expression that is computed tile by tile."""
        anchor = parts.anchor
        assert anchor is not None
        assert parts.prologue is not None
        x = anchor.operands[0].type
        same = (-1,) * len(k.inputs)
        unit = 1
        for n in x.sizes[1:-1]:
            unit *= n
        chain = Chain((parts.prologue,), operands_of(k), (Operand("", x),), same, unit, True, True)
        printed, name = self._print(chain, "terms")
        for function in LOWERINGS["reduce_sum"].kernels(Call(anchor, anchor.attrs, [], [], {})):
            self.copied.add(function)
        self.scratch = max(self.scratch, printed.scratch)
        full = next(i for i in printed.takes if k.inputs[i].type.shape == x.shape)
        wide, rows = row_shape(x.sizes)
        if any(b.strides is not None for b in k.inputs):
            wide, rows = 1, printed.rows
        make = _called(name, [ins[i] for i in printed.takes], printed, "scratch")
        return [f"sum_rows({ins[full]}, {outs[0]}, wide={wide}, rows={rows}, make={make})"]

    # Regions ----------------------------------------------------------------------------------------------------------

    def region(self, name: str, region: Region) -> str:
        """One region as a function."""
        cut = region.workers > 1
        body: list[str] = []
        for k in region.kernels:
            above, lines = self.comments.above(k, not body), self.kernel(k, cut)
            body += [*above, *(f"{NOTE} {plain(x)}" for x in self.notes), *lines]
            self.notes.clear()
        head = f"def {name}(net, a, worker, lo, hi):" if cut else f"def {name}(net, a):"
        ends = dict.fromkeys(path_of(k) for k in (region.kernels[0], region.kernels[-1]))
        says = f"{'Images lo:hi' if cut else 'All images'}: {' to '.join(ends)}"
        names = []
        joined = "\n".join(body)
        if re.search(r"\bs\[", joined):
            names.append("s = a.state")
        if re.search(r"\bp\[", joined):
            names.append("p = a.prepared")
        if re.search(r"(?<!\.)\bscratch\b(?!=a)", joined):
            names.append("scratch = a.scratch[worker]" if cut else "scratch = a.scratch[0]")
        lines = [head, f'    """{plain(says)}."""', *(f"    {n}" for n in names)]
        lines += [part for line in body for part in (wrapped(f"    {line}") if line else [""])]
        return "\n".join(lines)


def _called(name: str, args: list[str], printed: Printed, scratch: str) -> str:
    """The call of a chain's function."""
    keys = [f"wide={printed.wide}"] if printed.matrix else []
    keys += [f"scratch={scratch}"] if printed.scratch else []
    return f"{name}({', '.join([*args, *keys])})"


def _bias_of(k: Kernel, parts: Parts) -> int:
    """The number of the kernel's input that is the anchor's bias, where its epilogue adds that; else −1."""
    anchor = parts.anchor
    if anchor is None or len(parts.operands) == len(anchor.operands):
        return -1
    inputs = list(k.node.attrs.inner.inputs.values()) if k.node.op.name == "fused" else list(anchor.operands)
    return inputs.index(anchor.operands[-1])


def _after(scratch: str, used: int) -> str:
    """The scratch behind the first `used` bytes."""
    return f"{scratch}[{used}:]" if used else scratch


def _same(b: Buffer, targets: list[Buffer]) -> int:
    """The number of the target that lies where `b` lies, or −1."""
    for n, t in enumerate(targets):
        if (b.space, b.slot, b.offset, b.strides, b.type, b.partial) == (
            t.space,
            t.slot,
            t.offset,
            t.strides,
            t.type,
            t.partial,
        ):
            return n
    return -1


def _positions(b: Buffer, batched: bool) -> int:
    sizes = b.type.sizes[1:-1] if batched else b.type.sizes[:-1]
    total = 1
    for n in sizes:
        total *= n
    return total


def emitted(program: Program) -> tuple[Program, str]:
    """The program with the scratch that its kernels take, and the module's text."""
    emitter = Emitter(program)
    text = module_text(program, emitter)
    return replace(program, scratch_bytes=emitter.scratch), text
