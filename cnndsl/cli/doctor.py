"""`cnndsl doctor`: what this machine offers, what will be used, and why."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from cnndsl.cli.options import Json

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
    "cupy-cuda12x",
    "cupy-cuda13x",
)


def doctor(as_json: Json = False) -> None:
    """Print cores, BLAS, GPU and versions: what will be used, and why."""
    found = examine()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        text = "  ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        print(f"{key:<12} {text}")


def examine() -> dict[str, Any]:
    """What was found, in the order in which it is printed."""
    from cnndsl.version import __version__

    return {
        "cnndsl": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "blas": blas(),
        "gpu": gpu(),
        "packages": versions(),
    }


def cores() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{usable} usable of {os.cpu_count()}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.processor() or "unknown")


def blas() -> str:
    """NumPy's BLAS, as NumPy says."""
    import numpy

    built = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()


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
