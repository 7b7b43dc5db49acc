"""plan: a graph, all its sizes integers, becomes a program: kernels, regions, and a place for every array."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from cnndsl.errors import error
from cnndsl.graph.batch import batched_values
from cnndsl.graph.fixed import fixed_nodes
from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.graph.target import Choice, Target
from cnndsl.program.memory import Life, aligned, place
from cnndsl.program.names import Names
from cnndsl.program.program import Buffer, Copy, Join, Kernel, Procedure, Program, Region
from cnndsl.program.regions import Step, group
from cnndsl.program.schedule import schedule
from cnndsl.program.wide import inside as inside_of
from cnndsl.program.wide import parts_of_concats, parts_taken


def plan(graph: Graph, target: Target, batch: int, workers: int = 1, training: bool = False) -> Program:
    """The program that runs `graph` on `target`. `workers`: threads that a region may use.

    The same graph, target and options give the same program, to the byte.
    """
    return _Planner(graph, target, batch, workers, training).program()


class _Planner:
    def __init__(self, graph: Graph, target: Target, batch: int, workers: int, training: bool) -> None:
        self.graph, self.target, self.batch, self.training = graph, target, batch, training
        self.asked = workers  # a target may share one image's kernel among them
        self.workers = min(workers, batch)
        self.batched = batched_values(graph)
        self.names = Names()
        self.roots = _roots(graph)
        self.choices: dict[Node, Choice] = {}
        self.buffers: dict[Value, Buffer] = {}  # by root
        self.results: dict[str, Buffer] = {}  # the buffer of each output, made once: its name is what the file writes
        self.copies: list[Copy] = []
        self.partials: dict[str, Value] = {}  # name of a partial buffer → the value whose parts it holds

    def program(self) -> Program:
        prepared = self._prepared()
        kernels = [n for n in self.graph.nodes if n.op not in SOURCES and not n.op.view]
        self.reads = {n: {self.roots[x] for x in n.operands if self.roots[x].node.op not in SOURCES} for n in kernels}
        names = Names()
        self.kernel_names = {n: names.fresh(n.path or n.op.name) for n in kernels}
        self.parts = self._concat_parts([n for n in kernels if n not in prepared])
        self.taken = self._parts_taken({n for n in kernels if n not in prepared})
        gone = {wide.node for wide, _ in self.parts.values()} | {y.node for y in self.taken}
        kernels = [n for n in kernels if n not in gone]
        self.roots |= {y: x for y, (x, _) in self.taken.items()}
        self.reads = {n: {self.roots[x] for x in n.operands if self.roots[x].node.op not in SOURCES} for n in kernels}
        early = [self._step(n, 1) for n in kernels if n in prepared]
        running = [n for n in kernels if n not in prepared]
        if not self.training:  # a step's order keeps what can be cut between workers together
            running = schedule(running, self._needs(running), {self.roots[v] for v in self.graph.results})
        late = [self._step(n, self.asked) for n in running]
        before = [(early, 1)] if early else []
        after = group(late, self.workers, self.reads)
        self._fixed_buffers()
        prepared_bytes = self._place_prepared(early, prepared)
        arena_bytes, joins = self._place_run(after)
        scratch = max((c.scratch for c in self.choices.values()), default=0)
        return Program(
            name=self.graph.name,
            graph=self.graph,
            target=self.target.name,
            batch=self.batch,
            workers=self.asked,
            training=self.training,
            inputs={k: self.buffers[v] for k, v in self.graph.inputs.items()},
            outputs=dict(self.results),
            state={k: self.buffers[v] for k, v in self.graph.state_values.items()},
            prepare=Procedure("prepare", tuple(self._region(s, w, ()) for s, w in before)),
            run=Procedure("run", tuple(self._region(s, w, j) for (s, w), j in zip(after, joins, strict=True))),
            copies=tuple(self.copies),
            arena_bytes=arena_bytes,
            prepared_bytes=prepared_bytes,
            scratch_bytes=scratch,
        )

    def _concat_parts(self, kernels: list[Node]) -> dict[Value, tuple[Value, int]]:
        writes_strided = getattr(self.target, "writes_strided", None)
        if writes_strided is None:
            return {}
        kept = {self.roots[v] for v in self.graph.results}
        return parts_of_concats(kernels, self.roots, kept, lambda n: writes_strided(n, self._choice(n, self.asked)))

    def _parts_taken(self, running: set[Node]) -> dict[Value, tuple[Value, int]]:
        reads_strided = getattr(self.target, "reads_strided", None)
        if reads_strided is None:
            return {}
        kept = {self.roots[v] for v in self.graph.results}
        parts = {*self.parts, *(wide for wide, _ in self.parts.values())}
        can = lambda n: reads_strided(n, self._choice(n, self.asked))  # noqa: E731
        return parts_taken(self.graph, running, self.roots, kept, parts, can)

    def _needs(self, kernels: list[Node]) -> dict[Node, set[Value]]:
        """What each kernel reads as the schedule sees it: the branches of a concat that never runs, not its value."""
        branches: dict[Value, list[Value]] = defaultdict(list)
        for x, (wide, _) in self.parts.items():
            branches[wide].append(x)
        return {n: {x for root in self.reads[n] for x in branches.get(root, (root,))} for n in kernels}

    def _choice(self, node: Node, workers: int) -> Choice:
        if node not in self.choices:
            self.choices[node] = self.target.choose(node, workers)
        return self.choices[node]

    # What runs when ------------------------------------------------------------------------------------------------

    def _prepared(self) -> set[Node]:
        """Nodes that depend on state and constants alone, where no run changes that state."""
        if self.training:
            return set()
        results = {self.roots[v].node for v in self.graph.results}
        fixed = fixed_nodes(self.graph, renewed=results)
        return {node for node in self.graph.nodes if fixed[node.id]}

    def _step(self, node: Node, workers: int) -> Step:
        choice = self._choice(node, workers)
        rule = node.op.batch_rule(node.attrs)
        fed = any(x in self.batched for x in (*node.operands, *node.outputs))
        return Step(node, rule, fed and rule in ("map", "make", "sum"), choice.seconds)

    # Where things lie ------------------------------------------------------------------------------------------------

    def _fixed_buffers(self) -> None:
        """Inputs, state, constants and outputs: arrays that somebody else owns, or that are written into the source."""
        for node in self.graph.nodes:
            if node.op in SOURCES:
                space = {"input": "input", "state": "state", "constant": "constant"}[node.op.name]
                value = node.outputs[0]
                name = self.names.fresh(node.attrs.name or "constant")
                self.buffers[value] = Buffer(name, value.type, space, node.attrs.name, data=tuple(node.attrs.data))
        for name, value in self.graph.outputs.items():
            root = self.roots[value]
            if root in self.buffers:  # an input, a state, or the same value under a second name
                self.results[name] = Buffer(self.names.fresh(f"{name}_out"), value.type, "output", name)
                self.copies.append(Copy(self._view(value), self.results[name]))
            else:
                self.buffers[root] = Buffer(self.names.fresh(name), root.type, "output", name)
                self.results[name] = self.buffers[root]

    def _place_prepared(self, steps: list[Step], prepared: set[Node]) -> int:
        """Prepared values that a run reads stay; the others share bytes while `prepare` runs."""
        end = len(steps)
        last: dict[Value, int] = {}
        for i, step in enumerate(steps):
            for root in self.reads[step.node]:
                last[root] = i
        for node, roots in self.reads.items():
            if node not in prepared:
                last.update((r, end) for r in roots if r.node in prepared)
        lives = []
        for i, step in enumerate(steps):
            for k, y in enumerate(step.node.outputs):
                if y not in self.buffers:
                    name = self._value_name(step.node, k)
                    self.buffers[y] = Buffer(name, y.type, "prepared")
                    lives.append(Life(y, y.type.nbytes, i, last.get(y, i)))
        offsets, total = place(lives)
        for life in lives:
            assert isinstance(life.key, Value)
            self.buffers[life.key] = replace(self.buffers[life.key], offset=offsets[life.key])
        return total

    def _place_run(self, regions: list[tuple[list[Step], int]]) -> tuple[int, list[tuple[Join, ...]]]:
        """Offsets for everything a run writes, and the joins of each region."""
        moments, region_of = self._moments(regions)
        last: dict[Value, int] = {}
        readers: dict[Value, set[int]] = defaultdict(set)
        for steps, _ in regions:
            for step in steps:
                for root in self.reads[step.node]:
                    last[root] = max(last.get(root, 0), moments[step.node])
                    readers[root].add(region_of[step.node])
        end = max(moments.values(), default=0) + 1
        for value in self.graph.updates.values():
            last[self.roots[value]] = end
        for copy_of in self.graph.outputs.values():
            if self.buffers.get(self.roots[copy_of]) is None:
                last[self.roots[copy_of]] = end
        self._updates_in_place(regions, moments)
        lives: list[Life] = []
        joins: list[tuple[Join, ...]] = []
        final, stays = self._final_reads(regions)
        homes: dict[Value, Value] = {}  # the value whose bytes a value takes over: itself, or a dying operand's
        outer: dict[Value, Life] = {}
        for r, (steps, workers) in enumerate(regions):
            inner: dict[Value, Life] = {}
            made: list[Join] = []
            start, stop = moments[steps[0].node], moments[steps[-1].node]
            for i, step in enumerate(steps):
                for k, y in enumerate(step.node.outputs):
                    if workers > 1 and step.rule == "sum":
                        made.append(self._partial(step.node, k, workers))
                        lives.append(Life(made[-1].partial.name, made[-1].partial.nbytes, start, stop))
                    if y in self.buffers:
                        continue
                    part, below = y, None
                    if y in self.parts:  # what is placed is the wide array, with the first of its parts
                        y = self.parts[y][0]
                        if y in self.buffers:
                            continue
                    else:
                        below = self._dying(y, final, last, end)
                    self.buffers[y] = Buffer(self._value_name(y.node, k), y.type, "arena")
                    here = part is y or all(region_of[x.node] == r for x, (wide, _) in self.parts.items() if wide is y)
                    inside = workers > 1 and y in self.batched and readers[y] <= {r} and here and last.get(y, 0) < end
                    home = homes[y] = y if below is None else homes[below]
                    if home in inner and inside:
                        inner[home] = self._longer(inner[home], stays.get((r, y), i))
                    elif home in outer and (home is not y):
                        outer[home] = self._longer(outer[home], max(last.get(y, 0), moments[step.node]))
                    elif inside:
                        homes[y] = y
                        share = -(-self.batch // workers) * (y.type.nbytes // self.batch)
                        inner[y] = Life(y, share, i, stays.get((r, y), i))
                    else:
                        homes[y] = y
                        now = moments[step.node]
                        outer[y] = Life(y, y.type.nbytes, now, max(last.get(y, 0), now))
            offsets, share = place(inner.values())
            for step in steps:
                for y in (self.parts.get(x, (x, 0))[0] for x in step.node.outputs):
                    if homes.get(y) in inner:
                        self.buffers[y] = replace(self.buffers[y], offset=offsets[homes[y]], local=aligned(share))
            local = bool(inner)
            if local:
                lives.append(Life(("local", r), aligned(share) * workers, start, stop))
            joins.append(tuple(made))
        offsets, total = place([*lives, *outer.values()])
        placed: set[Value] = set()
        for r, (steps, _) in enumerate(regions):
            base = offsets.get(("local", r), 0)
            joins[r] = tuple(Join(replace(j.partial, offset=offsets[j.partial.name]), j.total) for j in joins[r])
            for y in dict.fromkeys(self.parts.get(x, (x, 0))[0] for step in steps for x in step.node.outputs):
                if y not in placed:
                    placed.add(y)
                    b = self.buffers[y]
                    if b.space == "arena":
                        self.buffers[y] = replace(b, offset=base + b.offset if b.local else offsets[homes[y]])
        joins = [tuple(Join(j.partial, self._total(j)) for j in made) for made in joins]
        self.part_names = {y: self._value_name(y.node, 0) for y in self.taken}
        for x, (wide, at) in self.parts.items():
            self.buffers[x] = inside_of(self._value_name(x.node, 0), x, self.buffers[wide], at)
        self._copy_updates()
        return total, joins

    def _copy_updates(self) -> None:
        """Copies for the updates that could not be written in place; one that reads a state before one that writes it."""
        waiting = {}
        for name, value in self.graph.updates.items():
            target = self.buffers[self.graph.state_values[name]]
            if self.buffers[self.roots[value]] is not target:
                waiting[name] = Copy(self._view(value), target)
        while waiting:
            read = {c.source.slot for c in waiting.values() if c.source.space == "state"}
            ready = [name for name in waiting if name not in read]
            if not ready:
                raise error("E601", f"the updates of {', '.join(waiting)} exchange their states")
            self.copies += [waiting.pop(name) for name in ready]

    def _final_reads(self, regions: list[tuple[list[Step], int]]) -> tuple[dict[Value, Node], dict[tuple[int, Value], int]]:
        """The last node in the whole run that reads a value, and the last position in each region where it is read."""
        final: dict[Value, Node] = {}
        stays: dict[tuple[int, Value], int] = {}
        for r, (steps, _) in enumerate(regions):
            for i, step in enumerate(steps):
                for x in self.reads[step.node]:
                    final[x] = step.node
                    stays[r, x] = i
        return final, stays

    def _dying(self, y: Value, final: dict[Value, Node], last: dict[Value, int], end: int) -> Value | None:
        """An operand that `y` may be written over: `y` is the last to read it, as an array of its own shape, number by number.

        So does a pointwise node, and what is fused behind an anchor, for which the target must be able to keep the anchor's
        own result apart. Cut between workers this stays sound: both carry the batch, so a worker touches its own images.
        """
        node = y.node
        whole = read_whole(node)
        if len(node.outputs) > 1 or whole is None:
            return None
        if whole:
            adds = getattr(self.target, "adds_in_place", None)
            if adds is None or not adds(node, self._choice(node, self.asked)):
                return None
        shown = [(self.roots[x], x.type) for x in node.operands]
        taboo = {self.roots[x] for x in whole}
        for root, type_ in shown:
            if root in taboo:
                continue
            buffer = self.buffers.get(root)
            fits = type_ == y.type == root.type and all(t == y.type for r, t in shown if r is root)
            mine = buffer is not None and buffer.space == "arena" and final.get(root) is node and last.get(root, 0) < end
            if fits and mine and (root in self.batched) == (y in self.batched):
                return root
        return None

    @staticmethod
    def _longer(life: Life, last: int) -> Life:
        return replace(life, last=max(life.last, last))

    def _moments(self, regions: list[tuple[list[Step], int]]) -> tuple[dict[Node, int], dict[Node, int]]:
        """The moment and the region of each node: moments count kernels, but a region of several workers is one."""
        moments: dict[Node, int] = {}
        region_of: dict[Node, int] = {}
        now = 0
        for r, (steps, workers) in enumerate(regions):
            for step in steps:
                now += workers == 1
                moments[step.node] = now if workers == 1 else now + 1
                region_of[step.node] = r
            now += workers > 1
        return moments, region_of

    def _updates_in_place(self, regions: list[tuple[list[Step], int]], moments: dict[Node, int]) -> None:
        """An update is written over its state where nobody reads the old value later.

        The kernel that makes it may itself read the old value if it is pointwise: it reads each number before it
        writes it. In a region of several workers, other kernels of that region must not read it at all.
        """
        kept = {self.roots[v] for v in self.graph.results}  # read when a run ends
        many = {s.node for steps, workers in regions if workers > 1 for s in steps}
        users: dict[Value, list[Node]] = defaultdict(list)
        for node in self.kernel_names:
            for x in dict.fromkeys(self.roots[x] for x in node.operands):
                users[x].append(node)
        for name, value in self.graph.updates.items():
            root, state = self.roots[value], self.graph.state_values[name]
            if root in self.buffers or state in kept or root.type != state.type or root.node in many:
                continue
            maker = moments[root.node]
            others = [n for n in users[state] if n is not root.node]
            itself = root.node in users[state]
            if all(moments[n] < maker for n in others) and (not itself or is_pointwise(root.node)):
                self.buffers[root] = self.buffers[state]

    def _partial(self, node: Node, index: int, workers: int) -> Join:
        y = node.outputs[index]
        name = self.names.fresh(f"{self._wish(node, index)}_parts")
        total = self.buffers.get(y) or Buffer(name, y.type, "arena")
        self.partials[name] = y
        part = Buffer(name, y.type, "arena", partial=workers)
        return Join(part, total)

    def _total(self, join: Join) -> Buffer:
        return self.buffers[self.partials[join.partial.name]]

    # Kernels ---------------------------------------------------------------------------------------------------------

    def _region(self, steps: list[Step], workers: int, joins: tuple[Join, ...]) -> Region:
        partial = {self.partials[j.partial.name]: j.partial for j in joins} if joins else {}
        return Region(tuple(self._kernel(s, partial if workers > 1 else {}) for s in steps), workers, joins)

    def _kernel(self, step: Step, partial: dict[Value, Buffer]) -> Kernel:
        node = step.node
        inputs = tuple(self._view(x) for x in node.operands)
        outputs = tuple(partial.get(y) or self.buffers[y] for y in node.outputs)
        batched = tuple(x in self.batched for x in (*node.operands, *node.outputs))
        return Kernel(
            self.kernel_names[node], node, inputs, outputs, step.rule if step.cut else "whole", batched, self.choices[node]
        )

    def _view(self, value: Value) -> Buffer:
        """The buffer of a value: its root's, under the value's own shape, or a part of it."""
        root = self.roots[value]
        buffer = self.buffers[root]
        if value in self.taken:
            return inside_of(self.part_names[value], value, buffer, self.taken[value][1])
        return buffer if value.type == root.type else replace(buffer, type=value.type)

    def _wish(self, node: Node, index: int) -> str:
        return self.kernel_names[node] + (f"_{index + 1}" if index else "")

    def _value_name(self, node: Node, index: int) -> str:
        return self.names.fresh(self._wish(node, index))


def read_whole(node: Node) -> set[Value] | None:
    """The operands that a node does not read number by number: those of its anchor; None: it is no pointwise node."""
    if is_pointwise(node):
        return set()
    if node.op.name != "fused":
        return None
    inner = node.attrs.inner
    outer = dict(zip(inner.inputs.values(), node.operands, strict=True))
    read = node.attrs.anchor.operands
    return {outer[x] for x in read} if all(x in outer for x in read) else None


def is_pointwise(node: Node) -> bool:
    """Whether a node reads and writes number by number, so that it may write over an operand."""
    if node.op.name == "fused":
        return node.attrs.anchor is None
    return node.op.pointwise is not None


def _roots(graph: Graph) -> dict[Value, Value]:
    """For each value, the value whose memory it is: itself, or what a chain of views stands on."""
    roots: dict[Value, Value] = {}
    for node in graph.nodes:
        for y in node.outputs:
            roots[y] = roots[node.operands[0]] if node.op.view else y
    return roots
