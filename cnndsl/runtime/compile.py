"""compile: the whole way from a model to something to call. Each stage can be looked at on its own."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnndsl.errors import briefly, error
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Log, Options
from cnndsl.passes.stages import Watch, dumper
from cnndsl.program.program import Program
from cnndsl.runtime.executable import Executable, StepExecutable

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.runtime.reference import ReferenceExecutable
    from cnndsl.runtime.sizes import OpenExecutable

LARGEST_BATCH = 65536
MOST_THREADS = 1024
LARGEST_ARENA = 1 << 40


def default_threads() -> int:
    """The processors this process may use, at most 8: beyond, the work of one region is too small to share."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    return max(1, min(count, 8))


@contextmanager
def no_collections() -> Iterator[None]:
    """Hold Python's search for cycles while graphs are built: all of it is alive, so looking is in vain.

    ResNet-50's training step compiles in 1.2 s instead of 1.9 s.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@no_collections()
def lower(graph: Graph, *, target: str, options: Options, watch: Watch | None = None) -> tuple[Program, str, Log]:
    """Graph → passes → plan → source text. The text is what runs, and what `cnndsl compile -o` writes.

    Algorithms are chosen by this machine's table of measured times where there is one (`runtime.tuning`), else by
    predictions; within a block of `tuning.using`, by the table given there.

    watch: told of the graph after each pass (`passes.stages.dumper` writes it into a folder).
    """
    with _measured(options.workers):
        return _fitted(graph, target, options, watch)


@no_collections()
def lower_batches(
    graph: Graph, *, target: str, options: Options, batches: Sequence[int]
) -> tuple[tuple[Program, ...], str, tuple[Log, ...]]:
    """As `lower`, for inference on any of several batches: a program for each, and one text for all.

    Raises E606 where the target prints no such text, or where no input of the graph has a batch.
    """
    from cnndsl.targets import target_named

    if not any(v.node.attrs.batched for v in graph.inputs.values()):
        raise error("E606", f"no input of {graph.name} has a batch, so there is one run for all")
    with _measured(options.workers):
        found = [_fitted(graph, target, replace(options, batch=checked_batch(n)), None) for n in batches]
        return (
            tuple(p for p, _, _ in found),
            target_named(target).emit_batches([p for p, _, _ in found]),
            tuple(log for _, _, log in found),
        )


@contextmanager
def _measured(workers: int) -> Iterator[None]:
    """Choose algorithms by this machine's table of measured times, where there is one and none is in use."""
    from cnndsl.runtime.tuning import mine
    from cnndsl.targets.numpy import tuning

    table = mine().table(workers) if tuning.in_use() is None else None
    if table is None:
        yield
    else:
        with tuning.using(table):
            yield


def _fitted(graph: Graph, target: str, options: Options, watch: Watch | None) -> tuple[Program, str, Log]:
    """With activations made again as far as `max_memory` takes it."""
    if options.max_memory is None:
        return _lowered(graph, target, options, watch)
    from cnndsl.runtime.fit import least

    def build(degree: float) -> tuple[Program, str, Log]:
        return _lowered(graph, target, replace(options, recompute=degree), None)

    found = least(build, lambda x: x[0], options.max_memory, options.training)
    if watch is not None:
        for number, (name, _, after) in enumerate(found[2].graphs, options.resumed + 1):
            watch(number, name, after, [n for n, _, _ in found[2].graphs[number - options.resumed :]])
    return found


def _lowered(graph: Graph, target: str, options: Options, watch: Watch | None) -> tuple[Program, str, Log]:
    from cnndsl.passes.pipelines import INFERENCE, TRAINING
    from cnndsl.passes.runner import run_passes
    from cnndsl.program.plan import plan
    from cnndsl.targets import target_named

    ctx = Context(target_named(target), options, Log())
    graph = run_passes(graph, TRAINING if options.training else INFERENCE, ctx, watch)
    assert ctx.target is not None
    program = plan(graph, ctx.target, options.batch, options.workers, options.training)
    takes = {name: options.takes[name] for name in program.inputs if name in options.takes}
    program = replace(program, takes=takes, file=options.file)
    if program.arena_bytes > LARGEST_ARENA:
        raise error("E605", f"a run would need {program.arena_bytes / 2**30:.0f} GiB of memory; take a smaller batch")
    program, source = ctx.target.emitted(program)
    return program, source, ctx.log


