"""Emitted modules on the CPU: the fake CuPy in place of the real one, a C++ compiler behind it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import cupy_programs
import fake_cupy

from cnndsl.graph.graph import Graph
from cnndsl.runtime.load import load_source
from cnndsl.targets.cupy import TARGET


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The stand-in for the module `cupy`."""
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    return fake_cupy.module(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="session")
def on_cpu(fake: Any) -> Iterator[Callable[..., Any]]:
    """A function from a graph (specialised), or from source text, to its emitted module, running on the CPU."""

    def load(what: Graph | str, batch: int = 1, training: bool = False) -> Any:
        text = what if isinstance(what, str) else TARGET.emit(cupy_programs.program(what, batch, training))
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cupy", fake)
            return load_source(text, "test")

    yield load
    fake_cupy.RawModule.backwards = 0
