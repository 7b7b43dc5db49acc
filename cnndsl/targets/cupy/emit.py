"""Prints a program as one readable module that needs NumPy and CuPy: CUDA C in one text, and the calls in order.

    docstring · imports · what the model is · CUDA C · the network · the program · references of ops without a kernel

Names come from the model through the planner's identifiers; model names in strings are printed by `repr`. Nothing
depends on hash order, so the same program gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cnndsl.graph.batch import batched_values, mixes_images
from cnndsl.graph.graph import Value
from cnndsl.graph.types import drawn
from cnndsl.program.program import Buffer, Kernel, Program, Region
from cnndsl.targets.cupy.choices import MATMUL, add_bias, is_pointwise, launches_of
from cnndsl.targets.cupy.kernels.pointwise import pointwise
from cnndsl.targets.cupy.launch import Launch
from cnndsl.targets.cupy.prelude import PRELUDE
from cnndsl.targets.numpy.frame import network as numpy_frame
from cnndsl.targets.numpy.introduction import given_and_taken
from cnndsl.targets.numpy.module import classes_of
from cnndsl.targets.numpy.sources import Copied, import_lines
from cnndsl.targets.numpy.statements import literal
from cnndsl.targets.numpy.texts import plain

MARK = "\n# Copied from here ---"
GIVEN = frozenset({"Network", "Arena", "NAME", "BATCH", "INPUTS", "OUTPUTS", "STATE", "BATCHED", "CLASSES", "OPTIONAL"})


@dataclass
class Emitter:
    """Prints kernels and gathers what they need."""

    program: Program
    kernels: dict[str, str] = field(default_factory=dict)  # CUDA text with the name left open → name
    buffers: dict[str, Buffer] = field(default_factory=dict)
    constants: dict[str, Buffer] = field(default_factory=dict)
    copied: Copied = field(default_factory=lambda: Copied(GIVEN))

    def text(self, b: Buffer) -> str:
        """The device array of a buffer, perhaps under another shape than this view's."""
        if b.space == "constant":
            self.constants[b.name] = b
            return f"c[{b.name!r}]"
        if b.space == "state":
            return f"s[{b.slot!r}]"
        if b.space == "input":
            return f"a.given[{list(self.program.inputs).index(b.slot)}]"
        if b.space == "output":
            return f"a.results[{list(self.program.outputs).index(b.slot)}]"
        self.buffers[b.name] = b
        return f"p[{b.name!r}]" if b.space == "prepared" else f"a.{b.name}"

    def shaped(self, b: Buffer) -> str:
        return f"{self.text(b)}.reshape({b.type.sizes!r})"

    def kernel(self, k: Kernel) -> list[str]:
        """Comment and statements of one kernel."""
        head = f"# {what(k)}"
        if k.node.op.view:
            return [head, f"{self.shaped(k.outputs[0])}[...] = {self.text(k.inputs[0])}.reshape({k.outputs[0].type.sizes!r})"]
        if is_pointwise(k.node):
            known = {i: b.data[0] for i, b in enumerate(k.inputs) if b.space == "constant" and b.type.rank == 0}
            return [head, *(self.launch(k, x) for x in pointwise(k.node, known))]
        if k.node.op.name in MATMUL:
            return [head, *self.matmul(k)]
        launches = None if k.choice.fallback else launches_of(k.node)
        return [head, *(self.fallback(k) if launches is None else [self.launch(k, x) for x in launches])]

    def launch(self, k: Kernel, x: Launch) -> str:
        """A call of `launch`; kernels of equal text share one."""
        if x.source not in self.kernels:
            self.kernels[x.source] = f"k{len(self.kernels)}_{k.name}{f'_{x.suffix}' if x.suffix else ''}"
        places = {"x": k.inputs, "y": k.outputs}
        args = ["a.scratch" if kind == "scratch" else self.text(places[kind][n]) for kind, n in x.args]
        return f"launch({self.kernels[x.source]!r}, {x.grid[0]}, {x.block[0]}, {', '.join(args)})"

    def matmul(self, k: Kernel) -> list[str]:
        turns = [getattr(k.node.attrs, name, False) for name in ("transpose_a", "transpose_b")]
        a, b = (self.shaped(x) + (".T" if t else "") for x, t in zip(k.inputs, turns, strict=False))
        line = f"cp.matmul({a}, {b}, out={self.shaped(k.outputs[0])})"
        return [line, self.launch(k, add_bias(k.node))] if len(k.inputs) == 3 else [line]

    def fallback(self, k: Kernel) -> list[str]:
        """The op's meaning, its text copied, on CuPy's arrays."""
        node, a = k.node, k.node.resolved
        name = f"{node.op.name}_reference"
        self.copied.add(node.op.reference, rename=name)
        self.copied.imports.add("from types import SimpleNamespace")
        fields = ", ".join(f"{f.name}={getattr(a, f.name)!r}" for f in node.op.fields())
        args = ", ".join(self.shaped(b) for b in k.inputs)
        return [f"copy_results({name}(cp, SimpleNamespace({fields}), {args}), {', '.join(map(self.text, k.outputs))})"]

    def procedure(self, name: str, says: str, regions: tuple[Region, ...], copies: list[str]) -> str:
        lines = [line for region in regions for k in region.kernels for line in self.kernel(k)] + copies
        used = "\n".join(lines)
        homes = {"s": "a.state.arrays", "p": "a.prepared", "c": "net.constants"}
        first = [f"{short} = {home}" for short, home in homes.items() if re.search(rf"\b{short}\[", used)]
        body = "\n".join(f"    {line}" for line in [f'"""{says}"""', *first, *lines])
        return f"def {name}(net: Network, a: Arena) -> None:\n{body}"


