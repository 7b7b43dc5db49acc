"""A graph as a picture: boxes, joins and edges with their places, before any of it is SVG.

Steps and the light steps that follow them (norms, activations, dropout) make one card of stripes. `identity` and what
only reshapes a gate are no boxes: the edge says it. Blocks are laid out from the inside out, each as one item of the
block around it; heads stand aside.
"""

from __future__ import annotations

from collections.abc import Collection

from cnndsl.graph.graph import INPUT, SOURCES, Graph, Node, Value
from cnndsl.view.fold import Group, bounded, count_rows, fitting_depth, heads_of, tree
from cnndsl.view.layout import Edge, Item, lay_out
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
    shortened,
    sizes,
    text_width,
    words,
)  # fmt: skip
from cnndsl.view.words import FAMILY, LIGHT, first_parameters, options, tidy

MOST_PARTS = 420  # of what may be unfolded by itself: about 150 boxes
MOST_BOXES = 1_500  # whatever was asked for
MOST_IN_A_GROUP = 150
PAD = 11.0
HEAD_GAP, STEM = 34.0, 13.0
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "maximum": "max"}


def picture(graph: Graph, depth: int | None = None) -> Picture:
    """Lay out `graph`, its groups unfolded `depth` deep; by default as deep as a page can show."""
    root = tree(graph)
    notes: list[str] = []
    most = MOST_PARTS if depth is None else MOST_BOXES
    fitting = fitting_depth(root, most)
    if depth is not None and count_rows(root, depth) > most and fitting < depth:
        notes.append(f"Blocks are unfolded {fitting} deep, not {depth}: more would not be readable.")
    if bounded(root, MOST_IN_A_GROUP):
        notes.append(f"A body of more than {MOST_IN_A_GROUP} steps is drawn in stretches.")
        fitting = fitting_depth(root, most)
    return _Drawing(graph, root, fitting if depth is None else min(depth, fitting), notes).drawn()


Known = set[tuple[Shape, Shape, Value]]


class _Drawing:
    """One picture in the making."""

    def __init__(self, graph: Graph, root: Group, depth: int, notes: list[str]) -> None:
        self.graph, self.root, self.depth, self.notes = graph, root, depth, notes
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
        self.shape_of: dict[Node, Shape] = {}
        self.pills: list[tuple[Shape, Value]] = []
        self.top = Shape("block", Item(0, 0, 0))

    def real(self, x: Value) -> Value:
        """The value itself, where `x` is only another name of it."""
        return self.alias.get(x, x)

    def drawn(self) -> Picture:
        self.shapes()
        self.edges()
        blocks = [s for s in _walk(self.top) if s.kind == "block"]
        for block in reversed(blocks[1:]):
            self.lay_out_block(block)
        width, height = self.lay_out_top()
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
            for part in self.flat(group):
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
                shape = self.block(part, level)
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

    def flat(self, group: Group) -> list[Group | Node]:
        """The parts of `group`, those of small blocks (one step and its light followers) in their place."""
        found: list[Group | Node] = []
        stack = list(reversed(group.parts))
        while stack:
            part = stack.pop()
            if isinstance(part, Node):
                if part.outputs[0] not in self.alias:
                    found.append(part)
            elif part.count == 1 and not part.head and self.is_small(part):
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
            shape = Shape("bar", centred(64, 15), (node,), title="concat", tip=node.path, family="join")
            shape.item.kind = "bar"
        else:
            shape = Shape("join", centred(22, 22), (node,), title=SYMBOLS[node.op.name], tip=node.path, family="join")
            shape.item.kind = "join"
        self.put(into, shape)

    def block(self, group: Group, level: int) -> Shape:
        """The shape of a block, unfolded or not."""
        name, _, rest = group.title.partition("(")
        detail = tidy(rest[:-1]) if rest else ""
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
            detail=detail, caption=caption, tip=tip, count=group.count, head=group.head,
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

    # Where it stands --------------------------------------------------------------------------------------------

    def lay_out_block(self, block: Shape) -> None:
        """Place what is inside, and give the block its size."""
        _labels(block, False)
        left, right, height = _place(block)
        wide = text_width(block.title, 11.5) + (text_width(f"× {block.count}", 11) + 14 if block.count > 1 else 0) + 22
        wide += min(text_width(block.detail, 9) + 12, 160) if block.detail else 0
        left, right = -left + PAD, right + PAD
        if left + right < wide:
            right = wide - left
        badge = text_width(f"× {block.count}", 11) + 12 if block.count > 1 else 0.0
        block.detail = shortened(block.detail, left + right - text_width(block.title, 11.5) - badge - 26, 9)
        block.item.left, block.item.right, block.item.height = left, right, height + TITLE + (0 if block.outs else PAD)
        block.item.kind = "box"

    def lay_out_top(self) -> tuple[float, float]:
        """Place the model's own body, then the heads beside it; the size of the picture."""
        top = self.top
        aside = [s for s in top.children if s.head]
        top.children = [s for s in top.children if not s.head]
        between = [line for line in top.lines if line.tail in aside or line.head in aside]
        top.lines = [line for line in top.lines if line not in between]
        _labels(top, True, [t[0] for t in self.taps])
        left, right, height = _place(top)
        # From the last to the first: a head that reaches below the beginning of a later one stands farther out, so
        # that no dashed line meets a box.
        placed: list[tuple[float, float, float]] = []  # top, bottom, right
        start = right + HEAD_GAP
        for tail, head, x in sorted(self.taps, key=lambda t: -(t[0].item.y + t[0].item.height)):
            item = head.item
            y = tail.item.y + tail.item.height
            item.y = y + STEM + 20
            bottom = item.y + item.height
            edge = max((r + HEAD_GAP for t, b, r in placed if t < bottom + 12 and y < b + 12), default=start)
            item.x = edge + item.left
            placed.append((y, bottom, edge + item.left + item.right))
            into = item.x + head.ins.get(x, 0.0)
            begin = tail.item.x + (tail.outs.get(x, 0.0) if tail.kind == "block" else 0.0)
            line = Line(Edge(tail.item, item), tail, head, x, dashed=True)
            line.edge.points = [(begin, y), (begin, y + STEM + 4), (into, y + STEM + 4), (into, item.y)]
            top.lines.append(line)
            right = max(right, item.x + item.right)
            height = max(height, bottom)
        top.children += aside
        margin = 18.0
        top.offset = (margin - left, margin)
        return right - left + 2 * margin, height + 2 * margin


