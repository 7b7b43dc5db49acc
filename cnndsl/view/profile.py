"""A profile as a table for people and as data for programs, and held against an earlier one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnndsl.errors import CnnError, error, printable, size
from cnndsl.regular import read_bounded
from cnndsl.runtime.limits import words
from cnndsl.runtime.machine import blas, blas_core, processor, vectors
from cnndsl.runtime.profile import KernelTime, Profile
from cnndsl.version import __version__

FORMAT = "cnndsl bench 1"
LARGEST = 32 << 20  # bytes of an earlier measurement
LEAST, MOST = 1e-12, 1e9  # of a time in seconds, and of a rate in GFLOP/s, in an earlier measurement; or 0
LONGEST_TEXT = 1000
WIDEST = 52  # characters of a kernel's name
REST = {
    "waiting": "waking workers and waiting for the slower one",
    "sums": "adding up the workers' parts",
    "copies": "copying",
    "call": "the call around it",
}


@dataclass(frozen=True)
class Bench:
    """What `cnndsl bench` found. seconds: what came before the runs, by name; peers: name → (version, seconds, difference)."""

    profile: Profile
    seconds: Mapping[str, float]
    ours: float = 0.0  # in turns with the peers; 0 without any
    peers: Mapping[str, tuple[str, float, float]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data; times in seconds, rates in GFLOP/s and GB/s, shares from 0 to 1."""
        p = self.profile
        program = p.program
        return {
            "format": FORMAT,
            "cnndsl": __version__,
            "model": program.name,
            "batch": program.batch,
            "training": program.training,
            "threads": program.workers,
            "processor": processor(),
            "blas": f"{blas()} {blas_core()}".strip(),
            "limits": p.limits.as_dict(),
            "runs": p.runs,
            "total": p.total,
            "fastest": p.fastest,
            "with_marks": p.marked,
            "kernel_seconds": p.kernel_seconds,
            "rest": p.rest,
            "seconds": dict(self.seconds),
            "memory": memory(p),
            "kernels": [_kernel(k) for k in p.kernels],
            "kinds": [_group(name, mine) for name, mine in kinds(p)],
            "beside": {"cnndsl": self.ours, **{n: s for n, (_, s, _) in self.peers.items()}} if self.peers else {},
            "differences": {n: gap if math.isfinite(gap) else None for n, (_, _, gap) in self.peers.items()},
            "versions": {n: v for n, (v, _, _) in self.peers.items()},
            "absent": dict(self.absent),
        }


def memory(p: Profile) -> dict[str, int]:
    """Bytes, as planned."""
    a = p.program
    state = sum(b.nbytes for b in a.state.values())
    return {"arena": a.arena_bytes, "scratch": a.scratch_bytes * a.workers, "prepared": a.prepared_bytes, "state": state}


def kinds(p: Profile) -> list[tuple[str, list[KernelTime]]]:
    """Kernels by kind, the one that takes longest first."""
    found: dict[str, list[KernelTime]] = {}
    for k in p.kernels:
        found.setdefault(k.kind, []).append(k)
    return sorted(found.items(), key=lambda x: -sum(k.seconds for k in x[1]))


def _kernel(k: KernelTime) -> dict[str, Any]:
    return {
        "name": k.name, "path": k.path, "kind": k.kind, "algorithm": k.algorithm, "seconds": k.seconds,
        "workers": list(k.workers), "cut": k.cut, "multiply_adds": k.multiply_adds, "operations": k.operations,
        "bytes": k.bytes, "gflops": k.gflops, "gbs": k.bandwidth, "limit": k.share, "bound": k.bound,
    }  # fmt: skip


def _group(name: str, mine: Sequence[KernelTime]) -> dict[str, Any]:
    seconds = sum(k.seconds for k in mine)
    rate = 1e-9 / seconds if seconds else 0.0
    return {
        "kind": name, "kernels": len(mine), "seconds": seconds, "gflops": rate * sum(k.operations for k in mine),
        "gbs": rate * sum(k.bytes for k in mine), "limit": sum(k.least for k in mine) / seconds if seconds else 0.0,
    }  # fmt: skip


