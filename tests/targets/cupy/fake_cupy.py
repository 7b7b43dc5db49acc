"""A stand-in for `cupy` on a machine without a GPU: NumPy arrays, and CUDA C compiled for the CPU through `shim.h`.

Enough of it for emitted modules. Fresh memory is filled with 0xFF: NaN in every float type, so that a number nobody
wrote is seen.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import types
from pathlib import Path
from typing import Any

import numpy as np

SHIM = Path(__file__).with_name("shim.h")


class RawModule:
    """Compiles once; `get_function(name)(grid, block, args)` runs a kernel, thread by thread."""

    folder: Path
    backwards = 0
    count = 0

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        self.code = code
        self.library: Any = None

    def get_function(self, name: str) -> Any:
        if self.library is None:
            self.library = ctypes.CDLL(str(compiled(self.code, self.folder)))
        function = getattr(self.library, f"on_cpu_{name}")

        def call(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            for x in args:
                assert x.flags.c_contiguous or x.size <= 1, f"{name} takes pointers: arrays must be contiguous"
            pointers = (ctypes.c_void_p * len(args))(*(x.ctypes.data for x in args))
            function(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), pointers, ctypes.c_int(RawModule.backwards))

        return call


def compiled(code: str, folder: Path) -> Path:
    """The shared library of a CUDA text, with a way in for each of its kernels."""
    RawModule.count += 1
    source = folder / f"kernels{RawModule.count}.cpp"
    names = re.findall(r'extern "C" __global__ void (\w+)\(', code)
    ways_in = "\n".join(f"ON_CPU({name})" for name in names)
    source.write_text(f"{SHIM.read_text()}\n{code}\n{ways_in}\n")
    library = source.with_suffix(".so")
    command = ["g++", "-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-w", str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return library


def poisoned(shape: Any, dtype: Any = "float32") -> Any:
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 0xFF
    return array


def module(folder: Path) -> types.ModuleType:
    """What `sys.modules["cupy"]` is to be."""
    fake = types.ModuleType("cupy")
    fake.__dict__.update({name: getattr(np, name) for name in dir(np) if not name.startswith("_")})
    RawModule.folder = folder
    fake.RawModule = RawModule  # type: ignore[attr-defined]
    fake.empty = poisoned  # type: ignore[attr-defined]
    fake.asnumpy = lambda x: np.array(x)  # type: ignore[attr-defined]
    fake.asarray = lambda x, dtype=None: np.array(x, dtype, order="C")  # type: ignore[attr-defined]
    return fake
