"""fuse: nodes that can run as one kernel become one `fused` node, so that values between them never reach memory.

    conv → batch_norm → add → relu        conv with an epilogue; the other branch of the add is an operand
    gy · (x − m) → reduce_sum             a sum with a prologue
    relu' → scale → add                   a pointwise chain; an optimiser's velocity and weight are one chain of two results

What it relies on: pointwise nodes read and write number by number. When it must not fire: an epilogue stays away from
an anchor whose kernel gives sums over parts of a batch (they are no results yet) or whose value is read elsewhere; what
is prepared once stays apart from what every run does; nothing with an anchor is ever computed twice; no cycle.
"""

from __future__ import annotations

from cnndsl.graph.batch import batched_values
from cnndsl.graph.fixed import fixed_nodes
from cnndsl.graph.graph import CONSTANT, INPUT, SOURCES, Graph, Node, Value, copy_node, finish
from cnndsl.passes.context import Context
from cnndsl.passes.groups import MOST_NODES, Group, arrange


def fuse(graph: Graph, ctx: Context) -> Graph:
    """`graph` must be specialised."""
    return _Fuser(graph, ctx).fused()


class _Fuser:
    def __init__(self, graph: Graph, ctx: Context) -> None:
        self.graph, self.ctx = graph, ctx
        self.batched = batched_values(graph)
        self.users = graph.users()
        self.wanted = set(graph.results)
        self.prepared = fixed_nodes(graph) if not ctx.options.training else [False] * len(graph.nodes)
        self.group_of: list[Group | None] = [None] * len(graph.nodes)

    def fused(self) -> Graph:
        for node in reversed(self.graph.nodes):
            if node.op not in SOURCES:
                self._visit(node)
        groups = list(dict.fromkeys(g.find() for g in self.group_of if g is not None))
        for i, g in enumerate(self.group_of):
            self.group_of[i] = g.find() if g is not None else None
        return self._build(arrange(groups, self.group_of, self.graph.nodes))

    # Which nodes go together -------------------------------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        readers: list[Group] = []
        for user in self.users[node.id]:
            group = self.group_of[user.id]
            assert group is not None
            if group.find() not in readers:
                readers.append(group.find())
        kept = any(y in self.wanted for y in node.outputs)
        mine = self._joined(node, readers, kept)
        if mine is None:
            level = 1 + max((g.level for g in readers), default=-1)
            mine = Group(node, level, self._kind(node) if node.op.pointwise is not None else None)
            if node.op.pointwise is None:
                mine.anchor = node
                mine.before.add(node)
        self.group_of[node.id] = mine
        outside = [g for g in (r.find() for r in readers) if g is not mine]
        for group in outside:
            group.supply = min(group.supply, mine.level)
        dead = not readers and not kept  # where dead_code was left out: a kernel has a result, be it read or not
        if kept or outside or dead:
            mine.results.update(y for y in node.outputs if y in self.wanted or outside or dead)

    def _joined(self, node: Node, readers: list[Group], kept: bool) -> Group | None:
        """The group that `node` joins, or None: it begins one."""
        if node.op.view or not readers:
            return None
        if node.op.pointwise is None:
            return self._anchored(node, readers[0]) if len(readers) == 1 and not kept else None
        if len(readers) == 1 and not kept:
            group = readers[0]
            if any(user in group.before for user in self.users[node.id]):
                return self._before(node, group)
            if self._fits_inside(node, group):
                group.take(node, ())
                return group
            return None
        return self._shared(node, readers)

    def _shared(self, node: Node, readers: list[Group]) -> Group | None:
        """A pointwise node read by several groups, or wanted itself: it joins chains of its own shape."""
        kind = self._kind(node)
        chains = [g for g in readers if g.kind == kind and g.anchor is None and len(g.members) < MOST_NODES]
        if not chains:
            return None
        first, *rest = chains
        for other in rest:
            if first.may_merge(other):
                first.merge(other)
        others = [g for g in dict.fromkeys(r.find() for r in readers) if g is not first]
        if not first.may_take(others) or self._refuses(None, node, "chain"):
            return None
        first.take(node, others)
        return first

    def _fits_inside(self, node: Node, group: Group) -> bool:
        """Whether a pointwise node that only `group` reads may be computed inside it."""
        if group.kind is None or len(group.members) >= MOST_NODES or self.prepared[node.id] != group.kind[2]:
            return False
        place = "epilogue" if group.anchor is not None else "chain"
        return self._refuses(group.anchor, node, place) is None

    def _before(self, node: Node, group: Group) -> Group | None:
        """A pointwise node that only a sum reads: its prologue."""
        anchor = group.anchor
        assert anchor is not None
        if anchor.op.name != "reduce_sum" or len(group.members) >= MOST_NODES:
            return None
        if self.prepared[node.id] != self.prepared[anchor.id] or node.outputs[0].type.shape != anchor.operands[0].type.shape:
            return None
        if self._refuses(anchor, node, "prologue") is not None:
            return None
        group.take(node, ())
        group.before.add(node)
        return group

    def _anchored(self, node: Node, group: Group) -> Group | None:
        """An anchor that only a pointwise group reads: the group becomes its epilogue."""
        if group.kind is None or group.anchor is not None or len(node.outputs) != 1 or len(group.results) > 1:
            return None
        result = node.outputs[0]
        if node.op.batch_rule(node.attrs) not in ("map", "make"):
            self.ctx.log.refused("epilogue", node, f"{node.op.name} sums over images: what follows waits for all parts")
            return None
        if group.kind != (result.type.shape, result in self.batched, self.prepared[node.id]):
            self.ctx.log.refused("epilogue", node, "what follows has another shape")
            return None
        for inner in group.members:
            if inner.outputs[0].type.shape != result.type.shape:
                self.ctx.log.refused("epilogue", node, f"{inner.op.name} inside has another shape")
                return None
            if self._refuses(node, inner, "epilogue") is not None:
                return None
        group.take(node, ())
        group.anchor = node
        group.before.add(node)
        return group

    def _refuses(self, anchor: Node | None, inner: Node, place: str) -> str | None:
        target = self.ctx.target
        why = target.refuses_fusion(anchor, inner, place) if target is not None else None
        if why is not None:
            self.ctx.log.refused(place, inner if anchor is None or place == "prologue" else anchor, why)
        return why

    def _kind(self, node: Node) -> tuple[object, ...]:
        y = node.outputs[0]
        return y.type.shape, y in self.batched, self.prepared[node.id]

    # The new graph -----------------------------------------------------------------------------------------------

    def _build(self, order: list[list[Node]]) -> Graph:
        graph, out = self.graph, Graph(self.graph.name)
        out.state.update(graph.state)
        new: dict[Value, Value] = {}
        for unit in order:
            if len(unit) == 1:
                node = unit[0]
                new.update(zip(node.outputs, copy_node(out, node, tuple(new[x] for x in node.operands)), strict=True))
            else:
                self._add_fused(out, unit, new)
        return finish(out, graph, new.get)

    def _add_fused(self, out: Graph, unit: list[Node], new: dict[Value, Value]) -> None:
        from cnndsl.ops.fused import FUSED, FusedAttrs

        group = self.group_of[unit[0].id]
        assert group is not None
        inside = set(unit)
        inner = Graph(group.anchor.path if group.anchor is not None else unit[-1].path)
        meaning: dict[Value, Value] = {}
        operands: list[Value] = []
        read = list(dict.fromkeys(x for node in unit for x in node.operands if x.node not in inside))
        whole = set(group.anchor.operands) if group.anchor is not None else set()  # an anchor reads arrays, no literals
        literal = [x for x in read if x.node.op is CONSTANT and x.type.shape == () and x not in whole]
        for x in read:
            if x in literal and len(literal) < len(read):
                meaning[x] = copy_node(inner, x.node, ())[0]
            else:
                meaning[x] = inner.source(INPUT, f"x{len(operands)}", x.type, batched=x in self.batched)
                operands.append(x)
        for node in unit:
            made = copy_node(inner, node, tuple(meaning[x] for x in node.operands))
            meaning.update(zip(node.outputs, made, strict=True))
        results = [y for node in unit for y in node.outputs if y in group.results]
        for k, y in enumerate(results):
            inner.outputs[f"y{k}"] = meaning[y]
        head = group.anchor if group.anchor is not None else unit[-1]
        made = out.add(FUSED, tuple(new[x] for x in operands), FusedAttrs(inner), head.origin)
        new.update(zip(results, made, strict=True))
        self.ctx.log.fired(" + ".join(n.op.name for n in unit), head)
