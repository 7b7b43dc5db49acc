"""A graph as a picture: boxes, joins and edges with their places, before any of it is SVG.

Steps and the light steps that follow them (norms, activations, dropout) make one card of stripes. `identity` and what
only reshapes a gate are no boxes: the edge says it. Blocks are laid out from the inside out, each as one item of the
block around it; heads stand aside.
"""

from __future__ import annotations

from cnndsl.graph.graph import INPUT, SOURCES, Graph, Node, Value
from cnndsl.view.fold import Group, bounded, count_rows, fitting_depth, follows, heads_of, tree
from cnndsl.view.layout import Edge, Item
from cnndsl.view.placing import lay_out_block, lay_out_rows, lay_out_top
from cnndsl.view.shapes import (
    CAPTION,
    MAIN,
    STRIPE,
    TITLE,
    Line,
    Picture,
    Shape,
    Stripe,
    centred,
    grouped,
    keeps_size,
    padded,
    shortened,
    sizes,
    text_width,
    words,
)  # fmt: skip
from cnndsl.view.words import FAMILY, LIGHT, first_parameters, kernel, options, strides, tidy, without_ops

MOST_PARTS = 420  # of what may be unfolded by itself: about 150 boxes
MOST_BOXES = 1_500  # whatever was asked for
MOST_IN_A_GROUP = 150
LEAST_IN_A_RUN = 4
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "maximum": "max"}


def picture(graph: Graph, depth: int | None = None, columns: int | None = None) -> Picture:
    """Lay out `graph`, its groups unfolded `depth` deep, in at most `columns`; by default as a page of 16:9 shows it best."""
    root = tree(graph)
    notes: list[str] = []
    most = MOST_PARTS if depth is None else MOST_BOXES
    fitting = fitting_depth(root, most)
    if depth is not None and count_rows(root, depth) > most and fitting < depth:
        notes.append(f"Blocks are unfolded {fitting} deep, not {depth}: more would not be readable.")
    if bounded(root, MOST_IN_A_GROUP):
        notes.append(f"A body of more than {MOST_IN_A_GROUP} steps is drawn in stretches.")
        fitting = fitting_depth(root, most)
    if depth is None and columns is None:  # levels stand in rows, with nothing but boxes in them
        rows = _Drawing(graph, root, 0, notes, flat=True).in_rows()
        if rows is not None:
            return rows
    return _Drawing(graph, root, fitting if depth is None else min(depth, fitting), notes).drawn(columns)


Known = set[tuple[Shape, Shape, Value]]


