"""Reading the text form of a graph (`cnndsl.graph.text`). Plain recursive descent; nothing of the text is executed.

A text may come from a stranger: what is read is held to the records' annotations, sizes and numbers to what there can be.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from typing import Any

from cnndsl.errors import CnnError, Source, Span, error
from cnndsl.graph.expr import PRIMITIVES, Expr
from cnndsl.graph.fields import described, fits, hints_of, holds
from cnndsl.graph.graph import CONSTANT, CONSTANT_BYTES, INPUT, STATE, Graph, Origin, SourceAttrs, State, Value, placed
from cnndsl.graph.op import REGISTRY
from cnndsl.graph.sizes import Affine, Size
from cnndsl.graph.types import DTYPES, MOST_ELEMENTS, TensorType
from cnndsl.random import CONSTANTS, INITS

TOKEN = re.compile(
    r'%[\w.]+(?::\d+)?|"(?:[^"\\\n]|\\.)*"|#[^\n]*|->|[A-Za-z_]\w*(?:/[0-9]+)?|-?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf\b|nan\b)|\S'
)
DEEPEST = 8
LONGEST_NUMBER = 40
LARGEST_DIVISOR = 2**31
MOST_AXES = 8
MOST_PARTS = 64
FREE = ("head",)  # texts that name something: any text will do
LONGEST_NAME = 1000
MOST_NEAR = 1000  # values, the last ones, among which a misspelt one is looked for
SOURCE_OPS = {"input": INPUT, "state": STATE, "constant": CONSTANT}
STATE_WORDS = {"kind": ("parameter", "buffer", "slot", "counter", "sum"), "init": tuple(dict.fromkeys((*INITS, *CONSTANTS)))}


def parse_graph(text: str, name: str = "<graph>") -> Graph:
    """The graph that `text` describes. Raises E103 with the place, E203 for an unknown op, E3xx from the shape rules."""
    reader = _Reader(Source(name, text))
    graph = reader.graph(0)
    if reader.at < len(reader.tokens):
        raise reader.wrong("the end of the text")
    return graph


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = [(m.group(), m.start()) for m in TOKEN.finditer(source.text) if m.group()[0] != "#"]
        self.at = 0

    def span(self) -> Span:
        text, start = self.tokens[self.at] if self.at < len(self.tokens) else ("", len(self.source.text))
        return Span(self.source, start, start + max(len(text), 1))

    def wrong(self, wanted: str, code: str = "E103") -> CnnError:
        return error(code, f"expected {wanted}", self.span())

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[self.at + ahead][0] if self.at + ahead < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        found = self.peek()
        if not found or (wanted and found != wanted):
            raise self.wrong(wanted or "more text")
        self.at += 1
        return found

    def took(self, text: str) -> bool:
        if self.peek() == text:
            self.at += 1
            return True
        return False

    # Parts -------------------------------------------------------------------------------------------------------

    def string(self) -> str:
        if not self.peek().startswith('"'):
            raise self.wrong("a text in quotes")
        try:
            return str(json.loads(self.peek()))
        except ValueError:
            raise self.wrong("a text in quotes") from None
        finally:
            self.at += 1

    def whole(self) -> int:
        found = self.peek()
        if not found.lstrip("-").isascii() or not found.lstrip("-").isdigit() or len(found) > LONGEST_NUMBER:
            raise self.wrong("a whole number")
        self.at += 1
        return int(found)

    def value(self, depth: int) -> Any:
        found = self.peek()
        if depth > DEEPEST:
            raise self.wrong(f"at most {DEEPEST} levels of nesting", "E904")
        if found in ("none", "true", "false"):
            self.at += 1
            return {"none": None, "true": True, "false": False}[found]
        if found.startswith('"'):
            return self.string()
        if found == "(":
            return self.numbers(depth)
        if found == "[":
            return self.expr()
        if found == "graph":
            return self.graph(depth + 1)
        return self.number()

    def numbers(self, depth: int) -> tuple[Any, ...]:
        self.take("(")
        items: list[Any] = []
        while not self.took(")"):
            if items:
                self.take(",")
            items.append(self.value(depth + 1))
        return tuple(items)

    def number(self) -> int | float:
        found = self.peek()
        if found.lstrip("-").isdigit():
            return self.whole()
        try:
            if len(found) > LONGEST_NUMBER:
                raise ValueError
            number = float(found)
        except ValueError:
            raise self.wrong("a value") from None
        self.at += 1
        return number

    def expr(self) -> Expr:
        self.take("[")
        steps: list[Expr] = []
        while True:
            last = self.step(steps)
            steps.append(last)
            if not self.took(";"):
                break
        self.take("]")
        return last

    def step(self, steps: list[Expr]) -> Expr:
        if self.peek(1) not in ("(", ":"):
            return self.argument(steps)
        fn = self.peek()
        if fn not in PRIMITIVES or fn in ("var", "const"):
            raise self.wrong("a scalar primitive", "E203")
        self.at += 1
        dtype = self.dtype() if self.took(":") else None
        self.take("(")
        args: list[Expr] = []
        while not self.took(")"):
            if args:
                self.take(",")
            args.append(self.argument(steps))
        if len(args) != PRIMITIVES[fn] or (fn == "cast") != (dtype is not None):
            raise self.wrong(f"{PRIMITIVES[fn]} argument(s) of {fn}")
        return Expr(fn, tuple(args), dtype)

    def argument(self, steps: list[Expr]) -> Expr:
        if self.took("$"):
            number = self.whole()
            if not 0 <= number < len(steps):
                raise self.wrong("a step that stands before")
            return steps[number]
        found = self.peek()
        if re.fullmatch(r"x\d{1,6}", found):
            self.at += 1
            return Expr("var", (), int(found[1:]))
        if found in ("true", "false"):
            self.at += 1
            return Expr("const", (), found == "true")
        at, value = self.at, self.number()
        if not holds(TensorType(()), (value,)):
            self.at = at
            raise self.wrong("a number that float32 has")
        return Expr("const", (), value)

    def dtype(self) -> str:
        if self.peek() not in DTYPES:
            raise self.wrong("an element type")
        return self.take()

    def type(self) -> TensorType:
        span, dtype = self.span(), self.dtype()
        self.take("[")
        shape: list[Size] = []
        elements = 1
        while not self.took("]"):
            if shape:
                self.take(",")
            if len(shape) == MOST_AXES:
                raise error("E909", f"a tensor of more than {MOST_AXES} axes", span)
            start, size = self.span(), self.size()
            if isinstance(size, int):
                elements *= size
                if size < 1:
                    raise error("E303", f"a size is at least 1, not {size}", start)
            shape.append(size)
        if elements > MOST_ELEMENTS:
            raise error("E909", f"a tensor of {elements:,} numbers; at most {MOST_ELEMENTS:,} are allowed", span)
        return TensorType(tuple(shape), dtype)

    def size(self) -> Size:
        total: Size = 0
        span, parts = self.span(), 0
        while self.peek() not in (",", "]"):
            parts += 1
            if parts > MOST_PARTS:  # each is added to all before it
                raise error("E909", f"a size of more than {MOST_PARTS} parts", span)
            self.took("+")
            named = self.peek()[:1].isalpha()
            factor = 1 if named else self.whole()
            if named or self.took("*"):
                if factor < 1:
                    raise error("E303", f"a symbol stands in a size at least once, not {factor} times", span)
                total = total + self.symbol() * factor
            else:
                total = total + factor
        return total

    def symbol(self) -> Affine:
        """`H`, or `H/32` of a size that 32 divides."""
        span, text = self.span(), self.peek()
        if not text[:1].isalpha():
            raise self.wrong("a symbol")
        _, slash, divisor = text.partition("/")
        if slash and not (len(divisor) <= LONGEST_NUMBER and 1 <= int(divisor) <= LARGEST_DIVISOR):
            raise error("E303", f"what divides a size is from 1 to {LARGEST_DIVISOR}", span)
        return Affine.symbol(self.take())

    def fields(self, cls: Any, depth: int, given: dict[str, Any]) -> Any:
        span, hints = self.span(), hints_of(cls)
        known = {f.name for f in dataclasses.fields(cls)}
        while self.peek(1) == "=" and not self.peek().startswith("%"):
            if self.peek() not in known or self.peek() in given:
                raise self.wrong(f"one of {', '.join(sorted(known - set(given))) or 'no fields'}")
            name = self.take()
            self.take("=")
            at = self.at
            given[name] = self.value(depth)
            if not (fits(given[name], hints[name]) or (name in FREE and isinstance(given[name], str))):
                self.at = at
                raise self.wrong(f"{name} to be {described(hints[name])}")
        try:
            return cls(**given)
        except TypeError:
            raise self.wrong(f"the fields {', '.join(sorted(known - set(given)))}") from None
        except CnnError as e:
            raise placed(e, cls.__name__, Origin("", span)) from None

    def state(self, graph: Graph, depth: int) -> None:
        """The declaration of an array that outlives a run."""
        span, key = self.span(), self.string()
        if key in graph.state:
            raise error("E204", f"two weights would be named {key}", span)
        self.take(":")
        found: State = self.fields(State, depth, {"name": key, "type": self.type()})
        for field, words in STATE_WORDS.items():
            if getattr(found, field) not in words:
                raise error("E305", f"expected {field} to be one of {', '.join(words)}", span)
        if found.fan_in < 1:
            raise error("E303", f"a fan_in is at least 1, not {found.fan_in}", span)
        graph.state[key] = found

    # The graph ---------------------------------------------------------------------------------------------------

    def graph(self, depth: int) -> Graph:
        if depth > DEEPEST:
            raise self.wrong(f"at most {DEEPEST} graphs inside each other", "E904")
        self.take("graph")
        graph = Graph(self.string())
        self.take("{")
        tables = {"output": graph.outputs, "update": graph.updates, "name": graph.names, "head": graph.heads}
        values: dict[str, tuple[Value, ...]] = {}
        while not self.took("}"):
            if self.took("state"):
                self.state(graph, depth)
            elif self.peek() in tables:
                table = tables[self.take()]
                key = self.string()
                self.take("=")
                table[key] = self.ref(values)
            else:
                self.node(graph, values, depth)
        return graph

    def name(self) -> str:
        """`%name`, or `%name:1` of a node with several values, without the sign."""
        if not self.peek().startswith("%") or len(self.peek()) > LONGEST_NAME:
            raise self.wrong("a value such as %conv")
        return self.take()[1:]

    def ref(self, values: dict[str, tuple[Value, ...]]) -> Value:
        span, text = self.span(), self.name()
        node, _, index = text.partition(":")
        try:
            return values[node][int(index[:6] or 0)]
        except (KeyError, IndexError):
            near = difflib.get_close_matches(node, [*values][-MOST_NEAR:], 1)
            help = f"did you mean %{near[0]}?" if near else "values are called as their lines begin"
            raise error("E103", f"%{text[:40]} is not a value that stands before", span, help=help) from None

    def node(self, graph: Graph, values: dict[str, tuple[Value, ...]], depth: int) -> None:
        span, name = self.span(), self.name()
        if name in values or ":" in name:
            raise error("E103", f"%{name[:40]} cannot be the name of another node", span)
        self.take("=")
        span, word = self.span(), self.take()
        if word in SOURCE_OPS:
            values[name] = self.source_node(graph, SOURCE_OPS[word], span)
            return
        if word not in REGISTRY:
            raise error("E203", f"there is no op {word}", span)
        op = REGISTRY[word]
        self.take("(")
        operands: list[Value] = []
        while not self.took(")"):
            if operands:
                self.take(",")
            operands.append(self.ref(values))
        attrs = self.fields(op.attrs, depth, {})
        types, path = self.tail()
        try:
            made = graph.add(op, operands, attrs, Origin(path, span))
        except (TypeError, LookupError, AttributeError, ValueError, AssertionError, ArithmeticError):
            # A shape rule says itself what does not fit; how many operands there are it may count on.
            raise error("E103", f"{word} does not take these operands and attributes", span) from None
        if [y.type for y in made] != types:
            gives, says = (", ".join(map(str, found)) for found in ([y.type for y in made], types))
            help = f"the line says {says}: write -> {gives}, and what follows from it in the lines below"
            raise error("E103", f"{word} gives {gives} here", span, help=help)
        values[name] = made

    def source_node(self, graph: Graph, op: Any, span: Span) -> tuple[Value, ...]:
        data = self.numbers(0) if op is CONSTANT else ()
        name = "" if op is CONSTANT else self.string()
        batched = self.took("batched")
        types, path = self.tail()
        if len(types) != 1:
            raise error("E103", "one type is expected here", span)
        if op is CONSTANT and not (holds(types[0], data) and types[0].nbytes <= CONSTANT_BYTES):
            raise error("E103", f"a constant of {types[0]} has as many numbers of that type, in {CONSTANT_BYTES} bytes", span)
        if op is STATE and (name not in graph.state or graph.state[name].type != types[0]):
            raise error("E103", f"no state {name} of type {types[0]} is declared", span)
        table = {INPUT: graph.inputs, STATE: graph.state_values}.get(op, {})
        if name in table:
            raise error("E204", f"there are two nodes for {op.name} {name}", span)
        made = graph.add(op, (), SourceAttrs(name, data, types[0], batched), Origin(path, span))
        if op is not CONSTANT:
            table[name] = made[0]
        return made

    def tail(self) -> tuple[list[TensorType], str]:
        self.take("->")
        types = [self.type()]
        while self.took(","):
            types.append(self.type())
        return types, self.string() if self.took("@") else ""
