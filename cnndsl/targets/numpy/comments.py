"""What stands above a kernel in an emitted module: its comment, and the headings of phases, stages and blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from cnndsl.graph.graph import STATE, Node, Value
from cnndsl.graph.types import drawn
from cnndsl.program.names import block_ends, home_of
from cnndsl.program.program import Buffer, Kernel, Program
from cnndsl.targets.numpy.fusion import parts_of
from cnndsl.targets.numpy.texts import WIDTH, plain

NOTE = "# -"  # how a comment begins that is none of a kernel
FIXED = ("state", "prepared", "constant")
PHASES = ("Forward", "Loss", "Backward", "Update")


def path_of(k: Kernel) -> str:
    return k.node.path or k.name


class Comments:
    """Comments above the kernels of a program, and headings above those of its run, asked for in their order.

    Inference: a rule with the name of each stage, a line with that of each block in it. Training: a rule with the phase.
    """

    def __init__(self, program: Program) -> None:
        self.training = program.training
        kernels = program.run.kernels
        self.groups = [home_of(path_of(k)) for k in kernels]
        self.ends = {} if self.training else block_ends([k.node for k in kernels])
        self.numbers = {k.node: i for i, k in enumerate(kernels)}
        self.paths = {k.node.path: i for i, k in enumerate(kernels)}
        self.phase = -1
        self.divided = ""  # the stage of which a block has a heading

    # Of a kernel ------------------------------------------------------------------------------------------------------

    def of(self, k: Kernel) -> list[str]:
        """`conv1: 5x5 conv + tanh, 28x28x1 → 28x28x6`: shapes of one image without weights; on two lines if long."""
        count, name = len(k.inputs), plain(path_of(k).lstrip(" -:") or k.name)
        if any(b.space == "state" for b in k.outputs):
            return [f"# {name}: update, {_shape(k.outputs[-1], False)}"]
        words, joined = self._words(k)
        reads = [i for i, b in enumerate(k.inputs) if b.space not in FIXED] or list(range(count))
        reads = [i for i in reads if k.batched[i]] or reads
        alone = [i for i in reads if i not in joined] or reads
        ins = ", ".join(dict.fromkeys(_shape(k.inputs[i], k.batched[i]) for i in alone))
        outs = ", ".join(dict.fromkeys(_shape(b, k.batched[count + i]) for i, b in enumerate(k.outputs)))
        one = f"# {name}: {plain(words)}, {ins} → {outs}"
        return [one] if len(one) + 4 <= WIDTH else [f"# {name}: {plain(words)},", f"#   {ins} → {outs}"]

    def _words(self, k: Kernel) -> tuple[str, set[int]]:
        """What it does, `3x3 conv + batch norm + add(unit.skip) + relu`; the inputs that stand in its brackets."""
        inner = k.node.attrs.inner if k.node.op.name == "fused" else None
        nodes = [k.node] if inner is None else [n for n in inner.nodes if n.op.inputs != 0]
        given = k.node.operands if inner is None else tuple(inner.inputs.values())
        numbers = {x: i for i, x in enumerate(given)}
        joined: set[int] = set()

        def told(x: Value) -> str:
            """An operand for the brackets: where it comes from, or how it is made on the side."""
            if x in numbers:
                joined.add(numbers[x])
                return self.origin(k, k.node.operands[numbers[x]])
            return f"{x.node.op.name}({', '.join(map(told, x.node.operands))})" if x.node.operands else x.node.op.name

        main = _main(nodes, parts_of(k.node).anchor)
        found = []
        for node in main:
            word = _word(node, [k.node.operands[numbers[x]] if x in numbers else x for x in node.operands])
            beside = [x for x in node.operands if x.node not in main and not (x in numbers and _fixed(k, numbers[x]))]
            named = word != "pointwise" and node.op.pointwise is not None and len(node.operands) == 2
            if named and beside and (len(beside) == 2 or any(x.node in main for x in node.operands)):
                word += f"({', '.join(map(told, beside))})"
            found.append(word)
        return " + ".join(w for w, _ in itertools.groupby(found)), joined

    def origin(self, k: Kernel, x: Value) -> str:
        """Where a value comes from, in short: within the block of `k` without its name, else the block that ends with it."""
        while x.node.op.view:
            x = x.node.operands[0]
        path = x.node.path or getattr(x.node.attrs, "name", "") or x.node.op.name
        at, here = self.paths.get(path), self.numbers.get(k.node)
        if at is None or here is None:
            return path
        stage, block = self.groups[at]
        if (stage, block) == self.groups[here] and stage:
            return path[len(f"{stage}.{block}".rstrip(".")) + 1 :]
        return self.ends.get(at, path)

    # Above a kernel ---------------------------------------------------------------------------------------------------

    def phase_of(self, k: Kernel) -> int:
        """A number of PHASES; a phase does not come back: what is made again for the gradients is of theirs."""
        if any(b.space == "state" for b in k.outputs):
            return 3
        path = path_of(k)
        return max(self.phase, 2 if path.endswith(".grad") else 1 if path.partition(".")[0] == "loss" else 0)

    def above(self, k: Kernel, first: bool) -> list[str]:
        """Headings. first: the kernel is the first of its function."""
        if self.training:
            phase, self.phase = self.phase, self.phase_of(k)
            return [] if phase == self.phase else [*([] if first else [""]), rule(PHASES[self.phase])]
        at = self.numbers[k.node]
        stage, block = self.groups[at]
        before = self.groups[at - 1] if at else ("", "")
        if (stage, block) == before:
            return []
        named = block and (self.groups[at : at + 2] == [(stage, block)] * 2 or stage == self.divided)
        self.divided = stage if named else self.divided
        lines = [f"{NOTE}- {plain(f'{stage}.{block}')}"] if named else []
        if stage and stage != before[0]:
            return ["", rule(stage), *lines]
        return [*([] if first else [""]), *lines]


def _shape(b: Buffer, batched: bool) -> str:
    return drawn(b.type.shape[1:] if batched and b.type.rank else b.type.shape)


def _fixed(k: Kernel, number: int) -> bool:
    """Whether an input is the same for every image: weights and what is made of them."""
    return k.inputs[number].space in FIXED or not k.batched[number]


def _main(nodes: Sequence[Node], anchor: Node | None) -> list[Node]:
    """Those that lead to the anchor or from it, in order; without one, those that lead from the first."""
    first = anchor if anchor is not None else nodes[0]
    below, above = {first}, {first}
    for node in nodes:
        if any(x.node in below for x in node.operands):
            below.add(node)
    for node in reversed(nodes):
        if any(x.node is node for other in above for x in other.operands):
            above.add(node)
    return [n for n in nodes if n in below or n in above]


def _word(node: Node, operands: Sequence[Value]) -> str:
    name = node.op.name
    a = node.attrs
    said = name.replace("_", " ") if name.endswith("_grad") else name
    window = getattr(a, "kernel", None) or getattr(a, "window", None)
    if isinstance(window, tuple) and all(isinstance(n, int) for n in window):
        said = f"{drawn(window)} {said}"
    if name == "winograd_conv":
        said = said.replace("winograd_conv", "conv (Winograd)")
    groups = getattr(a, "groups", 1)
    if isinstance(groups, int) and groups > 1:
        deep = operands[0].type.shape[-1] == groups
        said = said.replace("conv", "depthwise conv", 1) if deep else f"{said} in {groups} groups"
    return f"{said} + batch norm" if name.endswith("conv") and _normed(operands[1:]) else said


def _normed(weights: Sequence[Value]) -> bool:
    """Whether a batch norm's statistics have been folded into the weights."""
    pending, met = [x.node for x in weights], set()
    while pending:
        node = pending.pop()
        if node in met:
            continue
        met.add(node)
        if node.op is STATE and node.graph.state[node.attrs.name].kind == "buffer":
            return True
        pending += [x.node for x in node.operands]
    return False


def rule(title: str) -> str:
    """A line with a title, as wide as the text in a function may be."""
    return f"{NOTE}--- {plain(title)} ".ljust(WIDTH - 14, "-")
