"""places: a place for every array of a program, and the copies and joins that follow from where things lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cnndsl.errors import error
from cnndsl.graph.batch import batched_values
from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.program.memory import Life, place
from cnndsl.program.names import Names
from cnndsl.program.program import Buffer, Copy, Join
from cnndsl.program.regions import Step
from cnndsl.program.wide import inside as inside_of

Parts = Mapping[Value, tuple[Value, int]]


@dataclass
class Uses:
    """When values are needed. moments: of each kernel; end: after all of them. Of a value: last, the moment of its last
    read; final, the kernel of it; readers, the regions that read it; stays[r, value], its last position in region r.
    """

    moments: dict[Node, int]
    end: int
    last: dict[Value, int] = field(default_factory=dict)
    final: dict[Value, Node] = field(default_factory=dict)
    readers: dict[Value, set[int]] = field(default_factory=lambda: defaultdict(set))
    stays: dict[tuple[int, Value], int] = field(default_factory=dict)


@dataclass
class Owned:
    """Who owns which bytes. inner: of each region, the values that lie in a worker's own block; outer: the others. homes: the
    owner of the bytes in which a value lies, itself or a value that it is written over. joins: of each region. region_of: where
    a value is made.
    """

    inner: list[dict[Value, Life]]
    joins: list[list[Join]]
    outer: dict[Value, Life] = field(default_factory=dict)
    homes: dict[Value, Value] = field(default_factory=dict)
    region_of: dict[Value, int] = field(default_factory=dict)


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
        uses = self._uses(regions)
        self._updates_in_place(regions, uses.moments)
        owned = self._owners(regions, uses)
        shares = [place(inner.values()) for inner in owned.inner]
        lives: list[Life] = []
        for r, (steps, workers) in enumerate(regions):
            start, stop = uses.moments[steps[0].node], uses.moments[steps[-1].node]
            lives += [Life(j.partial.name, j.partial.nbytes, start, stop) for j in owned.joins[r]]
            if owned.inner[r]:
                lives.append(Life(("local", r), shares[r][1] * workers, start, stop))
        offsets, total = place([*lives, *owned.outer.values()])
        for y, home in owned.homes.items():
            if home in owned.outer:
                self.buffers[y] = replace(self.buffers[y], offset=offsets[home])
            else:
                r = owned.region_of[home]
                at, share = shares[r]
                self.buffers[y] = replace(self.buffers[y], offset=offsets["local", r] + at[home], local=share)
        self.part_names = {y: self._value_name(y.node, 0) for y in self.taken}
        for x, (wide, start) in self.parts.items():
            self.buffers[x] = inside_of(self._value_name(x.node, 0), x, self.buffers[wide], start)
        self._copy_updates()
        joins = [
            tuple(Join(replace(j.partial, offset=offsets[j.partial.name]), self._total(j)) for j in made)
            for made in owned.joins
        ]
        return total, joins

    def _uses(self, regions: list[tuple[list[Step], int]]) -> Uses:
        """When each value is read; an update is read when the run ends."""
        moments = self._moments(regions)
        uses = Uses(moments, end=max(moments.values(), default=0) + 1)
        for r, (steps, _) in enumerate(regions):
            for i, step in enumerate(steps):
                for root in self.reads[step.node]:
                    uses.last[root] = max(uses.last.get(root, 0), moments[step.node])
                    uses.readers[root].add(r)
                    uses.final[root] = step.node
                    uses.stays[r, root] = i
        for value in self.graph.updates.values():
            uses.last[self.roots[value]] = uses.end
        return uses

    def _owners(self, regions: list[tuple[list[Step], int]], uses: Uses) -> Owned:
        """Which values have bytes of their own and for how long, which take over those of another, and the sums' parts."""
        owned = Owned([{} for _ in regions], [[] for _ in regions])
        last, stays = uses.last, uses.stays
        for r, (steps, workers) in enumerate(regions):
            inner, outer, homes = owned.inner[r], owned.outer, owned.homes
            for i, step in enumerate(steps):
                for k, made in enumerate(step.node.outputs):
                    if workers > 1 and step.rule == "sum":
                        owned.joins[r].append(self._partial(step.node, k, workers))
                    y = self.parts[made][0] if made in self.parts else made  # the wide array, with the first of its parts
                    if made in self.buffers or y in self.buffers:
                        continue
                    below = self._dying(y, uses) if y is made else None
                    self.buffers[y] = Buffer(self._value_name(y.node, k), y.type, "arena")
                    inside = workers > 1 and y in self.batched and uses.readers[y] <= {r} and last.get(y, 0) < uses.end
                    home = y if below is None else homes[below]
                    if home in inner and inside:
                        inner[home] = self._longer(inner[home], stays.get((r, y), i))
                    elif home in outer:
                        outer[home] = self._longer(outer[home], last.get(y, 0))
                    elif inside:
                        home = y
                        share = -(-self.batch // workers) * (y.type.nbytes // self.batch)
                        inner[y] = Life(y, share, i, stays.get((r, y), i))
                    else:
                        home, now = y, uses.moments[step.node]
                        outer[y] = Life(y, y.type.nbytes, now, max(last.get(y, 0), now))
                    homes[y] = home
                    owned.region_of[y] = r
        return owned

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

    def _dying(self, y: Value, uses: Uses) -> Value | None:
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
            dies = uses.final.get(root) is node and uses.last.get(root, 0) < uses.end
            mine = buffer is not None and buffer.space == "arena" and dies
            if fits and mine and (root in self.batched) == (y in self.batched):
                return root
        return None

    @staticmethod
    def _longer(life: Life, last: int) -> Life:
        return replace(life, last=max(life.last, last))

    @staticmethod
    def _moments(regions: list[tuple[list[Step], int]]) -> dict[Node, int]:
        """The moment of each node: moments count kernels, but a region of several workers is one."""
        moments: dict[Node, int] = {}
        now = 0
        for steps, workers in regions:
            for step in steps:
                now += workers == 1
                moments[step.node] = now if workers == 1 else now + 1
            now += workers > 1
        return moments

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
