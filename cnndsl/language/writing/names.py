"""Names of values in a text: which a value has where it is taken up again, and which it may be given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from cnndsl.graph.graph import Graph, Value
from cnndsl.language.writing.parts import Call, Group, Join, Op, Part
from cnndsl.language.writing.said import public_names, unsaid
from cnndsl.language.writing.text import Statement


@dataclass(eq=False, slots=True)
class Place:
    """A body while it is written: what is named in it, and which part gave a value."""

    outer: Place | None = None
    names: dict[str, object] = field(default_factory=dict)
    called: dict[Value, str] = field(default_factory=dict)
    parts: dict[Value, Part] = field(default_factory=dict)
    comes: Value | None = None  # what `input` means, in a shared step

    def find(self, name: str) -> object | None:
        """What a name means here."""
        place: Place | None = self
        while place is not None:
            if name in place.names:
                return place.names[name]
            place = place.outer
        return None

    def declare(self, name: str, value: object) -> None:
        self.names[name] = value
        if isinstance(value, Value):
            self.called[value] = name


class Names:
    """The names of one model's text. public: those that are known outside. local: for the text alone, by value.

    again: whether a value was given a name after its part was written, which is then to be written again.
    """

    def __init__(self, graph: Graph, hidden: Collection[str]) -> None:
        """hidden: names that mean something else in a text."""
        self.inputs = graph.inputs
        self.public = public_names(graph)
        self.local: dict[Value, str] = {}
        self.taken: set[str] = set()
        self.hidden = hidden
        self.again = True

    def after(self, line: Statement, part: Part, name: str, place: Place) -> None:
        """Names behind a part that was written: its path's, one that is known outside, one for the text alone."""
        value = part.value
        if name:
            line.name(name)
            place.declare(name, value or part)
        if value is None:
            return
        place.parts[value] = part
        if isinstance(part, Call) and place.outer is None:
            for public, x in self.public.items():
                if x is value and self.free(public, place) and not name:
                    line.name(public)
                    place.declare(public, x)
                    return
        if part.local and not name:
            line.name(self.local[value])
            place.declare(self.local[value], value)

    def free(self, name: str, place: Place) -> bool:
        """Whether a value may have this name here without hiding anything."""
        return name not in place.names and name not in self.hidden

    def pinned(self, name: str, part: Part, place: Place) -> bool:
        """Whether `as name` may stand in the open, where the name is known to all that follows; else in braces."""
        if part.local or not self.free(name, place):
            return False
        return place.outer is not None or (part.value is not None and self.public.get(name) is part.value)

    def known(self, name: str, part: Part, place: Place) -> bool:
        """Whether `name` is what the part's value is called outside, so that it must be written."""
        return place.outer is None and bool(name) and self.public.get(name) is part.value

    def reference(self, x: Value, place: Place) -> str:
        """How to begin from `x`."""
        at: Place | None = place
        shared = False  # from within a shared step, whose text means what it says at each use
        while at is not None:
            if at.comes is x:
                return "input"
            name = at.called.get(x, "")
            if name and place.find(name) is x and (not shared or name[0] == "_" or name in self.inputs):
                return name
            shared = shared or at.comes is not None
            if x in at.parts:
                part = at.parts[x]
                if not part.local:
                    part.local = self.again = True
                    self.local.setdefault(x, self.fresh(part))
                return self.local[x]
            at = at.outer
        raise unsaid(x.node, "it is used where it is not known")

    def fresh(self, part: Part) -> str:
        """A name for the text alone, after what the part is."""
        match part:
            case Call():
                base = part.share.path[-1]
            case Group():
                base = part.segment
            case Op() | Join():
                base = part.segment or part.node.op.name
            case _:
                base = "value"
        name, k = f"_{base}", 1
        while name in self.taken:
            k += 1
            name = f"_{base}_{k}"
        self.taken.add(name)
        return name