def compile(
    net: Model | Graph,
    weights: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    target: str = "numpy",
    batch: int = 1,
    threads: int | None = None,
    outputs: Iterable[str] = (),
    heads: bool = False,
    sizes: Mapping[str, int] | None = None,
    without: Iterable[str] = (),
    dump: Path | None = None,
) -> Executable | OpenExecutable | ReferenceExecutable:
    """Compile a model (or a graph) for inference on `batch` images at a time.

    weights: name → array, or a safetensors file; None: to be given later by `load`. outputs: named values inside the
    network to return instead of the model's own output. heads: also the side outputs that exist for training.
    without: passes to leave out. sizes: numbers for the symbols of inputs; where one is left open, what comes back compiles
    for each size on its first use. Raises `CnnError`: E203 unknown name, E501–E504 weights, E6xx what cannot be compiled.
    """
    from cnndsl.passes.specialise import checked_sizes
    from cnndsl.runtime.sizes import OpenExecutable, open_sizes

    graph: Any = net if isinstance(net, Graph) else getattr(net, "graph", None)
    if not isinstance(graph, Graph):
        raise error("E606", f"a Model or a Graph is compiled, not {briefly(net)}", help='cnndsl.load("lenet5") gives one')
    options = Options(
        batch=checked_batch(batch),
        sizes=checked_sizes(graph, {} if sizes is None else sizes),
        workers=checked_threads(threads),
        heads=heads,
        outputs=checked_names(outputs, "outputs"),
        without=frozenset(checked_names(without, "without")),
        takes={} if isinstance(net, Graph) else net.takes,
    )
    executable: Any
    if target == "reference":
        from cnndsl.runtime.reference import ReferenceExecutable

        executable = ReferenceExecutable(graph, options)
    elif open_sizes(graph, options.sizes):

        def build(found: Mapping[str, int]) -> Executable:
            return _compiled(graph, target, replace(options, sizes=found), threads, dump)

        executable = OpenExecutable(graph, options, build)
    else:
        executable = _compiled(graph, target, options, threads, dump)
    return executable if weights is None else executable.load(weights)


def _compiled(graph: Graph, target: str, options: Options, threads: int | None, dump: Path | None) -> Executable:
    check_device(target)
    watch = dumper(dump, target, options) if dump else None
    program, source, log = lower(graph, target=target, options=options, watch=watch)
    log.graphs.clear()  # a compiled model needs no graph but the last
    return Executable(program, source, log, graph.state, threads)


def compile_step_graph(
    graph: Graph,
    weights: Mapping[str, Any] | str | os.PathLike[str],
    *,
    target: str = "numpy",
    batch: int,
    threads: int | None = None,
    without: Iterable[str] = (),
    dump: Path | None = None,
    max_memory: int | str | None = None,
    takes: Mapping[str, str] | None = None,
    precision: str = "float32",
) -> Any:
    """Compile a training step (`training.step.build_step`) and give it its first weights.

    takes: what the numbers of an input are, in words, by its name (`Options.takes`). precision: of the `reference` target,
    `float32` or `float64`; the others compute in float32.
    max_memory: bytes, or `2GB`: activations are made again in the backward pass as far as that takes. Raises E605, E606.
    """
    from cnndsl.runtime.fit import parse_bytes

    options = Options(
        batch=checked_batch(batch),
        workers=checked_threads(threads),
        training=True,
        without=frozenset(checked_names(without, "without")),
        max_memory=parse_bytes(max_memory) if max_memory is not None else None,
        takes=takes or {},
    )
    if target == "reference":
        from cnndsl.runtime.reference import ReferenceStep

        return ReferenceStep(graph, None if precision == "float32" else precision).load(weights)
    check_device(target)
    program, source, log = lower(graph, target=target, options=options, watch=dumper(dump, target, options) if dump else None)
    log.graphs.clear()
    return StepExecutable(program, source, log, graph.state, threads).load(weights)


def check_device(target: str) -> None:
    """Raise E641 where the target needs a device that is not here. Printing a program needs none."""
    from cnndsl.targets import target_named

    target_named(target).check_device()


def checked_names(names: Any, what: str) -> tuple[str, ...]:
    """Names in a list; one alone is a list of one. Raises E606."""
    found = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (None,)
    if not all(isinstance(x, str) for x in found):
        raise error("E606", f"{what} is a list of names, not {briefly(names)}")
    return found


def checked_batch(batch: Any) -> int:
    if not isinstance(batch, int) or isinstance(batch, bool) or not 1 <= batch <= LARGEST_BATCH:
        raise error("E606", f"a batch is a whole number from 1 to {LARGEST_BATCH}, not {briefly(batch)}")
    return batch


def checked_threads(threads: Any) -> int:
    if threads is None:
        return default_threads()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS:
        raise error("E606", f"threads is a whole number from 1 to {MOST_THREADS}, not {briefly(threads)}")
    return threads
