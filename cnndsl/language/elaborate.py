"""Elaboration: a model of the syntax tree becomes a graph. Blocks are expanded, shapes checked as they come up.

Errors do not stop it: one is recorded, a poison value flows on in its place, and what only follows from it stays
silent. So one run reports every independent mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cnndsl.errors import CnnError, Diagnostic, Frame, Label, Span, error
from cnndsl.graph.graph import Graph, Origin, Value, placed
from cnndsl.graph.op import REGISTRY, Op
from cnndsl.graph.sizes import Affine, Size
from cnndsl.graph.types import TensorType
from cnndsl.language import syntax as s
from cnndsl.language.calls import bind_block, bind_op
from cnndsl.language.joins import join
from cnndsl.language.scope import POISON, BlockValue, Env, Flow, Poison, Scope, Shared, Word
from cnndsl.language.values import Evaluator, Failed, drawn, near

MOST_STEPS = 100_000
DEEPEST_BLOCKS = 100
DEEPEST_BODIES = 400
LARGEST_TENSOR = 2**31 - 1
MOST_ERRORS = 20


class Elaborator:
    """Expands one model into `graph`. `errors` holds what was found; `warnings` what is only strange."""

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.evaluator = Evaluator(self)
        self.scope = Scope()
        self.frames: tuple[Frame, ...] = ()
        self.steps = 0
        self.blocks = 0
        self.bodies = 0
        self.head = ""
        self.seen: set[tuple[Any, ...]] = set()
        self.symbols: dict[str, Affine] = {}

    # Bookkeeping -----------------------------------------------------------------------------------------------------

    def count(self, span: Span | None) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS * 4:
            raise Fatal(error("E905", "the model takes too many steps to expand", span, frames=self.frames))

    def record(self, e: CnnError, span: Span | None = None) -> None:
        """Keep an error, once for each place; give up after many."""
        for d in e.diagnostics:
            d = replace(d, span=d.span or span, frames=d.frames or self.frames)
            key = (d.code, d.span.start if d.span else 0, d.span.source.name if d.span else "")
            if key not in self.seen:
                self.seen.add(key)
                (self.warnings if d.code.startswith("W") else self.errors).append(d)
        if len(self.errors) >= MOST_ERRORS:
            raise Fatal(None)

    def warn(self, code: str, message: str, span: Span, **details: Any) -> None:
        self.record(CnnError(Diagnostic(code, message, span, **details)))

    @contextmanager
    def frame(self, what: str, at: Span) -> Any:
        before = self.frames
        self.frames = (Frame(what, at), *before)
        try:
            yield
        finally:
            self.frames = before

    def evaluate(self, e: s.Expr, env: Env, words: Sequence[str] = ()) -> Any:
        """The value of an expression; records what is wrong and raises `Failed`."""
        try:
            return self.evaluator.value(e, env, words)
        except CnnError as found:
            self.record(found, e.span)
            raise Failed from None

    def flow_of(self, e: s.Expr, env: Env) -> Any:
        """The value of the network that an expression names: `input`, or a named value."""
        if isinstance(e, s.InputRef):
            if env_flow(env) is None:
                raise error("E311", "no value flows in here", e.span)
            return env_flow(env)
        if isinstance(e, s.Reference) and e.args is None:
            found = env.find(e.name)
            if isinstance(found, (Value, Poison)):
                return found
        return None

    def fix(self, value: BlockValue, args: Sequence[s.Argument], env: Env) -> dict[str, Any]:
        """Arguments given ahead of the call: `bottleneck(stride_in = first)`."""
        if value.block is None:
            return bind_op(self, REGISTRY[value.name], args, env, {})
        return bind_block(self, value.block, args, env, dict(value.fixed), partial=True)

    # Bodies ------------------------------------------------------------------------------------------------------------

    def body(self, body: s.Body, env: Env, flow: Flow) -> Flow:
        """Run the statements of a body in `env` (its own scope); the value that leaves it."""
        self.bodies += 1
        if self.bodies > DEEPEST_BODIES:
            raise Fatal(error("E906", "bodies are nested too deep", body.span, frames=self.frames))
        try:
            for statement in body.statements:
                try:
                    flow = self.statement(statement, env, flow)
                except Failed:
                    flow = POISON
                except CnnError as e:
                    self.record(e, statement.span)
                    flow = POISON
            return flow
        finally:
            self.bodies -= 1

    def statement(self, x: s.Statement, env: Env, flow: Flow) -> Flow:
        self.count(x.span)
        match x:
            case s.Pipeline():
                return self.pipeline(x, env, flow)
            case s.If():
                return self.choose(x, env, flow)
            case s.For():
                return self.loop(x, env, flow)
            case s.Block():
                self.declare(env, x.label, BlockValue(x.label.name, x, env))
            case s.Defaults():
                self.defaults(x, env)
            case s.Share():
                path = (*self.scope.prefix, x.label.name)
                self.declare(env, x.label, Shared(x.label.name, x.pipeline, env, path, []))
            case s.Input():
                return self.input(x, env, flow)
            case s.Output():
                self.output(x, env)
            case s.Head():
                self.make_head(x, env, flow)
        return flow

    def declare(self, env: Env, label: s.Label, value: Any) -> None:
        """Give a value its name in this body. Raises E204 where the name is taken."""
        if label.name in env.names and label.name in env.places:
            raise error("E204", f"`{label.name}` is named twice in this body", label.span,
                        related=(Label(env.places[label.name], "first here"),))  # fmt: skip
        op = REGISTRY.get(label.name)
        if (op is not None and op.word) or isinstance(env.find(label.name), BlockValue):
            raise error("E204", f"`{label.name}` is the name of {'an op' if op else 'a block'} already", label.span)
        env.names[label.name] = value
        env.places[label.name] = label.span

    def choose(self, x: s.If, env: Env, flow: Flow) -> Flow:
        for condition, body in x.cases:
            if self.evaluator.truth(self.evaluate(condition, self.at(env, flow), ()), condition.span):
                return self.body(body, self.inside(env, flow, same=True), flow)
        return self.body(x.otherwise, self.inside(env, flow, same=True), flow) if x.otherwise is not None else flow

    def loop(self, x: s.For, env: Env, flow: Flow) -> Flow:
        for number, names in enumerate(self.items(x, env, flow), 1):
            with self.frame(f"for, turn {number}", x.span):
                inner = self.inside(env, flow)
                inner.names.update(names)
                flow = self.body(x.body, inner, flow)
        return flow

    def items(self, x: s.For | s.BranchFor, env: Env, flow: Flow) -> list[dict[str, Any]]:
        """What the loop's names mean in each turn."""
        values = self.evaluate(x.items, self.at(env, flow))
        if not isinstance(values, tuple):
            raise error("E302", f"`for` goes through a list, this is {drawn(values)}", x.items.span)
        found = []
        for value in values:
            parts = value if len(x.names) > 1 else (value,)
            if not isinstance(parts, tuple) or len(parts) != len(x.names):
                raise error("E315", f"{drawn(value)} does not fit {len(x.names)} names", x.items.span)
            found.append({label.name: part for label, part in zip(x.names, parts, strict=True)})
        return found

    def inside(self, env: Env, flow: Flow, same: bool = False) -> Env:
        """The scope of an inner body; an `if` opens none, so its names are the outer ones."""
        if same:
            return env
        return Env(env, flow=env_flow(env) if env_flow(env) is not None else flow)

    def at(self, env: Env, flow: Flow) -> Env:
        """`env` for evaluating an expression between steps: `input` means what came into the body."""
        return env

    def defaults(self, x: s.Defaults, env: Env) -> None:
        for entry in x.entries:
            op = REGISTRY.get(entry.op.name)
            if op is None or not op.word:
                raise error("E201", f"there is no op `{entry.op.name}`", entry.op.span, help=near(entry.op.name, words()))
            env.defaults.setdefault(op.name, {}).update(bind_op(self, op, entry.args, env, {}))

    # Inputs and outputs ---------------------------------------------------------------------------------------------------

    def input(self, x: s.Input, env: Env, flow: Flow) -> Flow:
        if env.parent is None or env.parent.parent is not None:
            raise error("E202", "`input` stands in a model's own body only", x.span)
        shape: list[Size] = []
        for part in x.shape.parts:
            size = self.size(part, x, env)
            shape.append(size)
        fixed = [n for n in shape if isinstance(n, int)]
        total = 1
        for n in fixed:
            total *= n
        if total > LARGEST_TENSOR:
            raise error("E907", f"input {x.label.name} would have {total} numbers an image; at most 2^31 - 1 are allowed", x.shape.span)
        self.symbols = self.conditions(x, env)
        shape = [n.bind({}) if isinstance(n, int) is False and False else self.substituted(n) for n in shape]
        value = self.graph.input(x.label.name, shape, span=x.label.span)
        self.declare(env, x.label, value)
        if len(self.graph.inputs) > 1:
            env.flow = None
            return None
        env.flow = value
        return value

    def size(self, part: Any, x: s.Input, env: Env) -> Size:
        if isinstance(part, int):
            size: Any = part
        elif isinstance(part, str):
            if part == "_":
                raise error("E302", "an input's sizes are numbers or symbols, not `_`", x.shape.span)
            size = Affine.symbol(part)
        else:
            free = isinstance(part, s.Reference) and part.args is None and env.find(part.name) is None
            if free and part.name[:1].isupper() and not part.name[1:].strip("0123456789"):
                size = Affine.symbol(part.name)
            else:
                size = self.evaluate(part, env)
        if isinstance(size, bool) or not isinstance(size, (int, Affine)) or (isinstance(size, int) and not 1 <= size <= LARGEST_TENSOR):
            raise error("E303", f"a size is a whole number from 1 on, not {drawn(size)}", x.shape.span)
        return size

    def conditions(self, x: s.Input, env: Env) -> dict[str, Affine]:
        """`where H % 32 == 0` puts H = 32 · h."""
        found: dict[str, Affine] = {}
        for c in x.where:
            ok = isinstance(c, s.Binary) and c.sign == "==" and isinstance(c.right, s.Number) and c.right.value == 0
            left = c.left if isinstance(c, s.Binary) else None
            if not ok or not isinstance(left, s.Binary) or left.sign != "%" or not isinstance(left.left, s.Reference):
                raise error("E402", "a condition has the form H % 32 == 0", c.span)
            by = self.evaluate(left.right, env)
            if not isinstance(by, int) or by < 1:
                raise error("E303", f"{drawn(by)} divides nothing", left.right.span)
            found[left.left.name] = Affine(((left.left.name.lower(), by),), 0)
        return found

    def substituted(self, n: Size) -> Size:
        if isinstance(n, int):
            return n
        total: Size = n.const
        for name, c in n.terms:
            total = self.symbols.get(name, Affine.symbol(name)) * c + total
        return total

    def output(self, x: s.Output, env: Env) -> None:
        if env.parent is None or env.parent.parent is not None:
            raise error("E202", "`output` stands in a model's own body only", x.span)
        value = env.find(x.label.name)
        if isinstance(value, Poison):
            return
        if not isinstance(value, Value):
            raise error("E201", f"no value is named `{x.label.name}`", x.label.span, help=near(x.label.name, self.graph.names))
        self.graph.outputs[x.label.name] = value

    def make_head(self, x: s.Head, env: Env, flow: Flow) -> None:
        if env.parent is None or env.parent.parent is not None:
            raise error("E202", "`head` stands in a model's own body only", x.span)
        self.declare(env, x.label, POISON)
        before, self.head = self.head, x.label.name
        try:
            with self.scope.inside(self.scope.segment(x.label.name)):
                value = self.body(x.body, Env(env, flow=flow), flow)
        finally:
            self.head = before
        if isinstance(value, Value):
            self.graph.heads[x.label.name] = value

    # Pipelines ---------------------------------------------------------------------------------------------------------------

    def pipeline(self, x: s.Pipeline, env: Env, flow: Flow, first: bool = True) -> Flow:
        """Steps in a chain. A label names what stands before it, back to the label before."""
        at = 0
        while at < len(x.steps):
            to = next((i for i in range(at, len(x.steps)) if x.steps[i].label is not None), None)
            if to is None:
                for i in range(at, len(x.steps)):
                    flow = self.step(x.steps[i], env, flow, None, begins=i == 0)
                return flow
            group, label = x.steps[at : to + 1], x.steps[to].label
            assert label is not None
            single = len(group) == 1 and group[0].repeat is None and isinstance(group[0].what, s.Call) and group[0].what.branches is None
            if single:
                flow = self.step(group[0], env, flow, label.name, begins=at == 0)
            else:
                with self.scope.inside(self.scope.segment(label.name)):
                    for i, step in enumerate(group):
                        flow = self.step(step, env, flow, None, begins=at + i == 0)
            if flow is None:
                raise error("E311", "there is no value to name here", label.span)
            self.declare(env, label, flow)
            if isinstance(flow, Value) and self.is_own_body(env):
                self.graph.names[label.name] = flow
            at = to + 1
        return flow

    def is_own_body(self, env: Env) -> bool:
        return not self.head and env.parent is not None and env.parent.parent is None

    def step(self, x: s.Step, env: Env, flow: Flow, name: str | None, begins: bool) -> Flow:
        """One step, repeated as asked, its shape checked where it is noted."""
        times = 1
        if x.repeat is not None:
            times = self.evaluate(x.repeat, env)
            if isinstance(times, bool) or not isinstance(times, int) or times < 0:
                self.record(error("E302", f"`*` needs a whole number from 0 on, not {drawn(times)}", x.repeat.span))
                return POISON
            if times > MOST_STEPS:
                raise Fatal(error("E905", f"{times} repetitions are more than the {MOST_STEPS} steps a model may take", x.repeat.span,
                                  frames=self.frames))  # fmt: skip
        for number in range(1, times + 1):
            which = f", repetition {number} of {times}" if times > 1 else ""
            try:
                flow = self.primary(x, env, flow, name, begins, which)
            except Failed:
                flow = POISON
            except CnnError as e:
                self.record(e, x.what.span)
                flow = POISON
        if x.shape is not None and isinstance(flow, Value):
            self.check_shape(x.shape, flow, env)
        return flow

    def primary(self, x: s.Step, env: Env, flow: Flow, name: str | None, begins: bool, which: str) -> Flow:
        what = x.what
        if isinstance(what, s.Begin):
            if not begins:
                raise error("E311", "`input` can only begin a pipeline", what.span)
            found = env_flow(env)
            if found is None:
                raise error("E311", "no value flows in here", what.span)
            return found
        if isinstance(what, s.Body):
            return self.body(what, Env(env, flow=flow), flow)
        found = env.find(what.name)
        if isinstance(found, (Value, Poison)):
            if what.args or what.branches is not None:
                raise error("E202", f"`{what.name}` is a value, it takes no arguments", what.span)
            if not begins:
                raise error("E311", f"the value `{what.name}` can only begin a pipeline", what.span)
            return found
        if isinstance(found, Shared):
            return self.shared(found, what, flow)
        if isinstance(found, BlockValue):
            return self.called(found, what, env, flow, name, which)
        if found is not None:
            raise error("E202", f"`{what.name}` is {drawn(found)}, not a step", what.span)
        op = REGISTRY.get(what.name)
        if op is None or not op.word:
            steps = [n for n in env.known() if isinstance(env.find(n), (BlockValue, Value, Shared))]
            raise error("E201", f"unknown op or block `{what.name}`", what.span, help=near(what.name, [*words(), *steps]))
        return self.apply(op, what, what.args, {}, env, flow, name or None)

    # Blocks -----------------------------------------------------------------------------------------------------------------

    def called(self, value: BlockValue, call: s.Call, env: Env, flow: Flow, name: str | None, which: str) -> Flow:
        if value.block is None:
            return self.apply(REGISTRY[value.name], call, call.args, dict(value.fixed), env, flow, name)
        if call.branches is not None:
            raise error("E202", f"the block `{call.name}` takes no branches", call.span)
        block = value.block
        arguments = bind_block(self, block, call.args, env, dict(value.fixed))
        if flow is None:
            raise error("E311", f"no value flows into `{call.name}`", call.span)
        if flow is POISON:
            return POISON
        self.blocks += 1
        if self.blocks > DEEPEST_BLOCKS:
            raise Fatal(error("E906", f"`{call.name}` calls itself without end, or blocks are nested more than {DEEPEST_BLOCKS} deep",
                              call.span, frames=self.frames[:6]))  # fmt: skip
        given = [f"{k} = {drawn(v)}" for k, v in arguments.items()]
        what = f"{block.label.name}{f'({", ".join(given)})' if given else ''}{which}"
        inner = Env(value.env, dict(arguments), flow=flow)
        try:
            with self.frame(what, call.span), self.scope.inside(self.scope.segment(name or call.name)):
                return self.body(block.body, inner, flow)
        finally:
            self.blocks -= 1

    def shared(self, value: Shared, call: s.Call, flow: Flow) -> Flow:
        """The steps of a `share` on another value: the weights it made the first time serve again."""
        if call.args or call.branches is not None:
            raise error("E202", f"`{call.name}` is a share, it takes no arguments", call.span)
        if flow is None or flow is POISON:
            return flow
        assert isinstance(flow, Value)
        if value.channels and value.channels[0] != flow.type.channels:
            raise error("E312", f"`{call.name}` was used on {value.channels[0]} channels, here come {flow.type.channels}", call.span)
        value.channels.append(flow.type.channels)
        scope, self.scope = self.scope, Scope()
        self.scope.prefix = list(value.prefix)
        try:
            return self.pipeline(value.pipeline, Env(value.env, flow=flow), flow)
        finally:
            self.scope = scope

    # Ops ----------------------------------------------------------------------------------------------------------------------

    def apply(self, op: Op, call: s.Call, args: Sequence[s.Argument], fixed: Mapping[str, Any], env: Env, flow: Flow, name: str | None) -> Flow:
        """An op on the value that flows, or on its branches."""
        given = bind_op(self, op, args, env, dict(env.default(op.name)) | dict(fixed))
        if flow is None and call.branches is None:
            raise error("E311", f"no value flows into `{call.name}`", call.span)
        if call.branches is not None:
            return join(self, op, call, given, env, flow)
        if flow is POISON:
            return POISON
        assert isinstance(flow, Value)
        if op.inputs is None:
            raise error("E311", f"`{op.name}` joins branches", call.span, help=f"write them: {op.name} {{ a: …; b: … }}")
        if op.name == "batch_norm" and given.get("momentum", 1) < 0.5:
            self.warn("W201", f"momentum = {given['momentum']} keeps little of the old statistic", call.span,
                      help=f"here momentum is the share kept; PyTorch's {given['momentum']} is {1 - given['momentum']:g}")  # fmt: skip
        origin = Origin(self.scope.path(self.scope.segment(name or call.name)), call.span, self.frames)
        return self.add(op, [flow], given, origin)

    def add(self, op: Op, values: list[Value], given: Mapping[str, Any], origin: Origin) -> Value:
        from cnndsl.graph.layers import add_layer

        try:
            attrs = op.attrs(**{k: v.text if isinstance(v, Word) else v for k, v in given.items()})
        except CnnError as e:
            raise placed(e, op.name, origin) from None
        value = add_layer(self.graph, op, values, attrs, origin, self.head)
        total = 1
        for n in value.type.shape[1:]:
            total *= n if isinstance(n, int) else 1
        if total > LARGEST_TENSOR:
            raise error("E907", f"{op.name} would give {total} numbers an image; at most 2^31 - 1 are allowed", origin.span)
        return value

    # Shapes ---------------------------------------------------------------------------------------------------------------------

    def check_shape(self, note: s.ShapeNote, value: Value, env: Env) -> None:
        actual = value.type.shape[1:]
        wanted: list[Any] = []
        for part in note.parts:
            if isinstance(part, (int, str)):
                wanted.append(part if isinstance(part, int) or part == "_" else self.substituted(Affine.symbol(part)))
            else:
                wanted.append(self.evaluate(part, env, ()))
        fits = len(wanted) == len(actual) and all(w == "_" or w == n for w, n in zip(wanted, actual, strict=True))
        if not fits:
            self.record(error("E310", f"the value here is {shown(value.type)}, not {'x'.join(map(str, wanted))}", note.span,
                              help=f"write : {shown(value.type)}, or mend the step"))  # fmt: skip


class Fatal(Exception):
    """Elaboration ends here; `cause` is recorded, where there is one."""

    def __init__(self, cause: CnnError | None) -> None:
        super().__init__()
        self.cause = cause


def env_flow(env: Env) -> Flow:
    """What `input` means: the value that came into the innermost body that one came into."""
    e: Env | None = env
    while e is not None:
        if e.flow is not None:
            return e.flow
        e = e.parent
    return None


def shown(t: TensorType) -> str:
    return "x".join(map(str, t.shape[1:]))


def words() -> list[str]:
    return [name for name, op in REGISTRY.items() if op.word]
