"""A picture of a graph as SVG: no script, no font from elsewhere, a white ground, every text escaped.

The colours are those of Okabe and Ito, "Color Universal Design", 2008, made pale; families also differ in lightness
of their borders, so that print in grey stays readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from cnndsl.errors import printable
from cnndsl.graph.graph import Graph
from cnndsl.view.layout import Point
from cnndsl.view.picture import picture
from cnndsl.view.shapes import CAPTION, STRIPE, TITLE, Line, Shape, text_width

if TYPE_CHECKING:
    from cnndsl.language.model import Model

FILLS = {
    "conv": ("#cfe3f3", "#0072b2"), "dense": ("#e7d3e3", "#a3568a"), "pool": ("#fbe3bf", "#c98500"),
    "norm": ("#ececec", "#8a8a8a"), "act": ("#fbf6c4", "#a89b12"), "join": ("#cdebe1", "#008563"),
    "noise": ("#f6d9c8", "#c25a12"), "shape": ("#f7f7f7", "#6f6f6f"),
}  # fmt: skip
STYLE = (
    "text{font-family:Helvetica,Arial,sans-serif;fill:#1c1c1c}.m{text-anchor:middle}.t{font-size:11px}"
    ".b{font-size:11.5px;font-weight:bold}.d{font-size:9px}.c{font-size:8px;fill:#4a4a4a}"
    ".l{font-size:8.5px;fill:#3a3a3a}.w{fill:#fff;stroke:#fff;stroke-width:2.5px;stroke-linejoin:round}"
    ".e{fill:none;stroke:#444;stroke-width:1.2}.h{stroke-dasharray:5 3}.a{fill:#444}"
    ".g{fill:#fff;fill-opacity:.55;stroke:#9a9a9a}.g1{fill:#f3f6f8;stroke:#9a9a9a}.hd{fill:#e3e9ee;stroke:#9a9a9a}.o{font-weight:bold}.p{fill:#fff;stroke:#444}"
    + "".join(f".{k}{{fill:{fill};stroke:{line}}}" for k, (fill, line) in FILLS.items())
)


BOLD = 1.07
"""How much wider bold text runs."""


def svg(model: Model | Graph, depth: int | None = None, columns: int | None = None) -> str:
    """A model or graph, drawn from top to bottom and in columns, as the text of an SVG file.

    depth: how deep blocks are unfolded; by default as deep as a page can show. columns: how many at most; by default what
    makes the picture largest on a page of 16:9. Equal repetitions are drawn once,
    with their number. The text is valid XML, and the same for the same graph. Write it in UTF-8.
    """
    drawn = picture(model if isinstance(model, Graph) else model.graph, depth, columns)
    notes = 14 * len(drawn.notes)
    width, height = drawn.width, drawn.height + notes
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img">',
        f"<title>{_text(drawn.title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#fff"/>',
    ]
    blocks = [s for s in drawn.shapes if s.kind == "block"]
    for shape in blocks:
        out += _block(shape)
    for line in drawn.lines:
        out += _line(line)
    for shape in drawn.shapes:
        if shape.kind != "block":
            out += _shape(shape)
    for line in drawn.lines:
        if line.label:
            out.append(_label(line))
    for k, note in enumerate(drawn.notes):
        out.append(f'<text class="d" x="18" y="{_n(drawn.height + 14 * k)}">{_text(note)}</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def _block(s: Shape) -> list[str]:
    depth, around = 0, s.parent
    while around is not None:
        depth, around = depth + 1, around.parent
    style = "g1" if depth % 2 else "g"
    out = ["<g>", f"<title>{_text(s.tip)}</title>"]
    out += _behind(s, style, 7)
    dash = ' stroke-dasharray="5 3"' if s.head else ""
    out.append(_rect(s, style, 7, dash))
    r, w, h = 7, s.width, TITLE
    band = f"M{_n(s.x)} {_n(s.y + h)}v{_n(r - h)}q0 {-r} {r} {-r}h{_n(w - 2 * r)}q{r} 0 {r} {r}v{_n(h - r)}z"
    out.append(f'<path class="hd" d="{band}"/>')
    out.append(f'<text class="b" x="{_n(s.x + 9)}" y="{_n(s.y + 15)}">{_text(s.title)}</text>')
    if s.detail:
        x = s.x + 17 + text_width(s.title, 11.5) * BOLD
        out.append(f'<text class="d" x="{_n(x)}" y="{_n(s.y + 15)}">{_text(s.detail)}</text>')
    out += _badge(s)
    return [*out, "</g>"]


def _behind(s: Shape, style: str, r: float) -> list[str]:
    """The edges of a second sheet behind a repeated block."""
    if s.count < 2:
        return []
    x, y, w, h = s.x + 4, s.y + 4, s.width, s.height
    return [f'<rect class="{style}" x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="{r}"/>']


def _badge(s: Shape) -> list[str]:
    if s.count < 2:
        return []
    return [f'<text class="b" text-anchor="end" x="{_n(s.x + s.width - 9)}" y="{_n(s.y + 15)}">× {s.count}</text>']


def _shape(s: Shape) -> list[str]:
    cx = s.x + s.item.left
    out = ["<g>"] + ([f"<title>{_text(s.tip)}</title>"] if s.tip else [])
    if s.kind == "card":
        y = s.y
        for k, stripe in enumerate(s.stripes):
            small = stripe.height in (STRIPE, STRIPE + CAPTION)
            first = ' rx="3"' if k in (0, len(s.stripes) - 1) else ""
            place = f'x="{_n(s.x)}" y="{_n(y)}" width="{_n(s.width)}" height="{_n(stripe.height)}"'
            out.append(f'<rect class="{stripe.family}" {place}{first}/>')
            base = y + (10.2 if small else 14)
            out.append(f'<text class="m {"d" if small else "t"}" x="{_n(cx)}" y="{_n(base)}">{_text(stripe.text)}</text>')
            if stripe.caption:
                out.append(f'<text class="m c" x="{_n(cx)}" y="{_n(base + 10.5)}">{_text(stripe.caption)}</text>')
            y += stripe.height
    elif s.kind == "join":
        out.append(f'<circle class="join" cx="{_n(cx)}" cy="{_n(s.y + 11)}" r="11"/>')
        size, base = (8.0, 14.0) if len(s.title) > 1 else (15.0, 16.2)
        out.append(f'<text class="m" style="font-size:{_n(size)}px" x="{_n(cx)}" y="{_n(s.y + base)}">{_text(s.title)}</text>')
    elif s.kind == "bar":
        out.append(_rect(s, "join", 3))
        out.append(f'<text class="m d" x="{_n(cx)}" y="{_n(s.y + 10.8)}">{_text(s.title)}</text>')
    elif s.kind in ("input", "output"):
        out.append(_rect(s, "p", 10))
        name, shape = text_width(s.title, 11) * BOLD, text_width(s.detail, 11)
        x = cx - (name + 7 + shape) / 2
        out.append(f'<text class="t o" x="{_n(x)}" y="{_n(s.y + 14)}">{_text(s.title)}</text>')
        out.append(f'<text class="t" x="{_n(x + name + 7)}" y="{_n(s.y + 14)}">{_text(s.detail)}</text>')
    else:
        out += _behind(s, "g1", 7)
        out.append(_rect(s, "g1", 7, ' stroke-dasharray="5 3"' if s.head else ""))
        middle = s.x + s.width / 2
        badge = _badge(s)
        out.append(
            f'<text class="b" x="{_n(s.x + 9)}" y="{_n(s.y + 15)}">{_text(s.title)}</text>'
            if badge
            else f'<text class="b m" x="{_n(middle)}" y="{_n(s.y + 15)}">{_text(s.title)}</text>'
        )
        y = s.y + 26
        if s.detail:
            out.append(f'<text class="m d" x="{_n(middle)}" y="{_n(y)}">{_text(s.detail)}</text>')
            y += 11
        if s.caption:
            out.append(f'<text class="m c" x="{_n(middle)}" y="{_n(y)}">{_text(s.caption)}</text>')
        out += badge
    return [*out, "</g>"]


def _rect(s: Shape, style: str, r: float, more: str = "") -> str:
    return f'<rect class="{style}" x="{_n(s.x)}" y="{_n(s.y)}" width="{_n(s.width)}" height="{_n(s.height)}" rx="{r}"{more}/>'


def _line(line: Line) -> list[str]:
    points = line.points
    style = "e h" if line.dashed else "e"
    end = points[-1]
    out = [f'<path class="{style}" d="{way(points)}"/>']
    if line.head is not None:
        sideways = len(points) > 1 and abs(points[-2][1] - end[1]) < 0.01 and abs(points[-2][0] - end[0]) > 0.01
        x, y = end
        back = 6 if points[-2][0] > x else -6
        along = 6 if points[-2][1] > y else -6
        tip = f"M{_n(x)} {_n(y)}l{back} -3v6z" if sideways else f"M{_n(x)} {_n(y)}l-3 {along}h6z"
        out.append(f'<path class="a" d="{tip}"/>')
    return out


def way(points: list[Point]) -> str:
    """Straight where x stays; else a curve that leaves and arrives upright, or a rounded corner before a level stretch."""
    found = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    k = 1
    while k < len(points):
        (x0, y0), (x1, y1) = points[k - 1], points[k]
        after = points[k + 1] if k + 1 < len(points) else None
        if abs(x0 - x1) < 0.01 and after is not None and abs(after[1] - y1) < 0.01 and abs(after[0] - x1) > 0.01:
            r = min(14.0, abs(y1 - y0), abs(after[0] - x1))
            turn = r if after[0] > x1 else -r
            found.append(f"V{_n(y1 - (r if y1 > y0 else -r))}Q{_n(x1)} {_n(y1)} {_n(x1 + turn)} {_n(y1)}")
            last = points[k + 2] if k + 2 < len(points) else None
            if last is None:
                found.append(f"H{_n(after[0])}")
            else:
                r = min(r, abs(last[1] - y1))
                down = r if last[1] > y1 else -r
                corner = f"Q{_n(after[0])} {_n(y1)} {_n(after[0])} {_n(y1 + down)}"
                found.append(f"H{_n(after[0] - (r if turn > 0 else -r))}{corner}")
            k += 2
            continue
        if abs(x0 - x1) < 0.01:
            found.append(f"V{_n(y1)}")
        elif abs(y0 - y1) < 0.01:
            found.append(f"H{_n(x1)}")
        else:
            middle = (y0 + y1) / 2
            found.append(f"C{_n(x0)} {_n(middle)} {_n(x1)} {_n(middle)} {_n(x1)} {_n(y1)}")
        k += 1
    return "".join(found)


def _label(line: Line) -> str:
    """Twice: the white behind it is a text of its own, for programs that do not know `paint-order`."""
    (x, y), (_, after) = line.points[:2]
    place = f'x="{_n(x + 5)}" y="{_n(y + (11 if after > y else -4))}">{_text(line.label)}</text>'
    return f'<text class="l w" {place}<text class="l" {place}'


def _text(text: str) -> str:
    """`text` for XML; control characters in it, but for our newlines and thin spaces, as escapes that can be seen."""
    return escape("".join(c if c in "\n\u2009" else printable(c) for c in text))


def _n(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")
