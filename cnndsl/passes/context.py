"""What a pass is given beside the graph: the target, the options, and the log of what it did and did not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cnndsl.graph.graph import Graph, Node
from cnndsl.graph.target import Target


@dataclass(frozen=True)
class Options:
    """batch: images in one run. sizes: symbols and inputs' symbolic sizes, bound. workers: threads a region may use.

    heads: keep the side outputs that exist for training. outputs: named values to return too. without: passes left out.
    passes: the names of those to run, in this order; None: the whole pipeline. resumed: the number of the pass after which
    the graph was written out; 0: it comes from a model. recompute: how much of the activations a training step makes again
    (`passes/recompute.py`). max_memory: bytes that a run may need; `runtime.fit` finds the recompute that fits. takes: what
    the numbers of an input are, in words, by its name; the source says it. file: what the file that the source goes into is
    called, without its ending; the source tells how it is used.
    """

    batch: int = 1
    sizes: Mapping[str, int] = field(default_factory=dict)
    workers: int = 1
    training: bool = False
    heads: bool = False
    outputs: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    passes: tuple[str, ...] | None = None
    resumed: int = 0
    recompute: float = 0.0
    max_memory: int | None = None
    takes: Mapping[str, str] = field(default_factory=dict)
    file: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `why` is empty where the pass fired."""

    step: str
    what: str
    node: str
    why: str = ""


@dataclass
class Log:
    """What fired and what was refused, in order; `graphs`: each pass with the graph before and after it."""

    entries: list[Entry] = field(default_factory=list)
    graphs: list[tuple[str, Graph, Graph]] = field(default_factory=list)
    step: str = ""

    def fired(self, what: str, node: Node) -> None:
        self.entries.append(Entry(self.step, what, node.path or f"%{node.id}"))

    def refused(self, what: str, node: Node, why: str) -> None:
        self.entries.append(Entry(self.step, what, node.path or f"%{node.id}", why))


@dataclass
class Context:
    target: Target | None = None
    options: Options = field(default_factory=Options)
    log: Log = field(default_factory=Log)
