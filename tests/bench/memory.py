"""Peak memory of a compiled model against its plan, and beside PyTorch: `python tests/bench/memory.py [ROW …] [--json FILE]`.

Rows are those of `rows.py`. Each program runs in a fresh process. Idle: resident after its imports and one 64×64 product.
Peak: VmHWM after ten runs. The bound: state + prepared + arena + scratch + the caller's own arrays (images, output, initial
weights) + 32 MB. PyTorch is measured in both layouts, from the same arrays; the smaller is told.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

SLACK = 32 << 20
RUNS = 10
LAYOUTS = ("NCHW", "channels_last")


def status(key: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(key)) * 1024


def ours(name: str, threads: int) -> dict[str, int]:
    """In a process of its own."""
    import numpy as np
    from rows import ROWS, Work

    a = np.ones((64, 64), np.float32)
    a @ a
    idle = status("VmRSS")
    work = Work(ROWS[name], threads)
    run = work.ours()
    own = sum(x.nbytes for x in work.weights.values()) + work.images.nbytes
    for _ in range(RUNS):
        out = run(work.images, work.labels) if work.row.training else run(work.images)
    own += 0 if work.row.training else out.nbytes
    found = run.executable if work.row.training else run
    p = found.program
    arena = int(found.module.ARENA_BYTES) + getattr(found.module, "SCRATCH_BYTES", 0) * p.workers
    plan = sum(b.nbytes for b in p.state.values()) + int(found.module.PREPARED_BYTES) + arena
    return {"used": status("VmHWM") - idle, "bound": plan + own + SLACK, "own": own}


def theirs(name: str, threads: int, layout: str) -> dict[str, int]:
    """In a process of its own."""
    import torch
    from rows import ROWS, Work

    torch.set_num_threads(threads)
    a = torch.ones((64, 64))
    a @ a
    idle = status("VmRSS")
    work = Work(ROWS[name], threads)
    net = work.theirs(layout == "channels_last")
    tensors = net.given(work.images)
    labels = torch.from_numpy(work.labels).long()
    for _ in range(RUNS):
        if work.row.training:
            net.step(tensors, labels)
        else:
            net.infer(tensors)
    return {"used": status("VmHWM") - idle}


def child(program: str, name: str, threads: int) -> dict[str, int]:
    words = [sys.executable, __file__, "--child", program, name, "--threads", str(threads)]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(told.stdout)
    return found


def main() -> None:
    from rows import ROWS

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", default=list(ROWS), help=", ".join(ROWS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write what was measured into this file")
    given = parser.parse_args()
    if given.child:
        (name,) = given.rows
        found = ours(name, given.threads) if given.child == "cnndsl" else theirs(name, given.threads, given.child)
        print(json.dumps(found))
        return
    from machine import describe

    machine = describe()
    print(machine, flush=True)
    rows = []
    for name in given.rows:
        x = child("cnndsl", name, given.threads)
        row = {"row": name, **x, "within": x["used"] <= x["bound"]}
        text = f"{ROWS[name]!s:<40} peak − idle {_mb(x['used'])}   bound {_mb(x['bound'])}   of it the caller's {_mb(x['own'])}"
        if importlib.util.find_spec("torch") is not None:
            row |= {layout: child(layout, name, given.threads)["used"] for layout in LAYOUTS}
            less = min(int(row[layout]) for layout in LAYOUTS)
            row["met"] = row["within"] and x["used"] <= less
            text += f"   PyTorch {_mb(less)}, ours is {x['used'] / less:.2f} of it"
        rows.append(row)
        print(text, flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


def _mb(count: int) -> str:
    return f"{count / 2**20:7.1f} MB"


if __name__ == "__main__":
    main()
