"""Running a pipeline: one pass after the other, the graph verified after each, and written out where asked.

"All passes leave the graph valid; all passes may expect it valid": the runner holds that, not goodwill.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from cnndsl.errors import error
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Context

Pass = Callable[[Graph, Context], Graph]


def run_passes(graph: Graph, pipeline: Sequence[Pass], ctx: Context, dump: Path | None = None) -> Graph:
    """The graph after all passes of `pipeline` but those in `ctx.options.without`. Raises E601 if one breaks it,
    E606 for a pass to be left out that is not there.
    """
    from cnndsl.graph.verify import verify

    known = [step.__name__ for step in pipeline]
    for name in sorted(ctx.options.without - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        help = f"did you mean {near[0]}?" if near else f"there are {', '.join(dict.fromkeys(known))}"
        raise error("E606", f"there is no pass {name} to leave out", help=help)
    specialised = ctx.options.training  # a training step is built on integer sizes
    for number, step in enumerate(pipeline, 1):
        name = step.__name__
        if name in ctx.options.without:
            continue
        ctx.log.step = name
        before, graph = graph, step(graph, ctx)
        specialised = specialised or name == "specialise"
        verify(graph, specialised=specialised)
        ctx.log.graphs.append((name, before, graph))
        if dump is not None:
            from cnndsl.graph.text import to_text

            dump.mkdir(parents=True, exist_ok=True)
            (dump / f"{number:02}_{name}.txt").write_text(to_text(graph), encoding="utf-8")
    return graph
