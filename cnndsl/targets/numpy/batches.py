"""One module for several batches: each has its own steps and plan; weights, kernels and memory are shared.

The weights are prepared once, for all: what two programs prepare in the same way is one array. One block of memory, as large
as the largest program needs, holds the arrays of whichever batch runs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from cnndsl.errors import counted
from cnndsl.graph.text import to_text
from cnndsl.program.memory import Life, place
from cnndsl.program.program import Buffer, Kernel, Program
from cnndsl.targets.numpy.arena import arena_text, prepared_text
from cnndsl.targets.numpy.emit import Emitter
from cnndsl.targets.numpy.frame import batches
from cnndsl.targets.numpy.module import add_frame, batched_names, closing, heading, joined, notes_of, opening, steps_text
from cnndsl.targets.numpy.prepare import prepare_text
from cnndsl.targets.numpy.texts import quoted


def emit_batches(programs: Sequence[Program]) -> str:
    """The module's text. programs: of one model, for inference, each for another batch."""
    first = programs[0]
    emitter = Emitter(first)
    merged = merge(programs)
    sections: list[str] = []
    memory: list[str] = []
    prepared: list[tuple[Kernel, list[str]]] = []
    for program, part in zip(programs, merged.parts, strict=True):
        n = program.batch
        emitter.turn_to(program, part.keys)
        steps = steps_text(program, emitter, f"batch_{n}", f"batch_{n}_part")
        says = notes_of("\n".join(steps)) if program is first else ()
        sections += [heading(f"The network on {counted(n, 'image')}, layer by layer", *says), *steps]
        arrays = [emitter.home(b) for b in emitter.buffers.values() if b.space == "arena"]
        memory.append(arena_text(program, arrays, f"Arena{n}", given=True))
        prepared += [(k, emitter.kernel(k, False)) for k in part.kernels]
    names = dict.fromkeys(name for p in programs for name in (*p.state, *merged.rows))
    add_frame(emitter, "\n".join(sections), False, batches.Network)
    arena = max(p.arena_bytes for p in programs)
    sections += [
        *([heading("The weights, prepared")] if merged.rows else []),
        *prepare_text(prepared, {quoted(name): name for name in names}),
    ]
    sizes = [
        f"SCRATCH_BYTES = {emitter.scratch}  # a worker",
        f"ARENA_BYTES = {arena + first.workers * emitter.scratch}  # what the largest batch needs",
    ]
    memory = [
        f"{prepared_text(merged.rows)}\nPREPARED_BYTES = {merged.nbytes}",
        "\n".join(sizes),
        *memory,
        both_text(programs, arena),
    ]
    numbers = [p.batch for p in programs]
    state = {k: b for p in programs for k, b in p.state.items()}
    whole = replace(first, state=state)
    batch = f"BATCHES = {tuple(numbers)!r}  # images in one run"
    head = opening(whole, emitter, batch, numbers)
    return joined([*head, dispatch_text(numbers), *sections, *closing(whole, emitter, memory, programs)])


def dispatch_text(numbers: list[int]) -> str:
    """`run_program`, which calls the steps for the batch that was given."""
    lines = [
        heading("One run"),
        "",
        "",
        "def run_program(net, a):",
        '    """One run, by the steps for the batch that was given."""',
        f"    steps = {{{', '.join(f'{n}: batch_{n}' for n in numbers)}}}",
        "    steps[a.batch](net, a.arrays[a.batch])",
    ]
    return "\n".join(lines)


def both_text(programs: Sequence[Program], arena: int) -> str:
    """The class that holds the arrays of every batch in one block."""
    first = programs[0]
    at = next(i for i, name in enumerate(first.graph.inputs) if name in batched_names(first))
    each = ", ".join(f"{p.batch}: Arena{p.batch}(block, self.scratch)" for p in programs)
    lines = [
        "class Arena:",
        '    """The memory of one run on any of the batches: one block, in which the arrays of each lie."""',
        "",
        "    def __init__(self) -> None:",
        "        block = block_of(ARENA_BYTES)",
        f"        self.scratch = block[{arena} :].reshape(WORKERS, SCRATCH_BYTES)",
        f"        self.arrays = {{{each}}}",
        "",
        "    def bind(self, *given) -> None:",
        '        """Take the caller\'s arrays, and with them the batch."""',
        f"        self.batch = len(given[{at}])",
        "        arrays = self.arrays[self.batch]",
        "        arrays.state, arrays.prepared = self.state, self.prepared",
        "        arrays.bind(*given)",
        "",
        "    def release(self) -> None:",
        '        """Let go of the caller\'s arrays and of the weights."""',
        "        self.arrays[self.batch].release()",
        "        self.state = self.prepared = None",
    ]
    return "\n".join(lines)


