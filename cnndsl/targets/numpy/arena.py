"""The text of the memory of an emitted module: a line for each array, with its place in the one block."""

from __future__ import annotations

from cnndsl.errors import counted
from cnndsl.graph.types import ITEM_BYTES
from cnndsl.program.program import Buffer, Program, images_a_row
from cnndsl.targets.numpy.chains import SHORT
from cnndsl.targets.numpy.texts import quoted, wrapped

APART = (
    "    What one worker makes and no other reads, each has for itself, along the first axis. The numbers behind",
    "    the first byte are strides in bytes.",
)


def arena_text(program: Program, mine: list[Buffer], name: str = "Arena", given: bool = False) -> str:
    """The class with an attribute for every array of a run. given: it is made on memory that it is given."""
    if given:
        lines = [
            f"class {name}:",
            f'    """The arrays of a run on {counted(program.batch, "image")}."""',
            "",
            f"    slices = {tuple(slices(program))!r}  # the images of each worker",
            "",
            "    def __init__(self, block, scratch) -> None:",
            "        self.scratch = scratch",
        ]
    else:
        lines = [
            f"class {name}:",
            '    """Every array of one run, in one block of memory: those that are needed at different times share bytes.',
            "",
            "    scratch: what a kernel needs while it runs, a row for each worker.",
            *APART[: 2 * any(b.local for b in mine)],
            '    """',
            "",
            f"    slices = {tuple(slices(program))!r}  # the images of each worker",
            "",
            "    def __init__(self) -> None:",
            "        block = block_of(ARENA_BYTES)",
            f"        self.scratch = block[{program.arena_bytes} :].reshape(WORKERS, SCRATCH_BYTES)",
        ]
    ordered = sorted(mine, key=lambda b: (b.offset, b.name))
    for b in ordered:
        lines += wrapped(f"        self.{b.name} = {view_text(b, program)}")
    return "\n".join([*lines, *_bound(program)])


def _bound(program: Program) -> list[str]:
    """The methods that take the caller's arrays and let them go."""
    inputs = [(k, program.inputs[k]) for k in program.graph.inputs]
    outputs = [(k, program.outputs[k]) for k in program.graph.outputs]
    names = [b.name for _, b in inputs] + [b.name for _, b in outputs]
    lines = [
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
    return [part for line in lines for part in wrapped(line)]


def slices(program: Program) -> list[tuple[int, int]]:
    """Shares of the batch that differ by one image at most; none is empty where there are as many images as workers."""
    batch, workers = program.batch, min(program.workers, program.batch)
    return [(w * batch // workers, (w + 1) * batch // workers) for w in range(workers)]


def view_text(b: Buffer, program: Program) -> str:
    """`np.ndarray((64, 28, 28, 6), "f4", block, 0)`."""
    shape, size = b.type.sizes, ITEM_BYTES[b.type.dtype]
    strides: tuple[int, ...] | None = tuple(s * size for s in b.strides) if b.strides is not None else None
    if b.partial:
        shape = (b.partial, *shape)
    if b.local:
        workers = min(program.workers, program.batch)
        share = -(-program.batch // workers) // images_a_row(b, program.batch)
        shape = (workers, share, *shape[1:])
        strides = (b.local, *(strides or contiguous(shape[1:], size)))
    tail = f", {strides!r}" if strides is not None else ""
    return f'np.ndarray({shape!r}, "{SHORT[b.type.dtype]}", block, {b.offset}{tail})'


def contiguous(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    found, step = [], size
    for n in reversed(shape):
        found.append(step)
        step *= n
    return tuple(reversed(found))


def prepared_text(rows: dict[str, Buffer]) -> str:
    """The table of the prepared arrays. rows: by the names by which they are called."""
    if not rows:
        return "PREPARED = {}"
    lines = [
        f'    {quoted(name)}: ({b.offset}, {b.type.sizes!r}, "{SHORT[b.type.dtype]}"),'
        for name, b in sorted(rows.items(), key=lambda row: (row[1].offset, row[0]))
    ]
    return "\n".join(["# Of each array its first byte, shape and type.", "PREPARED = {", *lines, "}"])
