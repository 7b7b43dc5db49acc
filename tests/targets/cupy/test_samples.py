"""Every op's samples through the emitted text, its kernels run on the CPU, against the op's meaning in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cupy_programs
import fake_cupy
import numpy as np
import nvrtc
import pytest

import cnndsl.ops
from cnndsl.graph.graph import Graph
from cnndsl.ops.random_bits import RANDOM_BITS
from cnndsl.targets.cupy import TARGET
from tests.tolerances import of

GRAPH, GIVEN, WANTED = cupy_programs.all_samples()
SOURCE = TARGET.emit(cupy_programs.program(GRAPH))
CUDA = SOURCE.split('CUDA = r"""')[1].split('"""')[0]
FALLBACKS = {
    "pad_grad", "crop", "resample", "channel_shuffle", "space_to_depth", "depth_to_space",
    "mae", "huber", "binary_cross_entropy", "total_variation",
    "winograd_filter", "winograd_conv", "group_norm", "standardize", "standardize_grad", "lrn", "window_sum",
    "to_lanes", "from_lanes", "repeat_lanes", "lane_conv", "lane_conv_input_grad", "lane_conv_weight_grad",
}  # fmt: skip
"""Ops that run through their reference here so far."""


@pytest.fixture(scope="session")
def found(on_cpu: Callable[..., Any]) -> list[dict[str, Any]]:
    """The outputs of all samples, with the threads in order and in reverse order; memory is poisoned before."""
    module = on_cpu(SOURCE)
    net = module.Network().load({})
    results = []
    for backwards in (0, 1):
        fake_cupy.RawModule.backwards = backwards
        outs = {name: fake_cupy.poisoned(shape, dtype) for name, (shape, dtype) in module.OUTPUTS.items()}
        before = {name: x.copy() for name, x in GIVEN.items()}
        net.run_batch(net.arena(), *GIVEN.values(), *outs.values())
        assert all(np.array_equal(x, before[name]) for name, x in GIVEN.items())
        results.append(outs)
    fake_cupy.RawModule.backwards = 0
    return results


@pytest.mark.parametrize("name", WANTED)
def test_sample(name: str, found: list[dict[str, Any]]) -> None:
    want = WANTED[name]
    for outs in found:
        assert outs[name].shape == want.shape
        assert np.max(np.abs(outs[name] - want)) <= of(name.rsplit("_", 2)[0]) * np.max(np.abs(want))
    assert np.array_equal(found[0][name], found[1][name])


@pytest.mark.parametrize("s", RANDOM_BITS.samples)
def test_random_bits(s: Any, on_cpu: Callable[..., Any]) -> None:
    """Every bit is that of the reference."""
    g = Graph("bits")
    operands = [g.input(name, (), str(x.dtype), batched=False) for name, x in zip(("seed", "step"), s.arrays, strict=True)]
    a = RANDOM_BITS.attrs(**s.attrs)
    g.output(g.add(RANDOM_BITS, operands, a)[0])
    words = on_cpu(g, batch=a.sizes[0]).Network().load({}).run(*s.arrays)
    assert np.array_equal(words, RANDOM_BITS.reference(np, a, *s.arrays)[0])


def test_the_same_text_twice() -> None:
    assert TARGET.emit(cupy_programs.program(cupy_programs.all_samples()[0])) == SOURCE


def test_threads_work_alone() -> None:
    """What the CPU's two orders of threads rest on: nothing is shared, nothing waits, nothing is added at random."""
    assert not re.search(r"__syncthreads|__shared__|atomic|__syncwarp|__shfl", CUDA)
    assert len(re.findall("__global__", CUDA)) > 80


def test_which_ops_run_through_their_reference() -> None:
    kernels = cupy_programs.program(GRAPH).run.kernels
    assert {k.node.op.name for k in kernels if k.choice.fallback} == FALLBACKS
    assert {op.name for op in cnndsl.ops.OPS if not op.samples} <= {"fused"}


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_nvrtc_compiles_every_kernel(architecture: str) -> None:
    """Without a GPU: machine code for two architectures, and no register spilled to memory."""
    library = nvrtc.library()
    if library is None:
        pytest.skip("the package nvidia-cuda-nvrtc is not installed")
    code, log = nvrtc.cubin(library, CUDA, architecture)
    assert len(code) > 10_000
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    assert len(spills) == len(re.findall("__global__", CUDA))
    assert set(spills) == {("0", "0")}


def test_nvrtc_says_what_is_wrong() -> None:
    library = nvrtc.library()
    if library is None:
        pytest.skip("the package nvidia-cuda-nvrtc is not installed")
    with pytest.raises(AssertionError, match="undefined"):
        nvrtc.cubin(library, CUDA.replace("float total = 0.0f;", "", 1), "sm_80")


PLANTED = {
    "a bias left out": ("y[i] = total + b[f];", "y[i] = total;"),
    "a number not written": ("gx[i] = total;", "if (i) gx[i] = total;"),
    "a part left out": ("for (int p = 0; p <", "for (int p = 1; p <"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_planted_mistakes_are_seen(what: str, on_cpu: Callable[..., Any]) -> None:
    """These tests can fail: wrong kernels give numbers beyond the tolerance, unwritten numbers are NaN."""
    right, wrong = PLANTED[what]
    assert right in CUDA
    module = on_cpu(SOURCE.replace(right, wrong))
    outs = {name: fake_cupy.poisoned(shape, dtype) for name, (shape, dtype) in module.OUTPUTS.items()}
    net = module.Network().load({})
    net.run_batch(net.arena(), *GIVEN.values(), *outs.values())
    bad = [name for name, want in WANTED.items() if not np.max(np.abs(outs[name] - want)) <= 5e-6 * np.max(np.abs(want))]
    assert 2 <= len(bad) < len(WANTED) // 2
