"""What the process keeps of freed memory, in a process of its own, since it cannot be taken back."""

from __future__ import annotations

import subprocess
import sys

import pytest

TEXT = """
import resource, threading
from cnndsl.runtime.heap import keep_freed_memory
took = keep_freed_memory()
found = []
def use():
    import numpy as np
    for i in range(220):
        if i == 20: before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        x = [np.ones(200_000, np.float32) for _ in range(4)]
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
import numpy
t = threading.Thread(target=use); t.start(); t.join()
print(took, found[0])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_thread_keeps_what_it_frees() -> None:
    took, faults = subprocess.run([sys.executable, "-c", TEXT], capture_output=True, text=True, check=True).stdout.split()
    if took == "True":  # 200 rounds of 3.2 MB are 156,000 pages
        assert int(faults) < 10_000