class _Drawing:
    """One picture in the making."""

    def __init__(self, graph: Graph, root: Group, depth: int, notes: list[str], flat: bool = False) -> None:
        self.graph, self.root, self.depth, self.notes, self.is_flat = graph, root, depth, notes, flat
        self.parameters = first_parameters(graph)
        self.heads = heads_of(graph)
        self.alias: dict[Value, Value] = {}
        self.uses: dict[Value, int] = {}
        for node in graph.nodes:
            if node.op.name in ("identity", "spread"):
                self.alias[node.outputs[0]] = self.real(node.operands[0])
        for node in graph.nodes:
            for x in node.operands:
                self.uses[self.real(x)] = self.uses.get(self.real(x), 0) + 1
        for x in (*graph.outputs.values(), *graph.heads.values()):
            self.uses[self.real(x)] = self.uses.get(self.real(x), 0) + 1
        windows = [n for n in graph.nodes if max(kernel(n), default=1) > 1 and all(s == 1 for s in strides(n))]
        self.mixed = not all(map(keeps_size, windows))  # then a window that keeps the size says why
        self.shape_of: dict[Node, Shape] = {}
        self.examples: set[Group] = set()  # unfolded, though it is deeper than others
        self.unequal: set[Group] = set()
        self.pills: list[tuple[Shape, Value]] = []
        self.top = Shape("block", Item(0, 0, 0))

    def real(self, x: Value) -> Value:
        """The value itself, where `x` is only another name of it."""
        return self.alias.get(x, x)

    def in_rows(self) -> Picture | None:
        """Each level of a U-Net or hourglass as a row; None where the body is none."""
        self.shapes()
        self.edges()
        size = lay_out_rows(self.top, self.taps)
        return self.finished(*size) if size is not None else None

    def drawn(self, columns: int | None) -> Picture:
        self.shapes()
        self.edges()
        blocks = [s for s in _walk(self.top) if s.kind == "block"]
        for block in reversed(blocks[1:]):
            lay_out_block(block)
        return self.finished(*lay_out_top(self.top, self.taps, columns))

    def finished(self, width: float, height: float) -> Picture:
        """Everything at its place on the page."""
        shapes, lines = [], []
        for shape in _walk(self.top):
            if shape is not self.top:
                shapes.append(shape)
                assert shape.parent is not None
                px, py = shape.parent.offset
                shape.x, shape.y = px + shape.item.x - shape.item.left, py + shape.item.y
                shape.offset = (px + shape.item.x, shape.y + TITLE)
            for line in shape.lines:
                line.points = [(x + shape.offset[0], y + shape.offset[1]) for x, y in line.edge.points]
                lines.append(line)
        return Picture(self.graph.name, width, height, shapes, lines, self.notes)

    # What is drawn ----------------------------------------------------------------------------------------------

    def shapes(self) -> None:
        """Make every shape, inside the shape of its block."""
        for name, x in self.graph.inputs.items():
            text = f"{name}  {sizes(x)}"
            self.put(self.top, Shape("input", centred(text_width(text, 11) + 24, 20), (x.node,), title=name, detail=sizes(x)))
        stack: list[tuple[Group, Shape, int]] = [(self.root, self.top, 0)]
        while stack:
            group, into, level = stack.pop()
            card: list[Node] = []
            inner: list[tuple[Group, Shape, int]] = []
            for part in self.gathered(self.flat(group), level):
                if isinstance(part, Node):
                    if card and not self.continues(card, part):
                        self.put_card(into, card)
                        card = []
                    if part.op.name in SYMBOLS or part.op.name == "concat":
                        self.put_join(into, part)
                    else:
                        card.append(part)
                    continue
                if card:
                    self.put_card(into, card)
                    card = []
                shape = self.block(part, level if part not in self.examples else -1)
                self.put(into, shape)
                if shape.kind == "block":
                    inner.append((part, shape, level + 1))
            if card:
                self.put_card(into, card)
            stack.extend(inner)
        for name, x in self.graph.outputs.items():
            if self.real(x).node.op is not INPUT:
                shape = Shape("output", centred(text_width(f"{name}  {sizes(x)}", 11) + 24, 20), title=name, detail=sizes(x))
                shape.item.kind = "exit"
                self.put(self.top, shape)
                self.pills.append((shape, self.real(x)))

    def gathered(self, parts: list[Group | Node], level: int) -> list[Group | Node]:
        """Of folded blocks of one kind that follow each other, as in a DenseNet, the first unfolded and the others as one."""
        found: list[Group | Node] = []
        runs: list[list[Group | Node]] = []
        for part in parts:
            last = runs[-1][-1] if runs else None
            alike = isinstance(part, Group) and isinstance(last, Group) and bool(part.title) and part.title == last.title
            if alike and level >= self.depth and not self.is_flat and follows(last, part):  # type: ignore[arg-type]
                runs[-1].append(part)
            else:
                runs.append([part])
        for run in runs:
            first = run[0]
            if len(run) < LEAST_IN_A_RUN or not isinstance(first, Group):
                found += run
                continue
            rest = [g for g in run[1:] if isinstance(g, Group)]
            self.examples.add(first)
            made = Group(rest[0].name, rest[0].path, list(rest), first.parent, first.title, count=sum(g.count for g in rest))
            self.unequal.add(made)
            found += [first, made]
        return found

    def flat(self, group: Group) -> list[Group | Node]:
        """The parts of `group`, those of small blocks (one step and its light followers) in their place."""
        found: list[Group | Node] = []
        stack = list(reversed(group.parts))
        while stack:
            part = stack.pop()
            if isinstance(part, Node):
                if part.outputs[0] not in self.alias:
                    found.append(part)
            elif part.count == 1 and not part.head and (self.is_small(part) or _recursive(part) or self.is_plain(part)):
                stack.extend(reversed(part.parts))
            elif any(n.outputs[0] not in self.alias for n in part.nodes()):
                found.append(part)
        return found

    def is_small(self, group: Group) -> bool:
        """Whether all of it makes one card; or two, one after the other, inside another block."""
        cards: list[list[Node]] = []
        for node in group.nodes():
            if node.outputs[0] in self.alias:
                continue
            if FAMILY.get(node.op.name) == "join":
                return False
            if cards and self.continues(cards[-1], node):
                cards[-1].append(node)
                continue
            if len(cards) == (2 if group.level > 1 else 1) or (cards and not self.alone(cards[-1][-1], node)):
                return False
            cards.append([node])
        return bool(cards)

    def is_plain(self, group: Group) -> bool:
        """Whether a flat drawing has no box for it: nothing is joined in it."""
        return self.is_flat and all(FAMILY.get(n.op.name) != "join" for n in group.nodes())

    def alone(self, before: Node, node: Node) -> bool:
        """Whether `node`, and nothing else, takes what `before` makes, and takes nothing else."""
        last = self.real(before.outputs[0])
        return self.uses.get(last) == 1 and [self.real(x) for x in node.operands if x.node.op not in SOURCES] == [last]

    def continues(self, card: list[Node], node: Node) -> bool:
        """Whether `node` is a light step that alone takes what `card` ends with."""
        same_head = self.heads.get(node) == self.heads.get(card[-1])
        return node.op.name in LIGHT and same_head and len(card) < 8 and self.alone(card[-1], node)

    def put(self, into: Shape, shape: Shape) -> None:
        shape.parent = into
        shape.item.order = float(len(into.children))
        into.children.append(shape)
        for node in shape.nodes:
            self.shape_of[node] = shape

    def put_card(self, into: Shape, nodes: list[Node]) -> None:
        stripes = []
        for k, node in enumerate(nodes):
            light = node.op.name in LIGHT
            count = self.parameters.get(node, 0)
            caption = f"{grouped(count)} parameters" if count and not (light and k) else ""
            caption = ", ".join(filter(None, [caption, padded(node, self.mixed)]))
            height = (STRIPE if light else MAIN) + (CAPTION if caption else 0)
            stripes.append(Stripe(words(node), FAMILY.get(node.op.name, "shape"), height, caption))
        width = max(104.0, *(text_width(s.text, 9 if s.height == STRIPE else 11) + 18 for s in stripes))
        width = max(width, *(text_width(s.caption, 8) + 14 for s in stripes))
        tip = "\n".join(
            f"{n.path or n.op.name}: {n.op.name} {options(n)}".rstrip()
            + (f", {grouped(self.parameters[n])} parameters" if n in self.parameters else "")
            for n in nodes
        )
        self.put(into, Shape("card", centred(width, sum(s.height for s in stripes)), tuple(nodes), tuple(stripes), tip=tip))

    def put_join(self, into: Shape, node: Node) -> None:
        if node.op.name == "concat":
            title = "concat" if node.attrs.fit == "exact" else f"concat, {node.attrs.fit}"
            shape = Shape("bar", centred(64, 15), (node,), title=title, tip=node.path, family="join")
            shape.item.kind = "bar"
        else:
            shape = Shape("join", centred(22, 22), (node,), title=SYMBOLS[node.op.name], tip=node.path, family="join")
            shape.item.kind = "join"
        self.put(into, shape)

    def block(self, group: Group, level: int) -> Shape:
        """The shape of a block, unfolded or not."""
        name, _, rest = group.title.partition("(")
        detail = tidy(without_ops(rest[:-1])) if rest else ""
        title = group.head or name or group.name
        if group.head and name:
            detail = name
        total = sum(self.parameters.get(n, 0) for n in group.all_nodes())
        tip = f"{group.path}: {group.title or group.name}" + (f", {grouped(total)} parameters" if total else "")
        if level < self.depth:
            return Shape("block", Item(0, 0, 0), (), title=title, detail=detail, tip=tip, count=group.count, head=group.head)
        caption = f"{grouped(total)} parameters" if total else ""
        badge = text_width(f"× {group.count}", 11) + 16 if group.count > 1 else 0
        detail = shortened(detail, 190, 9)
        width = max(120.0, text_width(title, 11.5) + 22 + badge, text_width(detail, 9) + 18, text_width(caption, 8) + 14)
        height = 24.0 + (11 if detail else 0) + (CAPTION if caption else 0)
        return Shape(
            "folded", centred(width, height), tuple(group.all_nodes()), title=shortened(title, width - badge - 14, 11.5),
            detail=detail, caption=caption, tip=tip, count=group.count, head=group.head, unequal=group in self.unequal,
        )  # fmt: skip

    # What flows -------------------------------------------------------------------------------------------------

    def edges(self) -> None:
        """Every edge, cut at the borders of the blocks that it crosses."""
        known: Known = set()
        self.taps: list[tuple[Shape, Shape, Value]] = []
        copies: dict[Value, Value] = {}
        for group in _groups(self.root):
            if group.copies:  # what leaves the last repetition is drawn as leaving the first
                last = list(group.copies[-1].nodes())
                for a, b in zip(group.nodes(), last, strict=True):
                    copies.update(zip(b.outputs, a.outputs, strict=True))
        for node, shape in self.shape_of.items():
            for x in node.operands:
                if x.node.op not in SOURCES or x.node.op is INPUT:
                    self.edge(self.origin(x, copies), shape, known)
        for shape, x in self.pills:
            self.edge(self.origin(x, copies), shape, known)

    def origin(self, x: Value, copies: dict[Value, Value]) -> Value:
        x = self.real(x)
        for _ in range(len(copies) + 1):
            if x not in copies:
                break
            x = self.real(copies[x])
        return x

    def edge(self, x: Value, head: Shape, known: Known) -> None:
        tail = self.shape_of.get(x.node)
        if tail is None or tail is head:
            return
        up, down = _around(tail), _around(head)
        while len(up) > 1 and len(down) > 1 and up[-2] is down[-2]:
            up.pop()
            down.pop()
        block = up[-1]
        if up[-2:-1] == down[-2:-1]:
            return
        for k in range(len(up) - 2):
            self.line(up[k + 1], up[k], None, x, known)
        for k in range(len(down) - 2):
            self.line(down[k + 1], None, down[k], x, known)
        a, b = up[-2], down[-2]
        if b.head and block is self.top and not a.head:
            if not any(t[1] is b for t in self.taps):
                self.taps.append((a, b, x))
            return
        self.line(block, a, b, x, known)

    def line(self, block: Shape, a: Shape | None, b: Shape | None, x: Value, known: Known) -> None:
        """Within `block`, from a to b; None: its own border."""
        if (a or block, b or block, x) in known:
            return
        known.add((a or block, b or block, x))
        tail = a.item if a else _port(block.ins, block, x, "port")
        head = b.item if b else _port(block.outs, block, x, "exit")
        block.lines.append(Line(Edge(tail, head), a, b, x))


