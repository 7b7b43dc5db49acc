"""`cnndsl doctor`: what this machine offers, what will be used, and why."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cnndsl.cli.options import Json, Threads
from cnndsl.errors import counted, error, size

PACKAGES = (
    "numpy",
    "networkx",
    "lark",
    "typer",
    "rich",
    "pillow",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "torch",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
Measure = Annotated[bool, typer.Option("--measure", help="Measure what matrix products and memory reach: a few seconds.")]


def doctor(measure: Measure = False, threads: Threads = None, as_json: Json = False) -> None:
    """Print cores, BLAS, threads, GPU, folders and versions: what will be used, and why."""
    if threads is not None and not measure:
        raise error("E770", "--threads says on how many to measure", help=f"cnndsl doctor --measure --threads {threads}")
    found = examine()
    if measure:
        from cnndsl.runtime import limits
        from cnndsl.runtime.compile import checked_threads

        told = limits.measure(checked_threads(threads))
        found["limits"] = told.as_dict() if as_json else limits.words(told)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        text = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        print(f"{key:<12} {text}")


def examine() -> dict[str, Any]:
    """What was found, in the order in which it is printed."""
    from cnndsl.runtime import machine
    from cnndsl.version import __version__

    usable, there = machine.cores()
    core = machine.blas_core()
    return {
        "cnndsl": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": machine.processor(),
        "cores": f"{usable} usable of {there}",
        "blas": machine.blas()
        + (f", kernels for {core} ({machine.vectors(core)}){machine.told()}" if core else ", which core is not known"),
        "threads": threads_used(),
        "gpu": gpu(),
        "cache": cache(),
        "tuning": tuned(),
        "packages": versions(),
    }


def threads_used() -> str:
    """How many threads a compiled network uses by itself."""
    from cnndsl.runtime.compile import default_threads
    from cnndsl.targets.numpy.frame.threads import BLAS

    count = default_threads()
    if count == 1:
        return "1"
    if not BLAS.find():
        return "1: threads of our own need an OpenBLAS, whose threads can be set to one"
    return f"{count} of our own, over one thread of BLAS each"


def cache() -> str:
    """The folder for what is kept between runs, and what is in it."""
    from cnndsl.runtime.tuning import home

    folder: Path | None = home()
    if folder is None:
        return "none: this user has no home folder; set XDG_CACHE_HOME to have one"
    try:
        files = [x for x in folder.iterdir() if x.is_file()]
        total = sum(x.stat().st_size for x in files)
    except OSError:
        return f"{folder} (not there yet)"
    return f"{folder}: {counted(len(files), 'file')}, {size(total)}"


def tuned() -> str:
    """The table of measured times, or why predictions choose."""
    from cnndsl.runtime import tuning

    if tuning.is_off():
        return "off: CNNDSL_TUNING says so"
    found = tuning.read(tuning.place())
    if found.remark:
        return found.remark
    if not found.times:
        return "none: cnndsl tune NET makes a table"
    return f"{found.path}: " + ", ".join(
        f"{len(x)} problems on {threads} threads" for threads, x in sorted(found.times.items())
    )


def gpu() -> str:
    """The GPU that the cupy target would use, or why there is none."""
    if not any(name in versions() for name in ("cupy-cuda12x", "cupy-cuda13x")):
        return 'none used: CuPy is not installed (pip install "cnndsl[cuda13]" or "cnndsl[cuda12]")'
    from cnndsl.targets.cupy.device import describe

    return describe()


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
