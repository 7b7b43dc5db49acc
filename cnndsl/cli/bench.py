"""`cnndsl bench MODEL`: where the time goes, kernel by kernel, and how that stands to this machine's limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.options import InputSizes, Json, ModelName, PairList, Threads
from cnndsl.errors import error

if TYPE_CHECKING:
    from cnndsl.language.model import Model
    from cnndsl.passes.context import Options

Batch = Annotated[int | None, typer.Option("--batch", "-b", min=1, help="Images a call works on; else 1, or the recipe's.")]
Train = Annotated[bool, typer.Option("--train", help="The training step instead of inference.")]
Runs = Annotated[
    int | None, typer.Option("--runs", min=1, help="At least so many counted runs; else 7, more where they are short.")
]
Top = Annotated[int | None, typer.Option("--top", min=1, help="Show the slowest kernels only, so many.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw the roofline into this file: .png, .svg, .pdf.")]
Save = Annotated[Path | None, typer.Option("--save", help="Keep what was measured in this file, for --against.")]
Against = Annotated[Path | None, typer.Option("--against", help="Compare with what --save or --json wrote before.")]
Alone = Annotated[bool, typer.Option("--alone", help="Leave out PyTorch and ONNX Runtime, installed or not.")]


def bench(
    model: ModelName,
    arguments: PairList = None,
    batch: Batch = None,
    threads: Threads = None,
    train: Train = False,
    runs: Runs = None,
    input: InputSizes = None,
    top: Top = None,
    plot: Plot = None,
    save: Save = None,
    against: Against = None,
    alone: Alone = False,
    as_json: Json = False,
) -> None:
    """Time a compiled network kernel by kernel, against this machine's limits and, where installed, other programs.

    It runs on initial weights and random images; no time depends on them.
    """
    import json

    from cnndsl.cli.compile import tuning_remark
    from cnndsl.cli.models import say
    from cnndsl.view import profile as view
    from cnndsl.whole import write_whole

    if as_json and top is not None:
        raise error("E770", "--json tells of every kernel: it goes without --top")
    if plot is not None:
        from cnndsl.view import roofline

        roofline.check(plot)
    before = view.read(against) if against is not None else None
    net, options = asked(model, arguments, batch, threads, train, input)
    tuning_remark()
    found = measured(made(net, options), runs, alone)
    if against is not None and before is not None:
        view.fits(against, before, found.profile)
    text = json.dumps(found.as_dict(), indent=2)
    if save is not None:
        write_whole(save, text + "\n")
    if plot is not None:
        roofline.draw(found.profile, plot)
        say(f"drawn into {plot}")
    print(text if as_json else view.table(found, top, before))


def asked(model: str, arguments: Any, batch: int | None, threads: int | None, train: bool, input: Any) -> tuple[Model, Options]:
    """The model, and how it is to be compiled. Raises E770 without a recipe to train by, E604 where a size is open."""
    from cnndsl.cli.arguments import pairs
    from cnndsl.cli.models import load_model
    from cnndsl.cli.sizes import asking, bound_sizes
    from cnndsl.passes.context import Options
    from cnndsl.runtime.compile import checked_batch, checked_threads
    from cnndsl.runtime.sizes import open_sizes
    from cnndsl.training.recipes import check_whole

    net = load_model(model, pairs(arguments or ()).only())
    if train and net.train is None:
        raise error("E770", f"{net.name} has no recipe, so there is no training step to time", help="add train { … }")
    if train and net.train is not None:
        check_whole(net.train, step=True)
    own = net.train.batch // net.train.accumulate if train and net.train is not None else 1  # what runs at a time
    size = checked_batch(batch or own)
    sizes = bound_sizes(net.graph, input or ())
    missing = sorted(open_sizes(net.graph, sizes))
    if missing:
        message = f"{net.name} leaves {', '.join(missing)} open: there is no time without a size"
        raise error("E604", message, help=f"give one: {asking(net.graph)}")
    return net, Options(batch=size, sizes=sizes, workers=checked_threads(threads), training=train)


@dataclass(frozen=True)
class Made:
    """A network ready to be timed: what was compiled, a call of it, and all that the others need to do the same."""

    net: Model
    options: Options
    executable: Any
    call: Callable[[], Any]
    weights: dict[str, Any]
    images: list[Any]
    labels: Any
    optimizer: Any
    seconds: dict[str, float]


def made(net: Model, options: Options) -> Made:
    """Compile for initial weights, and draw images (and labels) by a fixed seed."""
    import numpy as np

    from cnndsl.runtime.compile import compile
    from cnndsl.training.step import compile_step

    weights, rng = net.initial_weights(seed=0), np.random.default_rng(0)
    began = time.perf_counter()
    if options.training:
        assert net.train is not None
        # A small rate: the same picture again and again at the recipe's might end in numbers that are not finite.
        optimizer = replace(net.train.optimizer, rate=min(float(net.train.optimizer.rate), 1e-3))
        one = replace(net.train, optimizer=optimizer, accumulate=1)
        step = compile_step(net, weights, recipe=one, batch=options.batch, threads=options.workers)
        found, given = step.executable, drawn(step.graph.inputs, rng, step.classes)
        labels = given.get("label")
        images = [given[name] for name in net.graph.inputs]
        call: Callable[[], Any] = lambda: step(given)  # noqa: E731
        seconds = {"compiling": time.perf_counter() - began}
    else:
        run = compile(net, batch=options.batch, sizes=options.sizes, threads=options.workers)
        compiled = time.perf_counter()
        found, labels, optimizer = run.load(weights), None, None
        seconds = {"compiling": compiled - began, "preparing weights": time.perf_counter() - compiled}
        images = list(drawn(run.graph.inputs, rng, 0).values())
        outs = [np.empty(v.type.sizes, v.type.dtype) for v in run.graph.outputs.values()]
        out = outs[0] if len(outs) == 1 else tuple(outs)
        call = lambda: run(*images, out=out)  # noqa: E731
    return Made(net, options, found, call, weights, images, labels, optimizer, seconds)


def drawn(inputs: Any, rng: Any, classes: int) -> dict[str, Any]:
    """name → array for every input but rate and seed: numbers around 0, labels below `classes`."""
    found: dict[str, Any] = {}
    for name, value in inputs.items():
        if name in ("rate", "seed"):
            continue
        if value.type.is_float:
            found[name] = rng.standard_normal(value.type.sizes).astype(value.type.dtype)
        else:
            found[name] = rng.integers(0, max(classes, 1), value.type.sizes).astype(value.type.dtype)
    return found


def measured(made: Made, runs: int | None, alone: bool) -> Any:
    """Ours first, in a process where no other library has threads yet; then in turns with the others."""
    import statistics

    import numpy as np

    from cnndsl.peers.beside import Task, beside
    from cnndsl.runtime import limits
    from cnndsl.runtime.profile import profile
    from cnndsl.runtime.turns import BURST, SPIN, take_turns
    from cnndsl.view.profile import Bench

    first = made.call()
    results = [np.array(x) for x in (first if isinstance(first, tuple) else (first,))]
    found = profile(made.executable, made.call, limits.measure(made.options.workers), runs)
    if alone:
        return Bench(found, made.seconds)
    loss = made.net.train.loss if made.net.train is not None else None
    others = beside(Task(made.net.graph, made.weights, made.options, made.images, results, made.labels, loss, made.optimizer))
    if not others.peers:
        return Bench(found, made.seconds, absent=others.absent)
    wanted = runs or max(7, min(50, int(1.5 / found.total)))
    sides = {"cnndsl": made.call, **{p.name: p.run for p in others.peers}}
    times = take_turns(sides, -(-wanted // BURST), min(BURST, runs or BURST), settle=SPIN)
    middle = {name: statistics.median(t) for name, t in times.items()}
    peers = {p.name: (p.version, middle[p.name], p.difference) for p in others.peers}
    return Bench(found, made.seconds, middle["cnndsl"], peers, others.absent)