def _recursive(group: Group) -> bool:
    """Whether a block calls itself, or is called by itself: its levels are drawn as one chain."""
    name = group.title.partition("(")[0]
    above, within = group.parent, list(group.parts)
    while above is not None:
        if name and above.title.partition("(")[0] == name:
            return True
        above = above.parent
    while within:
        part = within.pop()
        if isinstance(part, Group):
            if name and part.title.partition("(")[0] == name:
                return True
            within += part.parts
    return False


def _port(known: dict[Value, float], block: Shape, x: Value, kind: str) -> Item:
    for line in block.lines:
        item = line.edge.tail if kind == "port" else line.edge.head
        if line.value is x and item.kind == kind and (line.tail if kind == "port" else line.head) is None:
            return item
    known[x] = 0.0
    return Item(8, 8, 0, kind, order=float(len(known)))


def _around(shape: Shape) -> list[Shape]:
    """The shape and all blocks around it, the picture last."""
    found, at = [], shape
    while True:
        found.append(at)
        if at.parent is None:
            return found
        at = at.parent


def _walk(top: Shape) -> list[Shape]:
    found, stack = [], [top]
    while stack:
        shape = stack.pop()
        found.append(shape)
        stack.extend(reversed(shape.children))
    return found


def _groups(root: Group) -> list[Group]:
    found, stack = [], [root]
    while stack:
        group = stack.pop()
        found.append(group)
        stack.extend(p for p in group.parts if isinstance(p, Group))
    return found
