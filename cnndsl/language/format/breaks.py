"""Where lines break: as the writer broke them, but for brackets over several lines, stray semicolons and lines too long.

Everything works on the flat list of words and changes `breaks` alone; semicolons that a newline makes idle are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cnndsl.language.format.words import CLOSES, OPENS, Word, gap

INDENT = 4
WIDEST = 120
"""Columns of a line, notes and comments apart; what is longer is broken where that helps."""
WORTH = 40
"""Columns within brackets that are worth to be set on lines of their own."""
MOST_ROUNDS = 20
_OPERATORS = frozenset(["==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "//", "%", "->", "|", "and", "or"])


@dataclass(slots=True)
class Line:
    """The words of one line. depth: levels of indentation; bracket: the number of the innermost bracket it stands in;
    item: that of the braces of the model or block; inside: within ( ) or [ ]; gaps: what stands before each word."""

    words: list[Word]
    comment: str = ""
    depth: int = 0
    bracket: int = 0
    item: int = 0
    inside: bool = False
    blank: bool = False
    gaps: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " " * (INDENT * self.depth) + "".join(g + w.text for g, w in zip(self.gaps, self.words, strict=True))

    def column(self, k: int) -> int:
        """Where the word at k begins."""
        return INDENT * self.depth + sum(map(len, self.gaps[: k + 1])) + sum(len(w.text) for w in self.words[:k])


class Nesting:
    """The brackets that are open, each with the depth of the line that opened it."""

    def __init__(self) -> None:
        self.open: list[tuple[str, int, int, int]] = []  # bracket, depth of its line, number, number of the item
        self.count = 0

    def depth(self, words: Sequence[Word]) -> int:
        """The level of a line that begins with `words`."""
        closing = 0
        while closing < len(words) and words[closing].text in CLOSES:
            closing += 1
        if closing:
            return self.open[-closing][1]
        level = self.open[-1][1] + 1 if self.open else 0
        return level + (words[0].text == "->" and not self.inside)

    @property
    def inside(self) -> bool:
        return bool(self.open) and self.open[-1][0] != "{"

    def take(self, words: Sequence[Word], depth: int) -> None:
        """Go on to the end of a line."""
        own = bool(words) and words[0].text in ("block", "model")
        for word in words:
            if word.text in OPENS and word.kind == "other":
                self.count += 1
                outer = self.open[-1][3] if self.open else 0
                item = self.count if own and word.text == "{" else outer
                own = own and word.text != "{"
                self.open.append((word.text, depth, self.count, item))
            elif word.text in CLOSES and word.kind == "other":
                self.open.pop()


def lines_of(words: list[Word]) -> list[Line]:
    """The words in lines, broken where they should be."""
    for _ in range(MOST_ROUNDS):  # where a line was broken, brackets may fit on what is left of it
        before = [w.breaks for w in words]
        words = _without_idle_semicolons(words)
        _settle(words)
        _spread(words)
        _join(words)
        words = _fitted(words)
        if [w.breaks for w in words] == before:
            break
    nesting = Nesting()
    found: list[Line] = []
    for part in _lines(words):
        comment = part[-1].text if part[-1].kind == "comment" else ""
        code = part[:-1] if comment else part
        line = Line(code, comment, nesting.depth(part), inside=nesting.inside, blank=part[0].breaks > 1)
        line.gaps = [gap(a, b) if a else "" for a, b in zip([None, *code], code, strict=False)]
        outer = [] if not nesting.open else nesting.open[: len(nesting.open) - _closing(code)]
        line.bracket, line.item = outer[-1][2:] if outer else (0, 0)
        nesting.take(code, line.depth)
        found.append(line)
    _set_blanks(found)
    return found


def _closing(words: Iterable[Word]) -> int:
    count = 0
    for word in words:
        if word.text not in CLOSES:
            break
        count += 1
    return count


def _lines(words: Sequence[Word]) -> Iterator[list[Word]]:
    start = 0
    for k in range(1, len(words) + 1):
        if k == len(words) or words[k].breaks:
            if k > start:
                yield list(words[start:k])
            start = k


def _without_idle_semicolons(words: Sequence[Word]) -> list[Word]:
    """Without those that stand beside a newline, a brace or another."""
    kept: list[Word] = []
    owed = 0
    for k, word in enumerate(words):
        after = words[k + 1] if k + 1 < len(words) else None
        idle = word.text == ";" and (
            after is None or after.breaks or after.kind == "comment" or after.text in (";", "}")
            or not kept or kept[-1].text == "{" or kept[-1].kind == "comment" or word.breaks or owed
        )  # fmt: skip
        if idle:
            owed = max(owed, word.breaks)
            continue
        word.breaks = max(word.breaks, owed)
        owed = 0
        kept.append(word)
    return kept


def _partners(words: Sequence[Word]) -> dict[int, int]:
    """Opening bracket → closing one."""
    found: dict[int, int] = {}
    stack: list[int] = []
    for k, word in enumerate(words):
        if word.kind == "other" and word.text in OPENS:
            stack.append(k)
        elif word.kind == "other" and word.text in CLOSES:
            found[stack.pop()] = k
    return found


def _settle(words: list[Word]) -> None:
    """Within ( ) and [ ] breaks stand after commas and beside operators, not elsewhere."""
    stack: list[str] = []
    for k, word in enumerate(words):
        before = words[k - 1] if k else word
        inside = bool(stack) and stack[-1] != "{"
        if inside and word.breaks and before.kind != "comment" and word.kind != "comment" and word.text not in CLOSES:
            fits = before.text in ("(", "[", ",") or before.text in _OPERATORS or word.text in _OPERATORS
            if word.text == ",":
                words[k + 1].breaks = max(words[k + 1].breaks, word.breaks)
            if not fits:
                word.breaks = 0
        if word.kind == "other" and word.text in OPENS:
            stack.append(word.text)
        elif word.kind == "other" and word.text in CLOSES:
            stack.pop()


def _join(words: list[Word]) -> None:
    """( ) and [ ] over several lines on one, where it fits: without comments, a comma at the end or a table within."""
    partners = _partners(words)
    nesting = Nesting()
    start = done = 0
    while start < len(words):
        end = _line_end(words, start)
        depth = nesting.depth(words[start:end])
        first = next((k for k in range(max(start, done), end) if partners.get(k, 0) >= end and words[k].text != "{"), None)
        if first is not None:
            last = partners[first]
            until = _line_end(words, last)
            code = until - (words[until - 1].kind == "comment")
            if INDENT * depth + _width(words, start, code) <= WIDEST and not _kept_apart(words, first, last):
                for k in range(first + 1, last + 1):
                    words[k].breaks = 0
            done = first + 1
            continue
        nesting.take(words[start:end], depth)
        start = end


def _kept_apart(words: Sequence[Word], first: int, last: int) -> bool:
    """Whether the writer shows that brackets are to stay on several lines."""
    within = words[first + 1 : last]
    table = any(w.breaks and w.text == "[" for w in within)
    return table or words[last - 1].text == "," or any(w.kind == "comment" for w in within)


def _line_end(words: Sequence[Word], start: int) -> int:
    end = start + 1
    while end < len(words) and not words[end].breaks:
        end += 1
    return end


def _spread(words: list[Word]) -> None:
    """Brackets over several lines: what they hold begins on the line below, the closing one begins a line.

    `(` and `[` may share these lines with others that open and close beside them: `normalize([ … ])`.
    """
    partners = _partners(words)
    breaks = [0]
    for word in words:
        breaks.append(breaks[-1] + bool(word.breaks))
    for first, last in sorted(partners.items()):
        if breaks[last + 1] == breaks[first + 1]:
            continue
        after = words[first + 1]
        if first + 1 == last:
            after.breaks = 0
            continue
        hugs = words[first].text != "{" and partners.get(first + 1) == last - 1
        if hugs and breaks[last] != breaks[first + 2]:
            after.breaks = words[last].breaks = 0
            continue
        if after.kind != "comment":
            after.breaks = max(after.breaks, 1)
        words[last].breaks = max(words[last].breaks, 1)


def _set_blanks(lines: Sequence[Line]) -> None:
    """No empty line after an opening bracket, before a closing one or within a pipeline; one around items of several lines."""
    for k, line in enumerate(lines):
        above = lines[k - 1] if k else None
        opened = above is not None and bool(above.words) and above.words[-1].text in OPENS
        first = line.words[0].text if line.words else ""
        if above is None or opened or first in CLOSES or first in ("->", "else"):
            line.blank = False
        below = next((x for x in lines[k:] if x.words), None) if not line.words else None
        if below is not None and below.words[0].text == "->" and not below.inside:
            line.depth = below.depth
    code = -1  # the last line of the item above
    for k, line in enumerate(lines):
        if not line.words or line.bracket:
            continue
        first = line.words[0].text
        if code >= 0 and first not in CLOSES and first not in ("->", "else"):
            several = lines[code].words[0].text in CLOSES or line.words[-1].text == "{"
            if several and not any(x.blank for x in lines[code + 1 : k + 1]):
                lines[code + 1].blank = True
        code = k


# Lines too long ---------------------------------------------------------------------------------------------------------


def _fitted(words: list[Word]) -> list[Word]:
    """Break lines that are too long, the outermost things first."""
    partners = _partners(words)
    nesting = Nesting()
    start = 0
    while start < len(words):
        end = _line_end(words, start)
        depth = nesting.depth(words[start:end])
        code = end
        while code - 1 > start and (not words[code - 1].text or words[code - 1].kind == "comment"):
            code -= 1
        below = end
        while below < len(words) and words[below].kind == "comment":
            below += 1
        after = words[below].text if below < len(words) else ""
        first, last = words[start].text, words[code - 1].text
        # a part of something over several lines, which shares none; nor do the entries of a recipe
        over = first in CLOSES or last in OPENS or "->" in (first, after) or words[start].role == "key"
        long = INDENT * depth + _width(words, start, code) > WIDEST
        broken = (over or long) and _at_semicolons(words, _top(start, code, partners))
        if not broken and not (long and _split(words, start, code, depth, nesting, partners)):
            nesting.take(words[start:end], depth)
            start = end
    return [w for w in words if w.text]


def _width(words: Sequence[Word], start: int, end: int) -> int:
    return sum(len(words[k].text) + (len(gap(words[k - 1], words[k])) if k > start else 0) for k in range(start, end))


def _split(words: list[Word], start: int, end: int, depth: int, nesting: Nesting, partners: dict[int, int]) -> bool:
    """Break a line without semicolons at its arrows, else within its braces, else within its widest brackets."""
    top = list(_top(start, end, partners))
    pairs = [k for k in top if partners.get(k, end) < end]
    arrows = [k for k in top if k > start and words[k].text == "->"]
    if arrows:
        deeper = depth + (words[start].text != "->" and not nesting.inside)
        _fill(words, start, arrows, end, INDENT * depth, INDENT * deeper)
        return True
    braces = [k for k in pairs if words[k].text == "{" and partners[k] > k + 1]
    for k in braces:
        words[k + 1].breaks = words[partners[k]].breaks = 1
        _at_semicolons(words, _top(k + 1, partners[k], partners))
    if braces:
        return True
    widest = max(pairs, key=lambda k: _width(words, k, partners[k]), default=-1)
    if widest < 0 or _width(words, widest, partners[widest]) < WORTH:
        return False
    while partners.get(widest + 1) == partners[widest] - 1:
        widest += 1
    last = partners[widest]
    items = [k + 1 for k in _top(widest + 1, last, partners) if words[k].text == "," and k + 1 < last]
    words[widest + 1].breaks = words[last].breaks = 1
    if words[widest + 1].text == "[":
        for k in items:
            words[k].breaks = 1
    else:
        _fill(words, widest + 1, items, last, INDENT * (depth + 1), INDENT * (depth + 1))
    return True


def _top(start: int, end: int, partners: dict[int, int]) -> Iterator[int]:
    """The places from start to end that are in no brackets which open and close there; opening brackets are among them."""
    k = start
    while k < end:
        yield k
        k = (partners[k] if partners.get(k, end) < end else k) + 1


def _at_semicolons(words: list[Word], places: Iterable[int]) -> bool:
    found = [k for k in places if words[k].text == ";"]
    for k in found:
        words[k].text = ""
        words[k].breaks = 0
        words[k + 1].breaks = 1
    return bool(found)


def _fill(words: list[Word], start: int, places: Sequence[int], end: int, indent: int, deeper: int) -> None:
    """Break at as few of `places` as make the parts fit."""
    used, last = indent, start
    for n, k in enumerate(places):
        until = places[n + 1] if n + 1 < len(places) else end
        used += _width(words, last, k) + 1
        last = k
        if used + _width(words, k, until) > WIDEST:
            words[k].breaks = 1
            used = deeper
