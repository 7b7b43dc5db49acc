"""describe: a program as a table for people: what runs, in which order, on how many workers, and where arrays lie."""

from __future__ import annotations

from dataclasses import dataclass

from cnndsl.errors import counted, size
from cnndsl.graph.types import drawn
from cnndsl.program.program import Buffer, Kernel, Program
from cnndsl.program.work import moved, multiply_adds

COLUMNS = ("kernel", "op", "by", "result", "bytes moved", "multiply-adds", "arena")


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one run on a whole batch. bytes_moved: what the kernels read and write, each array once a kernel."""

    kernels: int
    regions: int
    fallbacks: int
    bytes_moved: int
    multiply_adds: int
    arena_bytes: int
    prepared_bytes: int
    state_bytes: int
    scratch_bytes: int


def statistics(program: Program) -> Statistics:
    kernels = program.run.kernels
    return Statistics(
        kernels=len(kernels),
        regions=len(program.run.regions),
        fallbacks=sum(k.choice.fallback for k in (*program.prepare.kernels, *kernels)),
        bytes_moved=sum(map(moved, kernels)),
        multiply_adds=sum(map(multiply_adds, kernels)),
        arena_bytes=program.arena_bytes,
        prepared_bytes=program.prepared_bytes,
        state_bytes=sum(b.nbytes for b in program.state.values()),
        scratch_bytes=program.scratch_bytes,
    )


def describe(program: Program) -> str:
    """The plan as text: a line a kernel, a heading a region, the sums at the end. The same program gives the same text."""
    s = statistics(program)
    rows: list[tuple[str, ...] | str] = [COLUMNS]
    for procedure in (program.prepare, program.run):
        for region in procedure.regions:
            workers = (
                f"{region.workers} workers, each its share of the {program.batch} images"
                if region.workers > 1
                else "one worker"
            )
            rows.append(f"{procedure.name}: {workers}")
            rows += [_row(k) for k in region.kernels]
            if region.joins:
                rows.append(f"  then {len(region.joins)} sum{'s' if len(region.joins) > 1 else ''} of the workers' parts")
    if program.copies:
        rows.append(f"then {len(program.copies)} copied: {', '.join(c.target.name for c in program.copies)}")
    widths = [max(len(r[i]) for r in rows if not isinstance(r, str)) for i in range(len(COLUMNS))]
    lines = [r if isinstance(r, str) else _line(r, widths) for r in rows]
    lines.append(
        f"{counted(s.kernels, 'kernel')} in {counted(s.regions, 'region')}"
        + (f", {s.fallbacks} by their reference" if s.fallbacks else "")
        + f"; {amount(s.multiply_adds)} multiply-adds, {size(s.bytes_moved)} moved"
    )
    memory = {"arena": s.arena_bytes, "scratch a worker": s.scratch_bytes, "prepared": s.prepared_bytes, "state": s.state_bytes}
    lines.append(", ".join(f"{what} {size(n)}" for what, n in memory.items()))
    return "\n".join(lines)


def _row(k: Kernel) -> tuple[str, ...]:
    result = " ".join(drawn(b.type.shape) for b in k.outputs)
    places = " ".join(_place(b) for b in k.outputs)
    by = k.choice.algorithm + (" (fallback)" if k.choice.fallback else "")
    return (f"  {k.name}", k.node.op.name, by, result, size(moved(k)), amount(multiply_adds(k)), places)


def _place(b: Buffer) -> str:
    if b.space != "arena":
        return f"{b.space} {b.slot}".strip()
    return f"+{b.offset}" + (" a worker" if b.local else "")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = (x.rjust(w) if i in (4, 5) else x.ljust(w) for i, (x, w) in enumerate(zip(row, widths, strict=True)))
    return "  ".join(cells).rstrip()


def amount(count: int) -> str:
    return f"{count:,}" if count < 10**6 else f"{count / 1e6:,.1f} M"
