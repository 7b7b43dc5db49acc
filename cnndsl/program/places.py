"""places: a place for every array of a program, and the copies and joins that follow from where things lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from cnndsl.errors import error
from cnndsl.graph.batch import batched_values
from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.program.memory import Life, place
from cnndsl.program.names import Names
from cnndsl.program.program import Buffer, Copy, Join
from cnndsl.program.regions import Step
from cnndsl.program.wide import inside as inside_of

Parts = Mapping[Value, tuple[Value, int]]


class Places:
    """The buffers of a graph's values, by root; `fix` is called first, then `place_prepared`, then `place_run`.

    roots         for each value, the value whose memory it is
    reads         for each kernel, the roots that it reads and another kernel writes
    kernel_names  of all kernels, in order: what their results are called
    parts, taken  values that lie inside a wider one: as `parts_of_concats` and `parts_taken` find them
    adds_in_place whether the target can write a fused kernel over an operand that its anchor does not read

    Found: `results`, the buffer of each output; `copies`, at the end of a run; `partials`, the value whose parts a partial
    buffer of that name holds.
    """

    def __init__(
        self,
        graph: Graph,
        batch: int,
        roots: Mapping[Value, Value],
        reads: Mapping[Node, set[Value]],
        kernel_names: Mapping[Node, str],
        parts: Parts,
        taken: Parts,
        adds_in_place: Callable[[Node], bool],
    ) -> None:
        self.graph, self.batch, self.roots, self.reads, self.kernel_names = graph, batch, roots, reads, kernel_names
        self.parts, self.taken, self.adds_in_place = parts, taken, adds_in_place
        self.batched = batched_values(graph)
        self.names = Names()
        self.buffers: dict[Value, Buffer] = {}
        self.results: dict[str, Buffer] = {}  # each made once: its name is what the file writes
        self.copies: list[Copy] = []
        self.partials: dict[str, Value] = {}

    def fix(self) -> None:
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
                self.copies.append(Copy(self.view(value), self.results[name]))
            else:
                self.buffers[root] = Buffer(self.names.fresh(name), root.type, "output", name)
                self.results[name] = self.buffers[root]

    def place_prepared(self, steps: list[Step], prepared: set[Node]) -> int:
        """Prepared values that a run reads stay; the others share bytes while `prepare` runs."""
        end = len(steps)
        last: dict[Value, int] = {}
        for i, step in enumerate(steps):
            for root in self.reads[step.node]:
                last[root] = i
        for node, roots in self.reads.items():
            if node not in prepared:
                last.update(dict.fromkeys(roots, end))  # what is not prepared has no place here to ask for
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

    def place_run(self, regions: list[tuple[list[Step], int]]) -> tuple[int, list[tuple[Join, ...]]]:
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
                    below = None
                    if y in self.parts:  # what is placed is the wide array, with the first of its parts
                        y = self.parts[y][0]
                        if y in self.buffers:
                            continue
                    else:
                        below = self._dying(y, final, last, end)
                    self.buffers[y] = Buffer(self._value_name(y.node, k), y.type, "arena")
                    inside = workers > 1 and y in self.batched and readers[y] <= {r} and last.get(y, 0) < end
                    home = homes[y] = y if below is None else homes[below]
                    if home in inner and inside:
                        inner[home] = self._longer(inner[home], stays.get((r, y), i))
                    elif home in outer and (home is not y):
                        outer[home] = self._longer(outer[home], last.get(y, 0))
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
                        self.buffers[y] = replace(self.buffers[y], offset=offsets[homes[y]], local=share)
            local = bool(inner)
            if local:
                lives.append(Life(("local", r), share * workers, start, stop))
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
                waiting[name] = Copy(self.view(value), target)
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
        if whole and not self.adds_in_place(node):
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

    def view(self, value: Value) -> Buffer:
        """The buffer of a value: its root's, under the value's own shape, or a part of it."""
        root = self.roots[value]
        buffer = self.buffers[root]
        if value in self.taken:
            return inside_of(self.part_names[value], value, buffer, self.taken[value][1])
        return buffer if value.type == root.type else replace(buffer, type=value.type)

    def _wish(self, node: Node, index: int) -> str:
        if node.op.results:
            return f"{self.kernel_names[node]}_{node.op.results[index]}"
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