# What is prepared ---------------------------------------------------------------------------------------------------------


@dataclass
class Part:
    """Of one program: the kernels that prepare what no earlier program has; what each of its prepared arrays is called."""

    kernels: list[Kernel] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)


@dataclass
class Merged:
    """rows: all prepared arrays by what they are called, in one block of `nbytes`."""

    parts: list[Part] = field(default_factory=list)
    rows: dict[str, Buffer] = field(default_factory=dict)
    nbytes: int = 0


def merge(programs: Sequence[Program]) -> Merged:
    """What the programs prepare, each array once. Those of a program that an earlier one has kept are not made again; what
    an earlier one needed only on the way is, since its bytes have been given to others.
    """
    merged = Merged()
    kept: dict[Hashable, str] = {}  # how an array is made → what it is called, of those that stay
    for program in programs:
        part = Part()
        stay = {b.name for k in program.run.kernels for b in k.inputs if b.space == "prepared"}
        ways = _ways(program)
        for k in program.prepare.kernels:
            for b in k.outputs:
                if ways[b.name] in kept:
                    part.keys[b.name] = kept[ways[b.name]]
        part.kernels = _needed(program, stay - {*part.keys}, {*part.keys})
        _call_and_place(program, part, stay, merged)
        kept |= {ways[name]: key for name, key in part.keys.items() if name in stay and ways[name] not in kept}
        merged.parts.append(part)
    return merged


def _ways(program: Program) -> dict[str, Hashable]:
    """For each prepared array how it is made: the op, its attributes, and how what it is made of is made."""
    ways: dict[str, Hashable] = {}

    def way(b: Buffer) -> Hashable:
        if b.space == "prepared":
            return ways[b.name], b.type
        return b.space, b.slot, b.data, b.type

    for k in program.prepare.kernels:
        attrs = to_text(k.node.attrs.inner) if k.node.op.name == "fused" else k.node.attrs
        made = (k.node.op.name, attrs, k.choice, tuple(way(b) for b in k.inputs))
        for i, b in enumerate(k.outputs):
            ways[b.name] = (made, i, b.type)
    return ways


def _needed(program: Program, wanted: set[str], given: set[str]) -> list[Kernel]:
    """The kernels that make the wanted arrays, in order. given: what is there already."""
    found: list[Kernel] = []
    wanted = set(wanted)
    for k in reversed(program.prepare.kernels):
        if any(b.name in wanted for b in k.outputs):
            found.append(k)
            wanted |= {b.name for b in k.inputs if b.space == "prepared" and b.name not in given}
    return found[::-1]


def _call_and_place(program: Program, part: Part, stay: set[str], merged: Merged) -> None:
    """Name the arrays that the kernels of `part` make, and find their places behind those that are there."""
    end = len(part.kernels)
    last = {b.name: i for i, k in enumerate(part.kernels) for b in k.inputs}
    homes: dict[str, Buffer] = {}
    lives: list[Life] = []
    for i, k in enumerate(part.kernels):
        for n, b in enumerate(k.outputs):
            key = k.node.path if n == 0 and k.node.path else b.name
            if key in merged.rows:
                key = f"{key}#{program.batch}"
            while key in merged.rows or key in homes:
                key += "_"
            part.keys[b.name] = key
            homes[key] = b
            lives.append(Life(key, b.nbytes, i, end if b.name in stay else last.get(b.name, i)))
    offsets, total = place(lives)
    merged.rows |= {key: replace(b, offset=merged.nbytes + offsets[key]) for key, b in homes.items()}
    merged.nbytes += total
