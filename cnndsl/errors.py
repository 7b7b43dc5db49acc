"""Every error a user can meet: a code, a place, the reason, and the mend where there is one.

`CnnError` is the one exception class of the package. It carries one or more `Diagnostic`s, which know how
to draw themselves (`render`) and how to become data (`as_dict`). `CODES` lists every code there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

# The first digit says the stage: 1 text, 2 names and words, 3 values and shapes, 4 recipes, 5 files and weights,
# 6 compiling, 7 running and training, 9 limits. W: a warning.
CODES: dict[str, str] = {
    "E101": "a bracket has no partner",
    "E102": "a character does not belong in a text",
    "E103": "the text cannot be understood here",
    "E104": "a size is written wrongly",
    "E105": "an arrow leads nowhere",
    "E106": "a quoted text does not end on its line",
    "E107": "a reserved word stands where a name is needed",
    "E108": "a file is not UTF-8 text",
    "E109": "the version of the language is not known, or not in the first line",
    "E110": "a file defines no model",
    "E201": "a word is not one of those that may stand here",
    "E202": "a file has no such model, or several and none is named",
    "E203": "a name is not known here",
    "E204": "a name is taken",
    "E205": "a value, a number or a word stands where something else is needed",
    "E206": "arguments are too many, or out of order",
    "E207": "an option or parameter is not there, or given twice",
    "E208": "a step or statement cannot stand like this",
    "E209": "a shared step meets a value that its weights do not fit",
    "E210": "an argument that has no default is missing",
    "E211": "a file cannot be used",
    "E301": "a value does not fit the op",
    "E302": "a number of another kind is needed",
    "E303": "a number is out of range",
    "E304": "axes or entries are too many or too few",
    "E305": "an option takes other words",
    "E306": "an even kernel cannot be padded evenly",
    "E307": "a window is larger than its padded input",
    "E308": "channels and groups do not divide",
    "E309": "weights do not fit the op",
    "E310": "a shape is not what the note says",
    "E311": "a division by zero",
    "E312": "branches differ",
    "E313": "a value of another kind is needed",
    "E314": "a whole number is needed, not a fraction",
    "E315": "an index is beyond its list",
    "E316": "a condition on sizes cannot be used",
    "E317": "a join has the wrong number of branches",
    "E401": "a recipe's key is unknown or given twice",
    "E402": "a word of a recipe is unknown",
    "E403": "a value of a recipe does not fit",
    "E404": "a loss or `freeze` names what is not there",
    "E405": "a loss takes logits, not probabilities",
    "E406": "a recipe is given twice",
    "E421": "an image step cannot be run",
    "E422": "an image step's arguments do not fit",
    "E423": "a recipe asks for what cannot be carried out",
    "E424": "a loss does not fit the graph that is to be trained",
    "E501": "a weight file cannot be opened",
    "E502": "a weight file is broken",
    "E503": "an element type cannot be written",
    "E504": "weights do not fit the model",
    "E505": "a model file cannot be opened",
    "E506": "a model is neither a file nor bundled",
    "E598": "the system refuses a file",
    "E601": "a graph is not well formed",
    "E602": "a size is not known yet",
    "E603": "a gradient cannot be formed",
    "E604": "a size is not given",
    "E605": "a run would need too much memory",
    "E606": "a compile option is out of range",
    "E607": "a target is not known",
    "E608": "a file is not the graph of a stage",
    "E641": "a package or a device is missing",
    "E642": "an op cannot be written in a format",
    "E643": "there is no such output",
    "E645": "another program cannot run this network",
    "E646": "a graph cannot be said in the language",
    "E701": "a data set is not there",
    "E702": "a data file cannot be read",
    "E703": "a picture cannot be read",
    "E704": "a picture or data set is too large",
    "E705": "labels do not fit",
    "E706": "pictures do not fit the model",
    "E707": "the loss is not a finite number",
    "E708": "a run folder cannot be written",
    "E709": "there is no run to resume",
    "E710": "a checkpoint cannot be read",
    "E711": "a checkpoint belongs to another run",
    "E721": "an input of a compiled model does not fit",
    "E722": "there are no weights yet",
    "E723": "there is not enough memory to run",
    "E770": "a command's arguments do not fit",
    "E771": "there are no weights",
    "E772": "an earlier measurement cannot be compared with",
    "E799": "a mistake inside cnndsl",
    "E901": "a file is too large",
    "E902": "a text has too many lines",
    "E903": "a text has too many words",
    "E904": "brackets, braces or graphs nest too deep",
    "E905": "a number is too large",
    "E906": "blocks call each other too deep",
    "E907": "a model takes too many steps to expand",
    "E908": "a list is too long",
    "E909": "a tensor is too large",
    "E990": "there is not enough memory",
    "W401": "a momentum looks like PyTorch's",
    "W402": "a word of a recipe cannot be carried out yet",
    "W403": "a bias before a batch norm has no effect",
    "W404": "something is never used",
    "W405": "a step without weights is repeated",
    "W406": "no shape is written down",
    "W407": "a dropout stands at the output",
    "W408": "two activations of one kind follow each other",
    "W409": "pictures or labels do not fit the model",
    "W410": "an input looks as if its channels came first",
    "W411": "an entry of a recipe was most likely meant otherwise",
    "W412": "a training is too short for its batch norms",
    "W413": "a recipe leaves out what training needs",
    "W414": "weights were trained for another preprocess or network",
}


LONGEST = 2_000
"""Characters of one sentence of a message."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text that was read: the name shown to the user, and the text itself."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its newline; empty beyond the end."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source: offsets `start:end` into its text."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        return self.start - (self.source.text.rfind("\n", 0, self.start) + 1) + 1

    def __str__(self) -> str:
        return f"{printable(self.source.name)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that belongs to a message, with a few words (`56x56x256`)."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of the call chain: what was expanded (`bottleneck(width = 64), repetition 1 of 3`) and where from."""

    what: str
    called_at: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message: what, where, why, and the mend."""

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    related: tuple[Label, ...] = ()
    frames: tuple[Frame, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"{self.code} is not in cnndsl.errors.CODES")

    @property
    def severity(self) -> str:
        return "warning" if self.code.startswith("W") else "error"

    def render(self) -> str:
        """The message as the terminal shows it: head, place, source lines with carets, call chain, notes, help."""
        out = [f"{self.severity}[{self.code}]: {_short(self.message)}"]
        labels = [*self.related, *([Label(self.span, self.label)] if self.span else [])]
        if self.span is not None:
            shown = [x for x in labels if x.span.source is self.span.source]
            width = max(len(str(x.span.line)) for x in shown)
            out.append(f"{' ' * width} --> {self.span}")
            out.append(f"{' ' * width} |")
            above = 0
            for x in sorted(shown, key=lambda x: x.span.start):
                excerpt = _excerpt(x, width, "^" if x.span is self.span else "-")
                again = x.span.line == above and len(x.span.source.line(above)) <= 160
                out += excerpt[1:] if again else excerpt
                above = x.span.line
        pad = " " * (len(str(self.span.line)) if self.span else 0)
        for x in self.related:
            if self.span is None or x.span.source is not self.span.source:
                out.append(f"{pad} = {_short(x.text)} at {x.span}")
        for frame in shortened(self.frames):
            at = f", called at {frame.called_at}" if frame.called_at else ""
            out.append(f"{pad} = in {_short(frame.what)}{at}")
        out += [f"{pad} = note: {_short(x)}" for x in self.notes]
        if self.help:
            out.append(f"{pad} = help: {_short(self.help)}")
        return "\n".join(out)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for `--json`."""
        at = self.span
        place = {"file": at.source.name, "line": at.line, "column": at.column} if at else None
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "place": place,
            "frames": [frame.what for frame in self.frames],
            "notes": list(self.notes),
            "help": self.help,
        }


def shortened(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """A call chain that can be read: of a long one, the innermost four and the outermost two."""
    if len(frames) <= 8:
        return frames
    return (*frames[:4], Frame(f"{len(frames) - 6} more"), *frames[-2:])


def _excerpt(label: Label, width: int, mark: str) -> list[str]:
    """One source line with its underline. Tabs count as one column, long lines are cut around the place."""
    line, column = label.span.line, label.span.column
    text = printable(label.span.source.line(line).replace("\t", " "))
    length = max(1, min(label.span.end - label.span.start, len(text) - column + 1))
    cut = max(0, column - 80) if len(text) > 160 else 0
    text = text[cut : cut + 160]
    under = " " * (column - 1 - cut) + mark * min(length, 160)
    return [f"{line:>{width}} | {text}", f"{' ' * width} | {under} {printable(label.text)}".rstrip()]


def _short(text: str) -> str:
    """`text` for a terminal, its middle left out where a name or a number in it is absurdly long."""
    return printable(text if len(text) <= LONGEST else f"{text[: LONGEST - 200]} … {text[-190:]}")


def printable(text: str) -> str:
    """`text` with control characters escaped, so that no model can steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(count: int, thing: str) -> str:
    """`1 error`, `2 errors`, `1,204 entries`: a number with its noun, in a message."""
    many = {"entry": "entries", "axis": "axes", "class": "classes", "branch": "branches"}.get(thing, f"{thing}s")
    return f"{count:,} {thing if count == 1 else many}"


