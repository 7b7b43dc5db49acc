"""NVIDIA's run-time compiler by ctypes, from the wheel nvidia-cuda-nvrtc: it needs neither a driver nor a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any


def library() -> Any:
    """libnvrtc, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(root).glob("**/libnvrtc.so.1[0-9]")):
            for part in path.parent.glob("libnvrtc-builtins.so*"):
                ctypes.CDLL(str(part))  # opened by its bare name later, which works once it is there
            return ctypes.CDLL(str(path))
    return None


def cubin(nvrtc: Any, code: str, architecture: str) -> tuple[bytes, str]:
    """The machine code of a CUDA text, and the compiler's log. AssertionError with the log where it does not compile."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    options = [f"-arch={architecture}".encode(), b"--std=c++17", b"-Xptxas=-v"]
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    try:
        result = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        assert result == 0, log.value.decode()[:4000]
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        code_bytes = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, code_bytes)
        return code_bytes.raw, log.value.decode()
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
