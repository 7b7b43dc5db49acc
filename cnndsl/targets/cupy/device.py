"""Is there a GPU that emitted modules can run on?"""

from __future__ import annotations

import importlib.util

from cnndsl.errors import CnnError, error

INSTALL = 'pip install "cnndsl[cuda12]" (or cuda13, as your driver has it)'


def check_device() -> None:
    """Raise E641 where CuPy or a GPU is missing: a program can be printed without, but not run."""
    if importlib.util.find_spec("cupy") is None:
        raise error("E641", "the cupy target needs CuPy to run", help=INSTALL)
    from cnndsl.targets.cupy import frame

    try:
        count = frame.devices()
    except Exception as e:  # the driver's own message: there is no class for it without a driver
        raise error("E641", f"the cupy target needs an NVIDIA GPU to run: {e}") from None
    if not count:
        raise error("E641", "the cupy target needs an NVIDIA GPU to run, and finds none")


def describe() -> str:
    """The GPU that would be used, for `cnndsl doctor`; or why there is none."""
    try:
        check_device()
    except CnnError as e:
        return f"none used: {e.diagnostics[0].message}"
    from cnndsl.targets.cupy import frame

    return frame.device_name()