def size(nbytes: int) -> str:
    """An amount of memory in the unit that fits: `784 B`, `12.3 KB`, `4.0 MB`, `1.52 GB`."""
    if nbytes < 1000:
        return f"{nbytes} B"
    if nbytes < 1e6:
        return f"{nbytes / 1e3:.1f} KB"
    return f"{nbytes / 1e6:.1f} MB" if nbytes < 1e9 else f"{nbytes / 1e9:.2f} GB"


def briefly(x: object) -> str:
    """What a caller gave, for a message: its `repr`, cut where it is long, or its class where it has none (a whole number of
    more than 4300 digits)."""
    try:
        text = repr(x)
    except Exception:
        return f"this {type(x).__name__}"
    return text if len(text) <= 80 else f"{text[:79]}…"


def in_words(x: object) -> str:
    """A value in the words of a message; its class where it has none, as a whole number of more than 4300 digits."""
    try:
        return str(x)
    except Exception:
        return f"this {type(x).__name__}"


class CnnError(Exception):
    """What every function of cnndsl raises on bad input. `diagnostics` holds one entry or several."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics = (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(d.render() for d in self.diagnostics)

    @property
    def code(self) -> str:
        return self.diagnostics[0].code


def error(code: str, message: str, span: Span | None = None, **details: Any) -> CnnError:
    """A `CnnError` of one diagnostic; `details` are fields of `Diagnostic`."""
    return CnnError(Diagnostic(code, message, span, **details))


def located(e: CnnError, span: Span | None) -> CnnError:
    """`e` with a place for what has none."""
    return CnnError(d if d.span else replace(d, span=span) for d in e.diagnostics)
