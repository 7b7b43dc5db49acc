"""Faults made mechanically in the compiler: are they caught by the tests? A campaign, not a test.

    python -m tests.differential.mutants [--count 200] [--seed 0] [--part passes] [--kind guard] [--reach FILE] [--seconds 60]

`--count` faults are drawn by `--seed`, equally many in each part of the compiler:

    passes     the passes                                    guards, axes, offsets, places shared
    program    plan, schedule, places, lifetimes, regions    guards, offsets, places shared
    kernels    NumPy kernels                                 axes, offsets, places shared
    lowering   their calls, chains and texts                 guards, axes, offsets, places shared
    gradient   reverse mode, gradient rules, optimizers      signs, factors, operands; guards

Each is judged by the tests that run its line, the cheapest first, until one fails (`trial.py`); what they run is found once
and kept in the file `--reach`, if one is given. What only predicts time is left out: no test of numbers can see it. Prints
each fault and what caught it, then what survived.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.differential.faults import Fault, faults
from tests.differential.trial import Reach, copy_of, reach_of, tried

ROOT = Path(__file__).parents[2]
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "passes": (("passes/*.py",), ("guard", "axis", "offset", "alias")),
    "program": (("program/*.py", "graph/batch.py", "graph/fixed.py"), ("guard", "offset", "alias")),
    "kernels": (("targets/numpy/kernels/*.py", "targets/numpy/arena.py"), ("axis", "offset", "alias")),
    "lowering": (
        ("targets/numpy/lower/*.py", *(f"targets/numpy/{n}.py" for n in (
            "chains", "statements", "fusion", "choices", "prepare", "emit", "module", "batches", "operands"))),
        ("guard", "axis", "offset", "alias"),
    ),
    "gradient": (("autodiff.py", "ops/*.py", "passes/training.py", "training/optimizers.py"), ("gradient", "guard")),
}  # fmt: skip
"""part → its files below cnndsl/, and the kinds of faults made there."""
SKIPPED = ("describe.py", "explain.py", "stages.py", "check.py", "work.py", "names.py", "context.py")
"""They tell, name or judge."""


def every(part: str = "", kind: str = "") -> Iterator[Fault]:
    """All faults there are."""
    for name, (patterns, kinds) in PARTS.items():
        for pattern in patterns if part in ("", name) else ():
            for path in sorted((ROOT / "cnndsl").glob(pattern)):
                if path.name in SKIPPED or (name == "passes" and path.name == "training.py"):
                    continue
                only = "vjp" if path.parent.name == "ops" else ""
                chosen = tuple(k for k in kinds if kind in ("", k))
                yield from faults(name, str(path.relative_to(ROOT)), path.read_bytes(), chosen, only)


def drawn(count: int, seed: int, part: str = "", kind: str = "") -> list[Fault]:
    """Equally many of each part, in its order."""
    by_part: dict[str, list[Fault]] = defaultdict(list)
    for fault in every(part, kind):
        by_part[fault.part].append(fault)
    found: list[Fault] = []
    for n, some in enumerate(by_part.values()):
        share = count // len(by_part) + (n < count % len(by_part))
        chosen = random.Random(f"{seed} {some[0].part}").sample(range(len(some)), min(share, len(some)))
        found += (some[i] for i in sorted(chosen))
    return found


def places_of(fault: Fault) -> tuple[list[str], list[str]]:
    """Lines and functions, as a Follower names them: for kernels also the copies in emitted modules."""
    lines = [f"{fault.path}:{fault.line + k}" for k in range(fault.was.count("\n") + 1)]
    functions = [f"{fault.path}:{name}" for name in fault.where]
    if fault.part == "kernels":
        lines += [f"emitted:{fault.where[-1]}"]
        functions += [f"emitted:{name}" for name in fault.where]
    return lines, functions


def near_of(fault: Fault) -> str:
    """Where the tests of the fault's own folder stand: `tests/program/` for what is in cnndsl/program/."""
    parts = [p for p in Path(fault.path).parent.parts[1:] if p not in ("kernels", "lower")]
    return "/".join(["tests", *parts, ""])


