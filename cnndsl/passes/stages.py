"""Stages on disk: the graph between two passes as a text that says where it stands, so that compiling can go on from there.

    # cnndsl resnet18
    # after    09 choose_layout
    # rest     winograd fuse
    # for      inference, target numpy, batch 1, threads 2
    # takes    image: pictures with values in [0, 1], then resize(224x224)
    graph "resnet18" { …

The text may be edited by hand, the list of the passes that are left too; it is checked when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnndsl.errors import error, printable
from cnndsl.graph.graph import Graph
from cnndsl.passes.context import Options
from cnndsl.whole import write_whole

LARGEST = 1 << 26
"""Bytes of a stage's text that are read: ResNet-152's training step has 3 MB."""
HEAD = re.compile(r"# (after|rest|for)\b[ \t]*([^\n]*)")
TAKES = re.compile(r"# takes[ \t]+(\w+): ([^\n]*)")
PURPOSE = re.compile(r"(inference|training), target ([a-z]+), batch (\d{1,9}), threads (\d{1,4})")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a graph stands: after pass number `number`, with the passes `rest` still to run. takes: as in `Options`."""

    number: int
    after: str
    rest: tuple[str, ...]
    target: str
    batch: int
    workers: int
    training: bool
    takes: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> Options:
        """What goes on from here: all sizes are bound, the outputs are set."""
        return Options(batch=self.batch, workers=self.workers, training=self.training, passes=self.rest, resumed=self.number,
                       takes=self.takes)  # fmt: skip


Watch = Callable[[int, str, Graph, Sequence[str]], None]
"""Told after each pass: its number, its name, the graph, and the names of the passes that are left."""


def dumper(folder: Path, target: str, options: Options) -> Watch:
    """Writes `folder`/NN_PASS.txt: number and name of the pass that came last. Raises E598 where it cannot."""

    def write(number: int, name: str, graph: Graph, rest: Sequence[str]) -> None:
        stage = Stage(number, name, tuple(rest), target, options.batch, options.workers, options.training, options.takes)
        write_text(folder / f"{number:02}_{name}.txt", to_stage(graph, stage))

    return write


def write_text(path: Path, text: str) -> None:
    """The text into a file of a folder that is made where it is not there. Raises E598."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise error("E598", f"{path} cannot be written: {e.strerror or e}") from None
    write_whole(path, text)


def to_stage(graph: Graph, stage: Stage) -> str:
    from cnndsl.graph.text import to_text

    what = "training" if stage.training else "inference"
    takes = "".join(f"# takes    {name}: {printable(text)}\n" for name, text in stage.takes.items() if name.isidentifier())
    return (
        f"# cnndsl {printable(graph.name)}\n# after    {stage.number:02} {stage.after}\n# rest     {' '.join(stage.rest)}\n"
        f"# for      {what}, target {stage.target}, batch {stage.batch}, threads {stage.workers}\n{takes}{to_text(graph)}"
    )


def read_stage(text: str, name: str) -> tuple[Graph, Stage]:
    """The graph and where it stands. Raises E608 where the head is not a stage's, E103 … where the graph's text is wrong."""
    import cnndsl.ops  # noqa: F401 - fills the registry by whose names the text calls ops
    from cnndsl.graph.read import parse_graph

    head, takes = dict(HEAD.findall(text[:4096])), dict(TAKES.findall(text[:4096]))
    after = re.fullmatch(r"(\d{1,4}) (\w+)\s*", head.get("after", ""))
    purpose = PURPOSE.fullmatch(head.get("for", "").strip())
    if after is None or purpose is None or "rest" not in head:
        raise error(
            "E608",
            f"{name} is no graph that --dump wrote: its first lines do not say where it stands",
            help="they look like: # after 09 choose_layout, # rest fuse, # for inference, target numpy, batch 1, threads 2",
        )
    what, target, batch, workers = purpose.groups()
    rest = tuple(head["rest"].split())
    stage = Stage(int(after[1]), after[2], rest, target, int(batch), int(workers), what == "training", takes)
    return parse_graph(text, name), stage