def _place(block: Shape) -> tuple[float, float, float]:
    """Lay out the inside of `block`; what enters and leaves gets its place from the axis."""
    ports = [x for line in block.lines for x in (line.edge.tail, line.edge.head) if x.kind in ("port", "exit")]
    entries = list(dict.fromkeys(p for p in ports if p.kind == "port"))
    exits = list(dict.fromkeys(p for p in ports if p.kind == "exit" and p not in {s.item for s in block.children}))
    for line in block.lines:
        line.edge.out = line.tail.outs.get(line.value, 0.0) if line.tail and line.tail.kind == "block" else 0.0
        line.edge.into = line.head.ins.get(line.value, 0.0) if line.head and line.head.kind == "block" else 0.0
    items = [*entries, *(s.item for s in block.children), *exits]
    _weaken(block)
    for shape in block.children:
        if shape.kind == "input":
            shape.item.kind = "source"
    found = lay_out(items, [line.edge for line in block.lines])
    for line in block.lines:
        if line.tail is None:
            block.ins[line.value] = line.edge.tail.x
        if line.head is None:
            block.outs[line.value] = line.edge.head.x
    return found


def _weaken(block: Shape) -> None:
    """Of a sum's branches, all but the longest step aside: the main one runs straight."""
    into: dict[Item, list[Line]] = {}
    outs: dict[Item, int] = {}
    for line in block.lines:
        into.setdefault(line.edge.head, []).append(line)
        outs[line.edge.tail] = outs.get(line.edge.tail, 0) + 1
    for shape in block.children:
        if shape.kind != "join" or len(into.get(shape.item, [])) < 2:
            continue
        branches = []
        for line in into[shape.item]:
            chain, item = [], line.edge.tail
            while outs.get(item) == 1 and len(into.get(item, [])) == 1 and item.kind == "box":
                chain.append(item)
                item = into[item][0].edge.tail
            branches.append(chain)
        longest = max(range(len(branches)), key=lambda k: (len(branches[k]), -k))
        for k, chain in enumerate(branches):
            for item in chain:
                item.weight = 1.0 if k == longest else 0.02
                item.order += 0.0 if k == longest else 0.5 + len(block.children)


def _labels(block: Shape, always: bool, taps: Collection[Shape] = ()) -> None:
    """Shapes beside edges: once for each value that leaves something, where its shape is new."""
    told: set[tuple[Item, Value]] = set()
    for line in block.lines:
        if line.tail is None or (line.tail.item, line.value) in told or line.tail.kind == "input":
            continue
        told.add((line.tail.item, line.value))
        before = {x.type.shape for other in block.lines if other.head is line.tail for x in (other.value,)}
        if line.head is None or (line.head.kind == "output" and line.tail.kind != "block"):
            continue
        if (always and line.tail.kind in ("block", "folded")) or line.value.type.shape not in before:
            line.label = sizes(line.value)
            if len({other.head for other in block.lines if other.tail is line.tail}) > 1 or line.tail in taps:
                line.tail.item.stem = STEM
            line.tail.item.label = max(line.tail.item.label, text_width(line.label, 8.5))


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
