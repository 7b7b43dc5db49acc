"""The layout of an emitted module: what it says first, its sections and their order."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from cnndsl.graph.types import drawn
from cnndsl.program.program import Buffer, Program, images_a_row
from cnndsl.targets.numpy import cost, frame, tensors, threads, tuning
from cnndsl.targets.numpy.statements import literal
from cnndsl.targets.numpy.texts import plain, quoted

if TYPE_CHECKING:
    from cnndsl.targets.numpy.emit import Emitter

WIDTH = 100
FRAME = (frame.__name__, tensors.__name__, threads.__name__)
LATE = ("BLAS", "DEFAULT")  # constants made of classes that stand below


def module_text(program: Program, emitter: Emitter) -> str:
    """The whole module. Regions are printed first, because they say which functions and buffers there are."""
    from cnndsl.targets.numpy.sources import import_lines

    regions, prepare = [], []
    run_lines: list[str] = []
    for n, region in enumerate(program.run.regions, 1):
        name = f"part{n}" if len(program.run.regions) > 1 else "part"
        regions.append(emitter.region(name, region))
        if region.workers > 1:
            run_lines.append(f"net.crew.run(lambda worker: {name}(net, a, worker, *SLICES[worker]), {region.workers})")
        else:
            run_lines.append(f"{name}(net, a)")
        for j in region.joins:
            part = f"a.{j.partial.name}"
            emitter.buffers[j.partial.name] = j.partial
            run_lines.append(f"np.add.reduce({part}, axis=0, out={emitter.text(j.total, False)})")
    copies = [f"np.copyto({emitter.text(c.target, False)}, {emitter.text(c.source, False)})" for c in program.copies]
    prepare_lines = []
    for n, region in enumerate(program.prepare.regions, 1):
        name = f"prepare{n}" if len(program.prepare.regions) > 1 else "prepare"
        prepare.append(emitter.region(name, region))
        prepare_lines.append(f"{name}(net, a)")
    network = [getattr(frame, x) for x in ("Network", "load", "run", "main")]
    for part in network:
        emitter.copied.add(part)
    tops = [
        procedure("run_program", "One run: the arrays of `a` from the inputs to the outputs.", run_lines + copies),
        *regions,
        procedure("prepare_weights", "Fill `a.prepared`: what depends on the weights alone.", prepare_lines),
        *prepare,
    ]
    own = {text: key for key, text in emitter.copied.definitions.items()}
    frame_texts = [t for t, (module, _) in own.items() if module in FRAME]
    kernel_texts = [t for t, (module, _) in own.items() if module not in FRAME]
    emitter.copied.imports |= {"import sys", "import numpy as np"}
    sections = [
        heading(
            "The program", "One function for each part that runs without a stop; a: the arrays of one run, s: its weights."
        ),
        *tops,
        *([heading("Number by number"), *dict.fromkeys(emitter.functions)] if emitter.functions else []),
        heading("Kernels"),
        *kernel_texts,
        heading("Memory"),
        arena_text(program, emitter),
        prepared_text(emitter),
        heading("The network"),
        *frame_texts,
        "\n".join(emitter.copied.constants[k] for k in LATE),
        'if __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))',
    ]
    head = [introduction(program), "from __future__ import annotations", "\n".join(import_lines(emitter.copied.imports))]
    head.append("\n".join(x for k, x in emitter.copied.constants.items() if k not in LATE))
    head.append(facts(program, emitter))
    return "\n\n".join(x for x in head if x) + "\n\n\n" + "\n\n\n".join(sections) + "\n"


def heading(title: str, says: str = "") -> str:
    line = f"# {title} ".ljust(WIDTH, "-")
    return f"{line}\n# {says}" if says else line


def procedure(name: str, says: str, lines: list[str]) -> str:
    used = "\n".join(lines)
    first = ["s = a.state"] if re.search(r"\bs\[", used) else []
    first += ["p = a.prepared"] if re.search(r"\bp\.", used) else []
    body = [f'    """{says}"""', *(f"    {x}" for x in [*first, *lines])]
    return "\n".join([f"def {name}(net, a):", *body])


def introduction(program: Program) -> str:
    name = _word(program.name)
    what = "a training step" if program.training else "inference"
    size = f"{program.batch} image{'s' if program.batch != 1 else ''} at a time"
    arguments = ", ".join(_word(k) for k in program.inputs)
    lines = [f'"""{name}: {what} on {size}, in NumPy.', ""]
    if program.training:
        lines += [
            f'    net = {name}.load("weights.safetensors")',
            f"    {', '.join(_word(k) for k in program.outputs)} = net.step({arguments})    # net.state is updated in place",
        ]
    else:
        lines += [
            f'    {name}.load("weights.safetensors")',
            f"    {', '.join(_word(k) for k in program.outputs)} = {name}.run({arguments})    # any number of images",
            "",
            f"or `python {name}.py weights.safetensors {' '.join(f'{_word(k)}.npy' for k in program.inputs)}`.",
        ]
    lines += ["", *given_and_taken(program), "", "This file needs NumPy and nothing else. Made by cnndsl.", *_measured(), '"""']
    return "\n".join(lines)


