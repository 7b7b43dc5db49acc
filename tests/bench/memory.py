"""Peak memory of a compiled model against its plan: `python tests/bench/memory.py [MODEL:BATCH …]`.

Each model runs in a fresh process. Idle: resident after the imports and one 64×64 product. Peak: VmHWM after ten runs.
The bound: state + prepared + arena + scratch + the caller's own arrays (images, output, initial weights) + 32 MB.
"""

from __future__ import annotations

import subprocess
import sys

SLACK = 32 << 20

CHILD = """
import sys
import numpy as np
import cnndsl
from cnndsl.runtime.compile import compile
from cnndsl.language.load import load

def status(key):
    with open("/proc/self/status") as file:
        return next(int(x.split()[1]) for x in file if x.startswith(key)) * 1024

name, batch = sys.argv[1], int(sys.argv[2])
a = np.ones((64, 64), np.float32)
a @ a
idle = status("VmRSS")
net = load(name)
run = compile(net, net.initial_weights(0), batch=batch)
image = np.zeros((batch, *next(iter(net.graph.inputs.values())).shape[1:]), np.float32)
for _ in range(10):
    out = run(image)
p = run.program
state = sum(b.nbytes for b in p.state.values())
arena = int(run.module.ARENA_BYTES) + getattr(run.module, "SCRATCH_BYTES", 0) * p.workers
own = image.nbytes + out.nbytes + state
print(status("VmHWM") - idle, state + int(run.module.PREPARED_BYTES) + arena, own)
"""


def main(wanted: list[str]) -> None:
    from machine import describe

    print(describe())
    for name, batch in (x.split(":") for x in wanted):
        told = subprocess.run([sys.executable, "-c", CHILD, name, batch], capture_output=True, text=True, check=True)
        used, plan, own = map(int, told.stdout.split())
        bound = plan + own + SLACK
        print(f"{name:9} batch {batch:3}  peak − idle {used / 2**20:7.1f} MB   bound {bound / 2**20:7.1f} MB"
              f"   of it the caller's arrays {own / 2**20:6.1f} MB")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:] or ["lenet5:64", "resnet20:64", "resnet18:1", "resnet50:1", "resnet50:8"])