# Text ----------------------------------------------------------------------------------------------------------------


def table(b: Bench, top: int | None = None, before: Mapping[str, Any] | None = None) -> str:
    """Kernels in the order in which they run (or the `top` slowest), then by kind, the whole, and what stands beside it."""
    p = b.profile
    shown = list(p.kernels) if top is None else sorted(p.kernels, key=lambda k: -k.seconds)[:top]
    then = {k["name"]: float(k["seconds"]) for k in before["kernels"]} if before else {}
    heads = ["kernel", "kind", "by", "ms", "of all", "GFLOP/s", "GB/s", "of limit", "workers, ms"] + ["ratio"] * bool(before)
    rows = [heads]
    for k in shown:
        cells = [_cut(printable(k.path or k.name)), k.kind, k.algorithm, *_figures(_kernel(k), p.accounted), _workers(k)]
        rows.append(cells + ([ratio(k.seconds, then.get(k.name))] if before else []))
    lines = [head(p), "", *columns(rows, (3, 4, 5, 6, 9))]
    rows = [["kind", "kernels", "ms", "of all", "GFLOP/s", "GB/s", "of limit"]]
    for name, mine in kinds(p):
        found = _group(name, mine)
        rows.append([name, str(len(mine)), *_figures(found, p.accounted)])
    return "\n".join([*lines, "", *columns(rows, (1, 2, 3, 4, 5)), "", *totals(b), *against(b, before), *others(b)])


def _figures(x: Mapping[str, Any], total: float) -> list[str]:
    """Time, share of the whole, both rates, share of the limit."""
    of_limit = f"{100 * x['limit']:.0f} % {x.get('bound', '')}".rstrip()
    flops = f"{x['gflops']:.1f}" if x["gflops"] else ""
    return [f"{1e3 * x['seconds']:.3f}", f"{100 * x['seconds'] / total:.1f} %", flops, f"{x['gbs']:.1f}", of_limit]


def head(p: Profile) -> str:
    a = p.program
    what = "training step" if a.training else "inference"
    core, m = blas_core(), p.limits
    threads = f"{m.threads} thread{'s' * (m.threads != 1)}"
    return (
        f"{printable(a.name)}, {what} on {a.batch} image{'s' * (a.batch != 1)}, {threads}; "
        f"{processor()}, {blas()}{f' for {core}' if core else ''} ({vectors(core)})\n"
        f"limits, measured now: {words(m)}"
    )


def totals(b: Bench) -> list[str]:
    p = b.profile
    least = sum(k.least for k in p.kernels)
    work = sum(k.operations for k in p.kernels)
    rate = work / p.total / 1e9
    lines = [
        f"whole run     {_ms(p.total)}  median of {p.runs}, the fastest {1e3 * p.fastest:.3f}; {rate:.1f} GFLOP/s",
        f"kernels       {_ms(p.kernel_seconds)}  {100 * least / max(p.kernel_seconds, 1e-12):.0f} % of this machine's limits",
    ]
    lines += [f"{name:<13} {_ms(p.rest[name])}  {says}" for name, says in REST.items() if p.rest.get(name, 0) > 5e-7]
    noise = "; less than two runs differ by" if p.marked <= p.total else ""
    lines.append(f"the marks     {_ms(p.marked - p.total)}  what timing each kernel cost, not in the whole run{noise}")
    lines.append("before it     " + ", ".join(f"{name} {s:.3f} s" for name, s in b.seconds.items()))
    lines.append("memory        " + ", ".join(f"{name} {size(n)}" for name, n in memory(p).items()))
    return lines


def others(b: Bench) -> list[str]:
    """The peers, and why some are missing."""
    lines = []
    if b.peers:
        lines += ["", "in turns, on the same weights and threads"]
        rows = [["cnndsl", __version__, f"{1e3 * b.ours:.3f} ms", "", ""]]
        for name, (version, seconds, gap) in b.peers.items():
            near = f"results differ by {gap:.1e}" if math.isfinite(gap) else "results are not finite"
            rows.append([name, version, f"{1e3 * seconds:.3f} ms", f"cnndsl takes {b.ours / seconds:.2f} times as long", near])
        lines += columns(rows, (2,))
    lines += [f"{name} is not compared: {printable(why)}" for name, why in b.absent.items()]
    return lines