def what(k: Kernel) -> str:
    """`conv1: conv 64x28x28x1, 5x5x1x6 → 64x28x28x6`, for a comment: one line, nothing that could end it."""
    name = k.node.op.name
    if name == "fused":
        name = " + ".join(n.op.name for n in k.node.attrs.inner.nodes if n.op.inputs != 0)
    ins, outs = (", ".join(dict.fromkeys(drawn(b.type.shape) for b in side)) for side in (k.inputs, k.outputs))
    return plain(f"{k.node.path or k.name}: {name}, {ins} → {outs}")


def emit(program: Program) -> str:
    """The module's text."""
    e = Emitter(program)
    copies = [f"{e.shaped(x.target)}[...] = {e.text(x.source)}.reshape({x.target.type.sizes!r})" for x in program.copies]
    run = e.procedure("run_program", "One run: from the inputs to the outputs.", program.run.regions, copies)
    prepare = e.procedure(
        "prepare_weights", "Fill `a.prepared`: what depends on the weights alone.", program.prepare.regions, []
    )
    for name in ("chosen", "checked", "checked_for_step", "chunk", "counts_of", "destinations", "load", "run"):
        e.copied.add(getattr(numpy_frame, name))
    e.copied.add(numpy_frame.main_of_step if program.training else numpy_frame.main, rename="main")
    e.copied.imports |= {"import os", "import sys", "import threading", "import numpy as np", "from typing import Any"}
    e.copied.imports |= {"from collections.abc import Iterator", "from collections.abc import Mapping"}
    fresh = {key: text for key, text in e.copied.constants.items() if key != "DEFAULT"}
    own = Path(__file__).with_name("frame.py").read_text(encoding="utf-8").split(MARK)[1].split("\n", 1)[1].strip()
    imports = "\n".join(import_lines(e.copied.imports)) + "\nimport cupy as cp"
    cuda = "\n\n".join(source.replace("NAME", name, 1) for source, name in e.kernels.items())
    parts = [
        introduction(program),
        "from __future__ import annotations",
        imports,
        "\n".join(fresh.values()),
        facts(program, e),
        f'CUDA = r"""\n{PRELUDE}\n{cuda}\n"""',
        own,
        "# s: the weights, p: what was prepared from them, c: constants, a: the arrays of one run.\n\n\n" + run,
        prepare,
        *e.copied.definitions.values(),
        e.copied.constants["DEFAULT"],
        'if __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))',
    ]
    return "\n\n\n".join(x for x in parts if x) + "\n"


def introduction(program: Program) -> str:
    name = re.sub(r"\W", "_", program.name, flags=re.ASCII) or "net"
    what_for = "a training step" if program.training else "inference"
    call = "step(…)    # the state is updated in place" if program.training else "run(…)"
    return "\n".join(
        [
            f'"""{name}: {what_for} on {program.batch} images at a time, in CuPy.',
            "",
            f'    net = {name}.load("weights.safetensors")',
            f"    net.{call}",
            "",
            *given_and_taken(program),
            "",
            "This file needs NumPy, CuPy and an NVIDIA GPU. Made by cnndsl.",
            '"""',
        ]
    )


def facts(program: Program, e: Emitter) -> str:
    """The constants that describe the model."""
    graph = program.graph
    found = batched_values(graph)
    batched = sorted({k for part in (graph.inputs, graph.outputs) for k, v in part.items() if v in found})

    def written(title: str, rows: Mapping[str, str]) -> str:
        return "\n".join([f"{title} = {{", *(f"    {k!r}: {v}," for k, v in rows.items()), "}"]) if rows else f"{title} = {{}}"

    def table(title: str, rows: Mapping[str, tuple[object, ...]]) -> str:
        return written(title, {k: repr(v) for k, v in rows.items()})

    def numbers(b: Buffer) -> str:
        return f"([{', '.join(map(literal, b.data))}], {b.type.dtype!r}, {b.type.sizes!r})"

    def per_image(values: Mapping[str, Value]) -> dict[str, tuple[object, ...]]:
        return {k: (v.type.sizes[1:] if k in batched else v.type.sizes, v.type.dtype) for k, v in values.items()}

    optional = sorted(k for k, s in graph.state.items() if s.kind in ("slot", "counter", "sum") and k in program.state)
    buffers = sorted(e.buffers.values(), key=lambda b: (b.space, b.offset, b.name))
    return "\n".join(
        [
            f"NAME = {program.name!r}",
            f"BATCH = {program.batch}  # images in one run",
            "# Shapes of one image; BATCHED: the names whose first axis is the batch.",
            table("INPUTS", per_image(graph.inputs)),
            table("OUTPUTS", per_image(graph.outputs)),
            f"BATCHED = frozenset({batched!r})",
            table("STATE", {k: (b.type.sizes, b.type.dtype) for k, b in program.state.items()}),
            f"OPTIONAL = frozenset({optional!r})",
            f"CLASSES = {classes_of(graph)!r}  # labels are from 0 to below these",
            f"TOGETHER = {not program.training and mixes_images(graph)}  # whether outputs are of the whole batch",
            "WORKERS = 1",
            f"ARENA_BYTES = {program.arena_bytes}",
            f"PREPARED_BYTES = {program.prepared_bytes}",
            f"SCRATCH_BYTES = {program.scratch_bytes}",
            written("CONSTANTS", {k: numbers(b) for k, b in e.constants.items()}),
            "# name: memory, first byte, shape, type",
            table("BUFFERS", {b.name: (b.space, b.offset, b.type.sizes, b.type.dtype) for b in buffers}),
        ]
    )
