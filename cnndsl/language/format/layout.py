"""formatted: the layout of a `.cnn` text. Line breaks are the writer's; spaces, indentation and columns are ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from cnndsl.errors import CnnError, Source, error
from cnndsl.language.format.breaks import INDENT, WIDEST, Line, lines_of
from cnndsl.language.format.words import CLOSES, Word, comments_of, words_of
from cnndsl.language.syntax.parse import parse
from cnndsl.language.syntax.walk import same

NOTES_END = 100
"""Columns within which shape notes share one column; a line that is too long for it keeps its note beside it."""
FARTHEST = 40
"""Most spaces that bring neighbours into one column."""
WIDEST_CELL = 20
SHORTEST_ROW = 3
"""Numbers that make the arguments of calls a table."""


def formatted(source: Source) -> str:
    """The text of `source` laid out anew: the same tree, the same comments. What is laid out already comes back unchanged.

    Raises E1xx and E9xx where it cannot be parsed, E901 or E902 where it would grow beyond a source's limits, and E799,
    our own mistake, where the new text would not say the same.
    """
    before = parse(source)
    words = words_of(before)
    comments = comments_of(words)
    text = "".join(f"{line}\n" for line in laid_out(lines_of(words)))
    try:
        after = parse(Source(source.name, text))
    except CnnError as e:
        if e.code.startswith("E9"):
            raise error(e.code, f"{source.name} cannot be laid out: {e.diagnostics[0].message}") from None
        raise _mistake(source) from None
    if not same(after, before) or comments_of(words_of(after)) != comments:
        raise _mistake(source)
    return text


def _mistake(source: Source) -> CnnError:
    help = "this is our mistake: please report it with the file, which is as it was"
    return error("E799", f"{source.name} laid out would not say the same", help=help)


def laid_out(lines: Sequence[Line]) -> Iterator[str]:
    """The lines as text, after every column is set."""
    _tables(lines)
    for place in (_labelled, _instance, _entry):
        for run in _runs(lines, place):
            _align(run)
    _branches(lines)
    _notes(lines)
    columns = _comments(lines)
    for line, column in zip(lines, columns, strict=True):
        if line.blank:
            yield ""
        yield line.text.ljust(column) + line.comment if line.comment else line.text


# Columns ----------------------------------------------------------------------------------------------------------------


def _runs(lines: Sequence[Line], place: Callable[[Line], int]) -> Iterator[list[tuple[Line, int]]]:
    """Neighbours within one pair of brackets that have a place to align, with it.

    Comments may stand between, and what belongs to one of them: continuations, and brackets within.
    """
    run: list[tuple[Line, int]] = []
    for line in lines:
        home = run[-1][0].bracket if run else line.bracket
        if line.bracket > home:
            continue
        between = not line.words or line.words[0].text == "->" or line.words[0].text in CLOSES
        at = -1 if between else place(line)
        if run and (line.blank or line.bracket < home or (not between and at < 0)):
            yield run
            run = []
        if at >= 0:
            run.append((line, at))
    if run:
        yield run


def _align(run: Sequence[tuple[Line, int]]) -> None:
    """Push the words at the places of a run into one column."""
    columns = [line.column(k) for line, k in run]
    if max(columns) - min(columns) <= FARTHEST:
        for (line, k), column in zip(run, columns, strict=True):
            line.gaps[k] += " " * (max(columns) - column)


def _labelled(line: Line) -> int:
    """What follows the colon of a label or an input; not a brace that stays open."""
    words = line.words
    if words[-1].text == "{":
        return -1
    return next((k + 1 for k in (1, 2) if k + 1 < len(words) and words[k].role == "label"), -1)


def _instance(line: Line) -> int:
    """The = of `model name = …`."""
    words = line.words
    return 2 if len(words) > 3 and words[0].text == "model" and words[2].text == "=" else -1


def _entry(line: Line) -> int:
    """The = of an entry of a recipe."""
    return 1 if line.words[0].role == "key" else -1


def _branches(lines: Sequence[Line]) -> None:
    """`if … { … }` above `else { … }`, both on one line: their braces in one column."""
    for above, below in pairwise(lines):
        if not (above.words and below.words and above.words[0].text == "if" and below.words[0].text == "else"):
            continue
        alone = below.words[1].text == "{" and all(_one_body(x.words) for x in (above, below)) and not above.comment
        if alone and above.bracket == below.bracket:
            place = next(k for k, w in enumerate(above.words) if w.text == "{")
            far = above.column(place) - below.column(1)
            below.gaps[1] += " " * (far if 0 < far <= FARTHEST else 0)


def _one_body(words: Sequence[Word]) -> bool:
    """Whether the line ends with the first brace that it opens."""
    level, bodies = 0, 0
    for word in words:
        bodies += word.text == "{" and not level
        level += (word.text == "{") - (word.text == "}")
    return bodies == 1 and level == 0 and words[-1].text == "}"


# Tables -----------------------------------------------------------------------------------------------------------------


def _tables(lines: Sequence[Line]) -> None:
    """Numbers that stand below each other, right-aligned: rows of a list, and calls of one name with several numbers."""
    groups: dict[tuple[int, str], list[tuple[Line, list[tuple[int, int]]]]] = {}
    for line in lines:
        words = line.words
        if line.inside and words and words[0].text == "[":
            groups.setdefault((line.bracket, "["), []).append((line, _cells(words, 1)))
        elif not line.inside and len(words) > 2 and words[0].kind == "name" and words[1].text == "(":
            cells = _cells(words, 2)
            if len(cells) >= SHORTEST_ROW:
                groups.setdefault((line.bracket, words[0].text), []).append((line, cells))
    for rows in groups.values():
        for k in range(max(len(cells) for _, cells in rows)):
            column = [(line, *cells[k]) for line, cells in rows if len(cells) > k]
            widest = max(width for _, _, width in column)
            if widest > WIDEST_CELL:
                break
            for line, at, width in column:
                line.gaps[at] += " " * (widest - width)


def _cells(words: Sequence[Word], k: int) -> list[tuple[int, int]]:
    """The numbers from the word at k on, up to what is none: the word each begins with, and its width."""
    found: list[tuple[int, int]] = []
    while k < len(words):
        signs = words[k].role == "sign"
        last = k + signs
        if last + 1 >= len(words) or words[last].kind != "number" or words[last + 1].text not in (",", ")", "]"):
            break
        found.append((k, signs + len(words[last].text)))
        k = last + 2
        if words[last + 1].text != ",":
            break
    return found


# Shape notes and comments -----------------------------------------------------------------------------------------------


def _notes(lines: Sequence[Line]) -> None:
    """The notes of a model or block in one column, shapes ending together."""
    groups: dict[int, list[tuple[int, int, Line, int]]] = {}
    for line in lines:
        k = _note(line)
        if k > 0:
            before = line.column(k - 1) + len(line.words[k - 1].text)
            groups.setdefault(line.item, []).append((before, len(line.text) - line.column(k) - 2, line, k))
    for group in groups.values():
        group.sort(key=lambda x: x[0])
        widest = 0
        fitting: list[tuple[int, int, Line, int]] = []
        for member in group:
            width = max(widest, member[1])
            if member[0] + 3 + width <= NOTES_END:
                fitting.append(member)
                widest = width
        column = fitting[-1][0] if fitting else 0
        for before, width, line, k in fitting:
            line.gaps[k] = " " * (column - before + 1)
            line.gaps[k + 1] = " " * (widest - width + 1)


def _note(line: Line) -> int:
    """The colon of a shape with which the line ends; 0 where there is none."""
    words = line.words
    for k in range(len(words) - 2, 0, -1):
        if words[k].role == "note":
            listed = words[k + 1].text == "[" and words[-1].text == "]"
            return k if listed or (k == len(words) - 2 and words[k + 1].text != "[") else 0
    return 0


def _comments(lines: Sequence[Line]) -> list[int]:
    """The column of each line's comment: those of one body without an empty line between share one, if it is not far."""
    columns = [len(x.text) + 2 if x.words else INDENT * x.depth for x in lines]
    groups: dict[tuple[int, int], list[int]] = {}
    paragraph = 0
    for k, line in enumerate(lines):
        paragraph += line.blank
        if line.comment and line.words:
            groups.setdefault((line.bracket, paragraph), []).append(k)
    for group in groups.values():
        column = max(columns[k] for k in group)
        longest = max(len(lines[k].comment) for k in group)
        if column - min(columns[k] for k in group) <= FARTHEST and column + longest <= WIDEST:
            for k in group:
                columns[k] = column
    return columns