def given_and_taken(program: Program) -> list[str]:
    """What goes in, what its numbers mean, and what comes out, for the first lines of a module."""
    inputs = ", ".join(f"{plain(k)}: {_given(b, k, program)}" for k, b in program.inputs.items())
    outputs = ", ".join(f"{plain(k)}: {_given(b, k, program)}" for k, b in program.outputs.items())
    lines = [f"Takes {inputs}."]
    for name, text in program.takes.items():
        lines += textwrap.wrap(f"{plain(name)}: {plain(text)}.", WIDTH + 20, subsequent_indent="    ")
    return [*lines, f"Gives {outputs}."]


def _measured() -> list[str]:
    """By which table of measured times algorithms were chosen, where one was of use."""
    table = tuning.in_use()
    return [f"Algorithms as measured on {plain(table.name)}."] if table is not None and table.met else []


def _given(b: Buffer, name: str, program: Program) -> str:
    batched = name in _batched(program)
    shape = drawn(b.type.shape[1:] if batched else b.type.shape)
    return f"{'n × ' if batched else ''}{shape} {b.type.dtype}"


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII) or "net"


def _batched(program: Program) -> list[str]:
    """The names of inputs and outputs whose first axis is the batch."""
    from cnndsl.graph.batch import batched_values

    found = batched_values(program.graph)
    both = [*program.graph.inputs.items(), *program.graph.outputs.items()]
    return sorted({k for k, v in both if v in found})


def facts(program: Program, emitter: Emitter) -> str:
    """The constants that describe the model."""
    batched = _batched(program)

    def table(title: str, values: dict[str, tuple[tuple[int, ...], str]]) -> str:
        if not values:
            return f"{title} = {{}}"
        return "\n".join([f"{title} = {{", *(f"    {quoted(k)}: ({s!r}, {quoted(d)})," for k, (s, d) in values.items()), "}"])

    def per_image(values: dict[str, Buffer]) -> dict[str, tuple[tuple[int, ...], str]]:
        return {k: (t.sizes[1:] if k in batched else t.sizes, t.dtype) for k, t in values.items()}  # type: ignore[attr-defined]

    graph = program.graph
    workers = program.workers
    optional = sorted(k for k, s in graph.state.items() if s.kind in ("slot", "counter") and k in program.state)
    lines = [
        f"NAME = {program.name!r}",
        f"BATCH = {program.batch}  # images in one run",
        "# Shapes of one image; BATCHED: the names whose first axis is the batch.",
        table("INPUTS", per_image({k: v.type for k, v in graph.inputs.items()})),  # type: ignore[misc]
        table("OUTPUTS", per_image({k: v.type for k, v in graph.outputs.items()})),  # type: ignore[misc]
        f"BATCHED = frozenset({batched!r})",
        "# The weights" + (", the optimiser's memory and the counter of steps." if program.training else "."),
        table("STATE", {k: (b.type.sizes, b.type.dtype) for k, b in program.state.items()}),
        f"OPTIONAL = frozenset({optional!r})",
        f"TRAINING = {program.training}",
        f"WORKERS = {workers}  # threads that share the work",
        f"SLICES = {tuple(slices(program.batch, min(workers, program.batch)))!r}  # the images of each worker",
        f"SCRATCH_BYTES = {emitter.scratch}  # a worker",
        f"ARENA_BYTES = {program.arena_bytes + workers * emitter.scratch}",
        f"PREPARED_BYTES = {program.prepared_bytes}",
        f"CHAIN = {cost.TILE}  # numbers that a chain of functions works on at a time",
    ]
    for name, b in emitter.constants.items():
        numbers = ", ".join(map(literal, b.data))
        lines.append(f"CONSTANT_{name} = np.array([{numbers}], {b.type.dtype!r}).reshape({b.type.sizes!r})")
    return "\n".join(lines)


