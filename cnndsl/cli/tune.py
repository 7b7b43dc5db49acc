"""`cnndsl tune MODEL`: measure the algorithms among which the compiler chooses, and remember the fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnndsl.cli.bench import Batch, Train
from cnndsl.cli.options import InputSizes, Json, PairList, Threads
from cnndsl.errors import error

if TYPE_CHECKING:
    from cnndsl.passes.context import Options

Model = Annotated[str | None, typer.Argument(help="A file, file.cnn:name, or a bundled name.", show_default=False)]
Forget = Annotated[bool, typer.Option("--forget", help="Remove this machine's table: predictions choose again.")]


def tune(
    model: Model = None,
    arguments: PairList = None,
    batch: Batch = None,
    threads: Threads = None,
    train: Train = False,
    input: InputSizes = None,
    forget: Forget = False,
    as_json: Json = False,
) -> None:
    """Measure how this machine runs a network's convolutions best. Every later compilation here makes use of it.

    The table lies in the user's cache folder; without one, predictions choose, which need no measuring.
    """
    import json

    from cnndsl.cli.models import say
    from cnndsl.runtime import tuning

    if (model is None) == (not forget):
        raise error(
            "E770", "nothing to tune" if model is None else "--forget goes without a model", help="cnndsl tune resnet18"
        )
    if forget:
        if arguments or batch is not None or threads is not None or train or input or as_json:
            raise error("E770", "--forget removes the whole table: it goes without other options")
        path = tuning.place()
        there = path is not None and path.exists()
        if there and path is not None:
            path.unlink()
        say(f"{path} is removed" if there else "there is no table")
        return
    found = measured(str(model), arguments, batch, threads, train, input)
    if found["remark"]:
        say(found["remark"])
    print(json.dumps(found, indent=2) if as_json else text(found))


def measured(model: str, arguments: Any, batch: int | None, threads: int | None, train: bool, input: Any) -> dict[str, Any]:
    """What was found and kept, as data."""
    from cnndsl.cli.bench import asked, made
    from cnndsl.runtime import tune, tuning

    net, options = asked(model, arguments, batch, threads, train, input)
    with tune.untuned(options.workers):
        before = made(net, options)
    found = []
    for p in tune.problems(before.executable.program):
        found.append(tune.measure(p, options.batch, options.workers))
        _progress(p.kind)
    kept = tuning.write(tuning.read(tuning.place()), options.workers, tune.table_of(found))
    table = kept.table(options.workers)
    result: dict[str, Any] = {
        "model": net.name, "batch": options.batch, "threads": options.workers, "training": train,
        "table": str(kept.path) if kept.path else None, "known": len(table.times) if table else 0, "remark": kept.remark,
        "problems": [
            {"problem": m.problem.name, "kind": m.problem.kind, "kernels": m.problem.count, "predicted": m.predicted,
             "best": m.best, "seconds": dict(m.times)}
            for m in found
        ],
    }  # fmt: skip
    if table is not None:
        result["whole"] = whole(net, options, before, table)
    return result


def whole(net: Any, options: Options, before: Any, table: Any) -> dict[str, float]:
    """Medians of the whole run by predictions and by the table, in turns."""
    import statistics

    from cnndsl.cli.bench import made
    from cnndsl.runtime.turns import take_turns
    from cnndsl.targets.numpy.tuning import using

    with using(table):
        after = made(net, options)
    times = take_turns({"predicted": before.call, "tuned": after.call}, 3)
    return {name: statistics.median(t) for name, t in times.items()}


def _progress(what: str) -> None:
    """A dot a problem, for people who wait."""
    import sys

    if sys.stderr.isatty():
        print(".", end="", file=sys.stderr, flush=True)


def text(found: dict[str, Any]) -> str:
    from cnndsl.view.profile import columns

    rows = [["problem", "kernels", "predicted", "ms", "best", "ms", "gain"]]
    for p in found["problems"]:
        was, now = p["seconds"][p["predicted"]], p["seconds"][p["best"]]
        same = p["best"] == p["predicted"]
        cells = ["the same", "", ""] if same else [p["best"], f"{1e3 * now:.3f}", f"{100 * (1 - now / was):.0f} %"]
        rows.append([_short(p["problem"]), str(p["kernels"]), p["predicted"], f"{1e3 * was:.3f}", *cells])
    lines = columns(rows, (1, 3, 5, 6)) if found["problems"] else ["there is nothing to choose in this program"]
    for name, seconds in found.get("whole", {}).items():
        lines.append(f"whole run, {name:<10} {1e3 * seconds:9.3f} ms")
    if found["table"]:
        lines.append(f"{found['table']}: {found['known']} problems on {found['threads']} threads")
    return "\n".join(lines)


def _short(problem: str) -> str:
    """`conv 3x3 8x56x56x64, 3x3x64x64`: the op and the sizes, without the attributes."""
    op, _, rest = problem.partition(" ")
    return f"{op} {rest.rpartition(': ')[2].replace('float32 ', '')}"
