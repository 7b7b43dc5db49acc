"""Sizes: integers, or affine forms of symbols (`2*h + 1`) until `specialise` binds them.

A symbol stands for a positive integer, so `N >= 1` is decidable; what is not decidable raises E602.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Union

from cnndsl.errors import Span, briefly, error

Size = Union[int, "Affine"]


class Affine:
    """`const + sum(coefficient * symbol)`. Immutable; compares and hashes by value. Holds at least one symbol."""

    __slots__ = ("const", "terms")

    def __init__(self, terms: tuple[tuple[str, int], ...], const: int) -> None:
        self.terms = terms
        self.const = const

    @staticmethod
    def symbol(name: str) -> Affine:
        return Affine(((name, 1),), 0)

    @staticmethod
    def of(terms: Mapping[str, int], const: int) -> Size:
        """The form with these terms, or the integer where none is left."""
        kept = tuple(sorted((name, c) for name, c in terms.items() if c))
        return Affine(kept, const) if kept else const

    def __add__(self, other: Size) -> Size:
        terms = dict(self.terms)
        if isinstance(other, int):
            return Affine.of(terms, self.const + other)
        for name, c in other.terms:
            terms[name] = terms.get(name, 0) + c
        return Affine.of(terms, self.const + other.const)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + (-1 * other)

    def __rsub__(self, other: int) -> Size:
        return -1 * self + other

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, int):
            raise _undecided(f"({shown(self)}) * ({shown(other)})")
        return Affine.of({name: c * other for name, c in self.terms}, self.const * other)

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Size:
        if not isinstance(other, int) or other <= 0 or any(c % other for _, c in self.terms):
            raise _undecided(f"({shown(self)}) // {shown(other)}")
        return Affine.of({name: c // other for name, c in self.terms}, self.const // other)

    def __mod__(self, other: int) -> int:
        if not isinstance(other, int) or other <= 0 or any(c % other for _, c in self.terms):
            raise _undecided(f"({shown(self)}) % {shown(other)}")
        return self.const % other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Affine) and self.terms == other.terms and self.const == other.const

    def __hash__(self) -> int:
        return hash((self.terms, self.const))

    def _sign(self, other: Size) -> tuple[bool, bool]:
        """(self >= other for all values, self < other for all values); symbols are at least 1."""
        difference = self - other
        if isinstance(difference, int):
            return difference >= 0, difference < 0
        total = difference.const + sum(c for _, c in difference.terms)
        if all(c > 0 for _, c in difference.terms) and total >= 0:
            return True, False
        if all(c < 0 for _, c in difference.terms) and total < 0:
            return False, True
        raise _undecided(f"{shown(self)} >= {shown(other)}")

    def __ge__(self, other: Size) -> bool:
        return self._sign(other)[0]

    def __lt__(self, other: Size) -> bool:
        return self._sign(other)[1]

    def __gt__(self, other: Size) -> bool:
        return self._sign(other + 1)[0]

    def __le__(self, other: Size) -> bool:
        return self._sign(other + 1)[1]

    def bind(self, values: Mapping[str, int]) -> Size:
        """This form with the named symbols replaced."""
        left: dict[str, int] = {}
        const = self.const
        for name, c in self.terms:
            if name in values:
                const += c * values[name]
            else:
                left[name] = c
        return Affine.of(left, const)

    def __str__(self) -> str:
        text = "+".join(name if c == 1 else f"{c}*{name}" for name, c in self.terms)
        return text + (f"{self.const:+d}" if self.const else "")

    __repr__ = __str__

    def drawn(self) -> str:
        """For people: with `where H % 32 == 0` the symbol is H/32, and 32 of it are H again, 16 of it H/2."""
        parts = []
        for name, c in self.terms:
            base, _, divisor = name.partition("/")
            number = Fraction(c, int(divisor or 1))
            top = base if number.numerator == 1 else f"{number.numerator}{base}"
            parts.append(top if number.denominator == 1 else f"{top}/{number.denominator}")
        return "+".join(parts).replace("+-", "-") + (f"{self.const:+d}" if self.const else "")


def multiple(name: str, divisor: int = 1) -> Affine:
    """The size that an input calls `name`, of which a condition says that `divisor` divides it: 32 of `H/32`."""
    symbol = Affine.symbol(name if divisor == 1 else f"{name}/{divisor}")
    return Affine(tuple((n, c * divisor) for n, c in symbol.terms), 0)


def opened(word: str, divisor: int | None, known: dict[str, Size], span: Span | None = None) -> Size:
    """The size that inputs call `word`; `known`: those of earlier inputs, where it stands from now on. divisor: what a
    condition says divides it. Raises E316 where an earlier input says less.
    """
    size = known.setdefault(word, multiple(word, divisor or 1))
    assert isinstance(size, Affine)
    ((_, before),) = size.terms
    if before % (divisor or 1):
        message = f"an earlier input has {word} as a multiple of {before}, not of {divisor}"
        raise error("E316", message, span, help="the condition belongs to the first input that has the symbol")
    return size


def whole_size(x: Any, what: str, span: Span | None = None) -> int:
    """One size that a caller gives. Raises E302, E303."""
    if not hasattr(x, "__index__") or isinstance(x, bool):
        raise error("E302", f"{what} is a whole number, not {briefly(x)}", span)
    if not 1 <= operator.index(x) < 2**31:
        raise error("E303", f"{what} is from 1 to 2147483647, not {briefly(x)}", span)
    return operator.index(x)


def shown(size: Size) -> str:
    """A size for people."""
    return size.drawn() if isinstance(size, Affine) else str(size)


def example(shape: Iterable[Size], least: int = 256) -> str:
    """A shape that `shape` can become, as `--input` takes it: 256x256x32 of HxWx32; each open size the first multiple from
    `least` on."""
    numbers = []
    for size in shape:
        step = sum(c for _, c in size.terms) if isinstance(size, Affine) else 0
        numbers.append(size if isinstance(size, int) else size.const + step * max(1, -(-(least - size.const) // max(1, step))))
    return "x".join(map(str, numbers))


def bind(size: Size, values: Mapping[str, int]) -> Size:
    """`size` with the named symbols replaced by integers."""
    return size if isinstance(size, int) else size.bind(values)


def may_reach(size: Size, least: Size) -> bool:
    """size >= least, or could be for symbols that are large enough: `specialise` asks again with numbers."""
    difference = size - least
    return difference >= 0 if isinstance(difference, int) else any(c > 0 for _, c in difference.terms)


def ceil_div(size: Size, divisor: int) -> Size:
    """⌈size / divisor⌉."""
    return (size + (divisor - 1)) // divisor


def _undecided(what: str) -> Exception:
    return error("E602", f"{what} cannot be decided for every size", help="bind the size, or add a `where` condition")
