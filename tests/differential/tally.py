"""What judged cases held: words and attributes drawn, ops that ran, algorithms, and how often each pass did something."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, fields
from typing import Any

from cnndsl.graph.graph import SOURCES
from cnndsl.graph.op import REGISTRY
from tests.differential.case import Case

NO_MEANING = ("init",)
"""Attributes that say only how weights begin."""


@dataclass
class Tally:
    """Counts of cases, but `rewrites`, which counts each time a pass did something. unfit: those that measure nothing."""

    cases: int = 0
    training: int = 0
    unfit: int = 0
    words: Counter[str] = field(default_factory=Counter)
    met: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """`word.attribute` → the values that it had, as text."""
    ways: Counter[str] = field(default_factory=Counter)
    """Losses, optimizers and the rest of a training step; how a case was run."""
    ops: Counter[str] = field(default_factory=Counter)
    """Of the graphs after all passes, fused nodes taken apart."""
    algorithms: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    rewrites: Counter[str] = field(default_factory=Counter)

    def drew(self, case: Case) -> None:
        self.cases += 1
        self.words.update({s.word for s in case.steps})
        for step in case.steps:
            attrs = REGISTRY[step.word].attrs(**dict(step.keys))
            for f in fields(attrs):
                if f.name not in NO_MEANING:
                    self.met[f"{step.word}.{f.name}"].add(repr(getattr(attrs, f.name)))
        flags = {"symbolic sizes": case.symbolic, "heads": case.with_heads, "named outputs": bool(case.wanted)}
        flags |= {"costs at random": case.costs > 0, "several workers": case.workers > 1 < case.batch}
        flags |= {"shared weights": any(s.shares >= 0 for s in case.steps)}
        t = case.training
        if t is not None:
            self.training += 1
            self.ways.update({f"loss {term.word}" for term in t.terms})
            flags |= {f"optimizer {t.word}": True, f"clip {t.clip}": bool(t.clip), "average": t.average > 0}
            flags |= {"freeze": bool(t.freeze), "recompute": t.recompute > 0, "NaN images": t.poisoned}
            flags |= {"gradient by differences": t.differences}
        self.ways.update(name for name, is_so in flags.items() if is_so)

    def ran(self, executable: Any) -> None:
        """An executable of this case: its graph, its plan, and the log of its passes."""
        nodes = [n for n in executable.graph.nodes if n.op not in SOURCES]
        inner = [m for n in nodes if n.op.name == "fused" for m in n.attrs.inner.nodes if m.op not in SOURCES]
        self.ops.update({n.op.name for n in (*nodes, *inner)})
        program = executable.program
        kernels = (*program.prepare.kernels, *program.run.kernels)
        self.algorithms.update({k.choice.algorithm for k in kernels})
        steps = [e.step for e in executable.log.entries if not e.why]
        self.fired.update(set(steps))
        self.rewrites.update(steps)

    def told(self) -> str:
        """In a few lines."""
        several = sum(len(values) > 1 for values in self.met.values())
        lines = [
            f"{self.cases} graphs, {self.training} of them training steps; {self.unfit} measure nothing",
            f"{len(self.words)} words, {len(self.met)} attributes, {several} of them with several values",
            "words: " + _listed(self.words),
            "ways: " + _listed(self.ways),
            f"{len(self.ops)} ops after all passes: " + _listed(self.ops),
            "algorithms: " + _listed(self.algorithms),
            "passes: " + ", ".join(f"{p} in {n} graphs ({self.rewrites[p]} times)" for p, n in self.fired.most_common()),
        ]
        return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common())