def against(b: Bench, before: Mapping[str, Any] | None) -> list[str]:
    """The whole, and kernels that are new or gone."""
    if before is None:
        return []
    now, then = {k.name for k in b.profile.kernels}, {k["name"] for k in before["kernels"]}
    lines = [f"ratio         now / then: whole run {ratio(b.profile.total, before['total'])}"]
    if before.get("processor") != processor() or before.get("threads") != b.profile.program.workers:
        was = f"{printable(str(before.get('processor')))}, {before.get('threads')} threads"
        lines.append(f"              it ran elsewhere: {was}; ratios of limits and times mean little")
    else:
        lines[0] += f", products {ratio(b.profile.limits.product, before['limits']['product'])}"
    if now != then:
        lines.append(f"              {len(now - then)} kernels are new, {len(then - now)} are gone")
    return lines


def ratio(now: float, then: float | None) -> str:
    return "new" if then is None else f"{now / then:.2f}" if then else "?"


def _workers(k: KernelTime) -> str:
    if not k.workers:
        return "one"
    each = [f"{1e3 * s:.2f}" for s in k.workers]
    return " ".join(each if len(each) <= 4 else [str(len(each)), f"{min(k.workers) * 1e3:.2f}…{max(k.workers) * 1e3:.2f}"])


def _cut(name: str) -> str:
    return name if len(name) <= WIDEST else f"{name[:30]}…{name[-(WIDEST - 31) :]}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:9.3f} ms"


def columns(rows: Sequence[Sequence[str]], right: Iterable[int]) -> list[str]:
    """Columns side by side, those of numbers flush right."""
    widths, flush = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))], set(right)
    return [
        "  ".join(c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


# An earlier one ------------------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    """What `--save` or `--json` wrote, or a stranger. Raises E772 where it is no such file, or says what none can say."""
    try:
        found = json.loads(read_bounded(path, LARGEST).decode("utf-8"))
    except OSError as e:
        raise _no(path, e.strerror or str(e)) from None
    except (ValueError, RecursionError):
        raise _no(path, "it is no JSON") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise _no(path, "it was not written by cnndsl bench --save")
    kernels, limits = found.get("kernels"), found.get("limits")
    whole = isinstance(kernels, list) and all(isinstance(k, dict) and isinstance(k.get("name"), str) for k in kernels)
    if not whole or not isinstance(limits, dict) or not _heads(found):
        raise _no(path, "parts of it are missing")
    for number in (found.get("total"), limits.get("product"), *(k.get("seconds") for k in kernels or ())):
        if type(number) not in (int, float) or not (number == 0 or LEAST <= number <= MOST):
            raise _no(path, "a time in it is no number that there can be")
    return found


def _heads(found: Mapping[str, Any]) -> bool:
    """Whether what a measurement says of itself is there: what was measured, how, and where."""
    texts, counts = (found.get("model"), found.get("processor")), (found.get("batch"), found.get("threads"))
    return (
        all(isinstance(x, str) and len(x) <= LONGEST_TEXT for x in texts)
        and all(type(n) is int and 1 <= n < 2**31 for n in counts)
        and type(found.get("training")) is bool
    )


def fits(path: Path, before: Mapping[str, Any], p: Profile) -> None:
    """Raise E772 where it measured something else."""
    a = p.program
    mine = {"model": a.name, "batch": a.batch, "training": a.training}
    for key, value in mine.items():
        if before.get(key) != value:
            said = printable(str(before.get(key)))
            raise _no(path, f"its {key} is {said}, this one's {value}")


def _no(path: Path, why: str) -> CnnError:
    return error("E772", f"{path} is nothing to compare with: {why}", help="cnndsl bench NET --save F writes such a file")
