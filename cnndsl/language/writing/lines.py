"""Parts as lines of text. What the elaborator will count and bind is counted and bound here, in the same order, so that
every step gets its path: by its turn where that gives it, by `as` where it does not.

A value that is taken later than from the flow is named: by the name it has, or by one for the text alone (`_relu3`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnndsl.errors import error
from cnndsl.graph.graph import Graph, Node, Value
from cnndsl.graph.joins import JOINS
from cnndsl.graph.naming import Scope, is_name, is_op
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.op import Op as Record
from cnndsl.language.writing.names import Names, Place
from cnndsl.language.writing.parts import Body, Branch, Call, Group, Head, Join, Op, Part, Parts
from cnndsl.language.writing.said import CHANCE, unsaid
from cnndsl.language.writing.shares import Share
from cnndsl.language.writing.text import WIDTH, Statement, braced, indented, labelled_lines, pipeline_lines
from cnndsl.language.writing.words import is_light, option_words, step, words_for

DEAD = object()
"""What flows after a part that nobody takes anything from."""


class NotInside(Exception):  # noqa: N818  (it only says how to write a join)
    """The branches of a join cannot stand inside it under their names."""

    def __init__(self, node: Node) -> None:
        self.node = node


class NameOfABlock(Exception):  # noqa: N818  (it only says that a block has to be called something else)
    """A step must be written `as` a block is called."""

    def __init__(self, name: str) -> None:
        self.name = name


class Writer:
    """Writes the body of a model."""

    def __init__(self, graph: Graph, parts: Parts, blocks: Mapping[Group, str]) -> None:
        self.graph = graph
        self.parts = parts
        self.blocks, self.named_blocks = blocks, set(blocks.values())
        self.defined: dict[str, list[str]] = {}
        self.options = option_words(len(REGISTRY))
        self.names = Names(graph, {*self.options, *graph.inputs, *(s.path[-1] for s in parts.bodies)})
        self.used: set[str] = set()
        segments = {s for p in parts.said.path.values() for s in p}
        self.label = next(w for w in ("x", "y", "z", *(f"x{k}" for k in range(len(segments) + 1))) if w not in segments)
        joins = {n.op.name for n in parts.said.nodes}
        self.idle = next((j for j in JOINS if j not in joins and j not in segments), JOINS[-1])

    def model(self, body: Body) -> list[str]:
        """The lines of the model's body behind its inputs. Written again until every value that needs one has a name."""
        while self.names.again:
            self.names.again = False
            self.defined.clear()
            self.scope = Scope()
            self.written: dict[Place, set[Share]] = {}
            place = Place()
            for name, x in self.graph.inputs.items():
                place.declare(name, x)
            flow = next(iter(self.graph.inputs.values())) if len(self.graph.inputs) == 1 else None
            statements = self.body(body, place, flow)
            for name, x in self.names.public.items():
                if place.names.get(name) is not x:
                    statements.append(Statement([f"{self.names.reference(x, place)} as {name}"], value=x))
                    place.declare(name, x)
            last = self.graph.outputs["output"]
            if next(s.value for s in reversed(statements) if s.value is not None) is not last:
                statements.append(Statement([self.names.reference(last, place)], value=last))
        lines = self.with_shapes(statements)
        return lines + [f"output {name}" for name in self.graph.outputs if name != "output"]

    def with_shapes(self, statements: list[Statement]) -> list[str]:
        """The lines of the model's own statements, with their shapes where these change."""
        before: object = None
        wide = max((len(s.lines[-1]) for s in statements if isinstance(s.value, Value) and len(s.lines[-1]) <= 60), default=0)
        for s in statements:
            if not isinstance(s.value, Value):
                continue
            shape = s.value.type.shape[1:]
            if shape != before and all(isinstance(n, int) for n in shape):
                s.lines[-1] = f"{s.lines[-1]:<{wide}} : {'x'.join(map(str, shape))}"
            before = shape
        return [line for s in statements for line in s.lines]

    # Bodies ------------------------------------------------------------------------------------------------------

    def body(self, body: Body, place: Place, flow: object) -> list[Statement]:
        """The statements of a body into which `flow` comes."""
        found: list[Statement] = []
        open_: Statement | None = None
        for part in body.parts:
            for share in self.shares_in(part):
                if share.path[:-1] == body.path and share not in self.written.setdefault(place, set()):
                    self.written[place].add(share)
                    found.append(self.share(share, place))
                    open_ = None
            if isinstance(part, Head):
                found.append(self.head(part, place, flow))
                open_ = None
                continue
            begins = part.base is not flow if part.base is not None else flow is None
            text, name = self.part(part, place)
            light = part in self.blocks or (isinstance(part, Op) and is_light(part.node))
            again = isinstance(part, Group | Call) and not name
            repeats = again and open_ is not None and not begins and open_.repeats(text)
            if open_ is None or begins or not (repeats or (light and self.fits(open_, text, name))):
                open_ = Statement([""])
                found.append(open_)
                if begins:
                    open_.lines = [self.names.reference(part.base or self.first_reference(part), place)]
                    open_.plain = False
            open_.add(text, again=again)
            self.names.after(open_, part, name, place)
            flow = part.value or DEAD
            open_.value = flow
        if body.gives is not None and flow is not body.gives:
            found.append(Statement([self.names.reference(body.gives, place)], plain=False, value=body.gives))
        return found

    def fits(self, line: Statement, text: list[str], name: str) -> bool:
        """Whether a step may follow on the line: it is not too long, and a name of its own would be its alone."""
        return len(text) == 1 and len(line.lines[-1]) + len(text[0]) < WIDTH - 12 and (not name or line.fresh)

    def first_reference(self, part: Part) -> Value:
        """A value that a part takes by name, to begin from where nothing flows."""
        todo: list[object] = [part]
        while todo:
            x = todo.pop(0)
            match x:
                case Value():
                    return x
                case Join():
                    todo[:0] = x.branches
                case Group() | Branch():
                    todo[:0] = x.body.parts
        raise AssertionError("a part takes a value")

    # Parts -------------------------------------------------------------------------------------------------------

    def part(self, part: Part, place: Place) -> tuple[list[str], str]:
        """The text of a part, and the name that must follow it for its path."""
        match part:
            case Op():
                return self.op(part, place)
            case Join():
                return self.join(part, place)
            case Group():
                return self.group(part, place)
            case Call():
                name = part.share.path[-1]
                if place.find(name) is not part.share:
                    raise unsaid(part.share.uses[0][0], f"something else is called {name} where the shared step is used")
                return [name], ""
        raise AssertionError("a head is no step")

    def op(self, part: Op, place: Place) -> tuple[list[str], str]:
        node, segment = part.node, part.segment
        words = words_for(node)
        op, attrs = words[0]
        for word, keys in words:
            if segment == self.turn(word.name) and not self.names.known(segment, part, place):
                self.scope.segment(word.name)
                return [self.step(node, word, keys)], ""
        if not segment or is_op(segment):
            if segment and (node.op.weights or node.op.name in CHANCE):
                raise unsaid(node, f"no step can be called {segment} here")
            self.scope.segment(op.name)
            return [self.step(node, op, attrs)], ""
        return self.called([self.step(node, op, attrs)], segment, part, place)

    def step(self, node: Node, op: Record, attrs: Any) -> str:
        try:
            return step(op, attrs, self.used)
        except ValueError as e:
            raise unsaid(node, f"the language has no number {e}") from None

    def turn(self, word: str) -> str:
        """The segment that the next step of this word would get."""
        k = self.scope.counts[-1].get(word, 0)
        return word if not k else f"{word}{k + 1}"

    def called(self, text: list[str], segment: str, part: Part, place: Place) -> tuple[list[str], str]:
        """`text` with the name that its path needs: behind it, or within braces."""
        if self.names.pinned(segment, part, place):
            return text, segment
        if segment in self.named_blocks:
            raise NameOfABlock(segment)
        named = [*text[:-1], f"{text[-1]} as {segment}"]
        if len(named) == 1:
            return braced(named), ""
        return [f"{{ {named[0]}", *named[1:-1], f"{named[-1]} }}"], ""

    def join(self, part: Join, place: Place) -> tuple[list[str], str]:
        node, segment = part.node, part.segment
        name = node.op.name
        labelled = any(isinstance(b, Branch) for b in part.branches)
        turns = not part.nested and segment in (self.turn(name), "") and not self.names.known(segment, part, place)
        if not turns and (is_op(segment) or (labelled and not part.nested)):
            if labelled:
                raise NotInside(node)
            segment, turns = "", True  # a join has no weights, so that its path may be another
        if turns:
            self.scope.segment(name)
        head = self.step(node, node.op, node.attrs)
        if part.nested:
            with self.scope.inside(segment):
                lines = self.branches(part, place)
        else:
            lines = self.branches(part, place)
        short = f"{head} {{ {'; '.join(lines)} }}"
        text = [short] if not labelled and len(short) < WIDTH - 20 else [f"{head} {{", *indented(lines), "}"]
        return (text, "") if turns else self.called(text, segment, part, place)

    def branches(self, part: Join, place: Place) -> list[str]:
        lines: list[str] = []
        for b in part.branches:
            if isinstance(b, Branch):
                label = self.labelled(b.label, part.node)
                with self.scope.inside(b.label):
                    inner = self.body(b.body, Place(place), part.base)
                lines += labelled_lines(label, inner)
            else:
                name = self.names.reference(b, place)
                lines.append(f"{self.label}: input" if name == "input" else name)
                if name == "input":
                    self.scope.segment(self.label)
        return lines

    def labelled(self, segment: str, node: Node) -> str:
        """What to write for a label that becomes `segment`."""
        base = segment.rstrip("0123456789")
        for text in (base, segment):
            if is_name(text) and self.turn(text) == segment:
                self.scope.segment(text)
                return text
        raise NotInside(node)

    def group(self, part: Group, place: Place) -> tuple[list[str], str]:
        """A body under a segment: a chain with a name behind it, or braces with one."""
        segment = part.segment
        if is_op(segment):
            return self.under_a_label(part, place)
        if part in self.blocks:
            name = self.block(part)
            if self.turn(name) == segment and not self.names.known(segment, part, place):
                self.scope.segment(name)
                return [name], ""
            return self.called([name], segment, part, place)
        with self.scope.inside(segment):
            inner = self.body(part.body, Place(place), part.base)
        lines = [line for s in inner for line in s.lines]
        one = inner[0] if len(inner) == 1 else None
        if one is not None and one.plain and one.steps > 1 and len(lines) == 1 and part.once and self.turn(segment) == segment:
            self.scope.segment(segment)
            return self.called(lines, segment, part, place)
        return self.called(braced(lines), segment, part, place)

    def block(self, part: Group) -> str:
        """The name of a body that is written as a block; where it is not yet, it is now."""
        name = self.blocks[part]
        if name not in self.defined:
            with self.scope.inside(part.segment):
                inner = self.body(part.body, Place(Place(), comes=part.base), part.base)
            lines = [line for s in inner for line in s.lines]
            self.defined[name] = [f"block {name} {{", *indented(lines), "}", ""]
        return name

    def under_a_label(self, part: Group, place: Place) -> tuple[list[str], str]:
        """A body under a segment that is no name but a label: a join of one branch is that branch."""
        self.scope.segment(self.idle)
        if self.turn(part.segment) != part.segment:
            raise error("E646", f"no branch can be called {'.'.join(part.body.path)} here", help="call it as no op is called")
        self.scope.segment(part.segment)
        with self.scope.inside(part.segment):
            inner = self.body(part.body, Place(place), part.base)
        return [f"{self.idle} {{", *indented(labelled_lines(part.segment, inner)), "}"], ""

    # Shared steps and heads ----------------------------------------------------------------------------------------

    def shares_in(self, part: Part) -> list[Share]:
        """The shared steps that a part uses, at any depth."""
        found: dict[Share, None] = {}
        todo: list[object] = [part] if self.parts.bodies else []
        while todo:
            x = todo.pop()
            match x:
                case Call():
                    found[x.share] = None
                    todo += self.parts.bodies[x.share].parts
                case Join():
                    todo += x.branches
                case Group() | Branch() | Head():
                    todo += x.body.parts
        return list(found)[::-1]

    def share(self, share: Share, place: Place) -> Statement:
        name = share.path[-1]
        if self.turn(name) != name or name in place.names:
            raise unsaid(share.uses[0][0], f"no shared step can be called {name} here")
        self.scope.segment(name)
        place.declare(name, share)
        with self.scope.inside(name):
            comes = share.comes[share.written]
            inner = self.body(self.parts.bodies[share], Place(place, comes=comes), comes)
        lines = pipeline_lines(inner)
        return Statement([f"share {name} = {lines[0]}", *lines[1:]])

    def head(self, part: Head, place: Place, flow: object) -> Statement:
        segment = self.scope.segment(part.name)
        if part.body.parts and segment != part.body.path[0]:
            raise error("E646", f"the head {part.name} cannot stand under {part.body.path[0]} here")
        place.declare(part.name, part)
        with self.scope.inside(segment):
            inner = self.body(part.body, Place(place), flow)
        return Statement([f"head {part.name} {{", *indented([line for s in inner for line in s.lines]), "}"])
