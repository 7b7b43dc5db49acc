"""The parts of a picture: boxes of several kinds, the lines between them, and the words in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from cnndsl.graph.graph import Node, Value
from cnndsl.graph.types import drawn
from cnndsl.view.layout import Edge, Item, Point
from cnndsl.view.words import kernel, padding, same, strides, word

STRIPE, MAIN, CAPTION = 14.0, 20.0, 10.0
TITLE = 21.0


@dataclass(frozen=True, slots=True)
class Stripe:
    """One step of a card: its words, its family's colour, its height, and the small line below the words."""

    text: str
    family: str
    height: float
    caption: str = ""


@dataclass(eq=False, slots=True)
class Shape:
    """Something drawn. kind: card, block (unfolded), folded, join, bar, input, output. x, y: its left and top.

    nodes: those that it shows, those inside an unfolded block left out. tip: what a pointer resting on it is told.
    """

    kind: str
    item: Item
    nodes: tuple[Node, ...] = ()
    stripes: tuple[Stripe, ...] = ()
    title: str = ""
    detail: str = ""
    caption: str = ""
    tip: str = ""
    count: int = 1
    unequal: bool = False  # the blocks that it stands for are of one kind and of different sizes
    family: str = "shape"
    parent: Shape | None = None
    children: list[Shape] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    head: str = ""
    offset: Point = (0.0, 0.0)  # of its children's coordinates
    ins: dict[Value, float] = field(default_factory=dict)  # where values enter, from the axis
    outs: dict[Value, float] = field(default_factory=dict)
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return self.item.left + self.item.right

    @property
    def height(self) -> float:
        return self.item.height


@dataclass(eq=False, slots=True)
class Line:
    """An edge. label: the shape of what flows, where it changed. dashed: into a head. arrow: whether it ends at a shape."""

    edge: Edge
    tail: Shape | None
    head: Shape | None
    value: Value
    label: str = ""
    dashed: bool = False
    points: list[Point] = field(default_factory=list)


@dataclass(slots=True)
class Picture:
    """Everything with its place. shapes: outer ones before inner ones. notes: sentences on what was left out."""

    title: str
    width: float
    height: float
    shapes: list[Shape]
    lines: list[Line]
    notes: list[str]


def centred(width: float, height: float) -> Item:
    """A box whose axis is its middle."""
    return Item(width / 2, width / 2, height)


def words(node: Node) -> str:
    """A step as papers label it: `7×7 conv, 64, /2`."""
    a, name = node.attrs, word(node)
    sizes = "×".join(map(str, kernel(node)))
    parts = [f"{sizes} {name}" if sizes else name]
    if name == "dense":
        parts = [f"dense {getattr(a, 'units', '')}"]
    if getattr(a, "filters", None) is not None:
        parts.append(str(a.filters))
    stride = strides(node)
    if any(s != 1 for s in stride):
        parts.append(f"/{same(stride, '×')}")
    if name == "depthwise_conv":
        return ", ".join([f"{sizes} depthwise", *parts[1:]])
    factor = getattr(a, "factor", None)
    if isinstance(factor, tuple):
        return f"{name} ×{same(factor, '×')}, {a.method}"
    for key, drawn_as in (("groups", "groups {}"), ("dilation", "dilated {}"), ("rate", "{:g}"), ("factor", "×{}")):
        x = getattr(a, key, None)
        if x not in (None, 1) and isinstance(x, (int, float)):
            parts.append(drawn_as.format(x))
    return ", ".join(parts)


def keeps_size(node: Node) -> bool:
    """Whether a window moves by one and gives as many rows as it takes, with as much padding before as behind."""
    pad = padding(node)
    if pad is None or any(s != 1 for s in strides(node)) or any(b != e for b, e in pad.pads):
        return False
    return node.operands[0].type.space == node.outputs[0].type.space


def padded(node: Node, told: bool) -> str:
    """`pad 2`, `pad 0·1` (before·behind), `pad 0, 3` (an axis each): where it is not what a reader expects of a window that
    keeps the size; told: also there."""
    pad = padding(node)
    if pad is None or not any(b or e for b, e in pad.pads) or (keeps_size(node) and not told):
        return ""
    return "pad " + same(tuple(str(b) if b == e else f"{b}·{e}" for b, e in pad.pads), ", ")


def sizes(x: Value) -> str:
    """The shape of one image: `56×56×64`."""
    return drawn(x.type.shape[1:]).replace("x", "×")


def grouped(n: int) -> str:
    """12 345 678, with thin spaces."""
    return f"{n:,}".replace(",", "\u2009")


_NARROW = {**dict.fromkeys("ijl|'.,:;!I", 0.26), **dict.fromkeys("ftr()[]/-· \u2009", 0.33), **dict.fromkeys("mwMW", 0.86)}


def text_width(text: str, size: float) -> float:
    """About how wide `text` is in Helvetica or Arial of that size."""
    return size * sum(_NARROW.get(c, 0.7 if c.isupper() else 0.62 if ord(c) < 0x2E80 else 1.0) for c in text)


def shortened(text: str, width: float, size: float) -> str:
    """`text`, cut to fit."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip(" ,=") + "…" if text else ""