def slices(batch: int, workers: int) -> list[tuple[int, int]]:
    """Shares of the batch that differ by one image at most; none is empty where there are as many images as workers."""
    return [(w * batch // workers, (w + 1) * batch // workers) for w in range(workers)]


def arena_text(program: Program, emitter: Emitter) -> str:
    """The class with an attribute for every array of a run."""
    mine = [b for b in emitter.buffers.values() if b.space == "arena"]
    lines = [
        "class Arena:",
        '    """Every array of one run, in one block of memory. Arrays that are needed at different times share bytes."""',
        "",
        "    def __init__(self) -> None:",
        "        block = np.empty(ARENA_BYTES + 64, np.uint8)",
        "        block = block[-block.ctypes.data % 64 :][:ARENA_BYTES]  # begins on a 64-byte boundary",
        f"        self.scratch = block[{program.arena_bytes} :].reshape(WORKERS, SCRATCH_BYTES)",
    ]
    lines += attributes(mine, emitter)
    inputs = [(k, program.inputs[k]) for k in program.graph.inputs]
    outputs = [(k, program.outputs[k]) for k in program.graph.outputs]
    names = [b.name for _, b in inputs] + [b.name for _, b in outputs]
    lines += [
        "",
        f"    def bind(self, {', '.join(names)}) -> None:" if names else "    def bind(self) -> None:",
        '        """Take the caller\'s arrays: the inputs, and where the outputs go."""',
    ]
    types = program.graph.outputs
    for k, b in [*inputs, *outputs]:
        again = k in types and (k, b) in outputs and types[k].type.shape != b.type.shape
        lines.append(f"        self.{b.name} = {b.name}{f'.reshape({b.type.sizes!r})' if again else ''}")
    lines.append(f"        self.results = ({''.join(f'{b.name}, ' for _, b in outputs)})".replace(", )", ",)"))
    lines += ["", "    def release(self) -> None:", '        """Let go of the caller\'s arrays and of the weights."""']
    held = [f"self.{name}" for name in (*names, "results", "state", "prepared")]
    lines += [f"        {' = '.join(held[i : i + 6])} = None" for i in range(0, len(held), 6)]
    return "\n".join(lines)


def view_text(b: Buffer, program: Program, block: str) -> str:
    """`np.ndarray((64, 28, 28, 6), "f4", block, 0)`."""
    from cnndsl.graph.types import ITEM_BYTES
    from cnndsl.targets.numpy.chains import SHORT

    shape, size = b.type.sizes, ITEM_BYTES[b.type.dtype]
    strides: tuple[int, ...] | None = tuple(s * size for s in b.strides) if b.strides is not None else None
    if b.partial:
        shape = (b.partial, *shape)
    local = getattr(b, "local", 0)
    if local:
        workers = min(program.workers, program.batch)
        share = -(-program.batch // workers) // images_a_row(b, program.batch)
        shape = (workers, share, *shape[1:])
        strides = (local, *(strides or contiguous(shape[1:], size)))
    tail = f", {strides!r}" if strides is not None else ""
    return f'np.ndarray({shape!r}, "{SHORT[b.type.dtype]}", {block}, {b.offset}{tail})'


def contiguous(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    found, step = [], size
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))


def prepared_text(emitter: Emitter) -> str:
    mine = [b for b in emitter.buffers.values() if b.space == "prepared"]
    lines = [
        "class Prepared:",
        '    """Arrays made from the weights, once, when they are loaded."""',
        "",
        "    def __init__(self) -> None:",
        "        block = np.empty(PREPARED_BYTES + 64, np.uint8)",
        "        block = block[-block.ctypes.data % 64 :][:PREPARED_BYTES]",
    ]
    if not mine:
        return "\n".join([*lines[:3], "    def __init__(self) -> None:", "        pass"])
    return "\n".join([*lines, *attributes(mine, emitter)])


def attributes(buffers: list[Buffer], emitter: Emitter) -> list[str]:
    """A line for each buffer, in the order in which they lie."""
    ordered = sorted(buffers, key=lambda b: (b.offset, b.name))
    return [f"        self.{b.name} = {view_text(emitter.home(b), emitter.program, 'block')}" for b in ordered]
