"""Running a pipeline: one pass after the other, the graph verified after each, and shown to whoever watches.

"All passes leave the graph valid; all passes may expect it valid": the runner holds that, not goodwill.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from cnndsl.errors import error
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context, Options
from cnndsl.passes.stages import Watch

Pass = Callable[[Graph, Context], Graph]
REQUIRED = ("specialise", "inference")
"""Passes that make the graph what was asked for, with its sizes and outputs: they optimise nothing and always run."""


def run_passes(graph: Graph, pipeline: Sequence[Pass], ctx: Context, watch: Watch | None = None) -> Graph:
    """The graph after the passes that `ctx.options` choose of `pipeline`. Raises E601 if one breaks it, and what
    `selected` raises; E608 where a graph that was read has another batch than the options.
    """
    from cnndsl.graph.batch import check_batch
    from cnndsl.graph.verify import verify

    steps = selected(pipeline, ctx.options)
    specialised = ctx.options.training or ctx.options.resumed > 0  # a training step is built on integer sizes
    if ctx.options.resumed:
        verify(graph, specialised=True)
        check_batch(graph, ctx.options.batch)
    for number, step in enumerate(steps, 1):
        name = step.__name__
        ctx.log.step = name
        before, graph = graph, step(graph, ctx)
        specialised = specialised or name == "specialise"
        verify(graph, specialised=specialised)
        ctx.log.graphs.append((name, before, graph))
        if watch is not None:
            watch(ctx.options.resumed + number, name, graph, [s.__name__ for s in steps[number:]])
    return graph


def selected(pipeline: Sequence[Pass], options: Options) -> list[Pass]:
    """The passes to run. Raises E606 for a name that is no pass, and for one that cannot be left out."""
    known = {step.__name__: step for step in pipeline}
    for name in [*sorted(options.without), *(options.passes or ())]:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            help = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise error("E606", f"there is no pass {name}", help=help)
    for name in REQUIRED:
        if name in options.without:
            raise error("E606", f"{name} cannot be left out: it makes the graph what was asked for, and optimises nothing")
    if options.passes is None:
        steps = list(pipeline)
    else:
        first = [] if options.resumed else [known[n] for n in REQUIRED if n in known]
        steps = [*first, *(known[n] for n in options.passes if known[n] not in first)]
    return [step for step in steps if step.__name__ not in options.without]