def _map(work: Path, path: Path) -> None:
    """In a child: what the tests of the copy reach, written to `path`."""
    os.chdir(work)
    reach, failed = reach_of(work)
    reach.write(path)
    path.with_suffix(".failed").write_text(json.dumps(failed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=list(PARTS), default="")
    parser.add_argument("--kind", default="")
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of those to try; none: all")
    parser.add_argument("--against", nargs="*", help="tests that judge, in place of those that run the line")
    parser.add_argument("--reach", type=Path, help="the file of what the tests run: made where it is not there")
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, for one trial")
    given = parser.parse_args()
    chosen = drawn(given.count, given.seed, given.part, given.kind)
    print(f"{len(chosen)} of {sum(1 for _ in every(given.part, given.kind))} faults, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "copy"
        copy_of(ROOT, work)
        _forget(work)
        if given.against:
            _judged(chosen, given.only, work, Reach(), given.seconds, tuple(given.against))
            return
        path = given.reach or Path(folder) / "reach.json"
        if not path.exists():
            process = multiprocessing.get_context("fork").Process(target=_map, args=(work, path.resolve()))
            process.start()
            process.join()
            print(f"tests that fail without a fault: {json.loads(path.with_suffix('.failed').read_text())}", flush=True)
        reach = Reach.read(path)
        print(f"{len(reach.ran)} tests, {sum(reach.seconds.values()):.0f} s", flush=True)
        _control(work, reach)
        _judged(chosen, given.only, work, reach, given.seconds)


def _forget(work: Path) -> None:
    """Nothing of cnndsl or of the tests may be loaded here: children load it from the copy."""
    for name in [n for n in sys.modules if n.partition(".")[0] in ("cnndsl", "tests")]:
        if name not in ("tests.differential.trial", "tests.differential.faults"):
            del sys.modules[name]
    sys.path[:] = [str(work), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    os.environ["PYTHONPATH"] = str(work)  # of processes that tests start


def _control(work: Path, reach: Reach) -> None:
    """A trial without a fault must pass, or what is caught means nothing. Raises RuntimeError."""
    tests = [t for t in reach.ran if not t.startswith("graph ")]
    cheap = sorted(tests, key=reach.seconds.__getitem__)[: 2 * len(tests) // 3]
    order = random.Random(1).sample(cheap, min(200, len(cheap))) + [
        f"graph {n}" for n in range(20) if f"graph {n}" in reach.ran
    ]
    how, by = tried(order, work, lambda t: reach.seconds.get(t, 1.0), 3600)
    if how != "survived":
        raise RuntimeError(f"without a fault: {how}, {by}")
    print(f"without a fault {by}", flush=True)


def _judged(
    chosen: list[Fault], only: list[int] | None, work: Path, reach: Reach, most: float, against: tuple[str, ...] = ()
) -> None:
    total, caught, left = Counter[str](), Counter[str](), []
    for n, fault in enumerate(chosen, 1):
        if only and n not in only:
            continue
        target = work / fault.path
        before = target.read_bytes()
        for compiled in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
            compiled.unlink()
        target.write_bytes(fault.applied(before))
        began = time.monotonic()
        try:
            order = against or reach.order(*places_of(fault), near_of(fault))
            how, by = tried(order, work, lambda t: reach.seconds.get(t, 1.0), most)
        finally:
            target.write_bytes(before)
        total[fault.part] += 1
        caught[fault.part] += how == "caught"
        if how != "caught":
            left.append((n, fault, how, by))
        print(
            f"{n:3} {fault}\n      {how.upper() if how != 'caught' else how}: {by} ({time.monotonic() - began:.1f} s)",
            flush=True,
        )
    for n, fault, how, by in left:
        print(f"{how} {n:3} {fault}  ({by})")
    for part in total:
        print(f"{part:<9} {caught[part]} of {total[part]} caught")
    print(f"all       {caught.total()} of {total.total()} caught")


if __name__ == "__main__":
    main()
