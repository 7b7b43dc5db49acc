"""The few pickles that data sets are published in, read without running them.

A pickle is a program for a small stack machine, and Python's own reader lets it call anything. This one knows the opcodes
that build dicts, lists, tuples, texts, bytes and whole numbers, and takes three names for what they mean, without
importing or calling: NumPy's array of uint8, its dtype, and latin-1 text for bytes. Everything else is refused.
Opcodes: Python's `pickletools`. Arrays: NumPy's `ndarray.__reduce__`, before and since 2.0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 4_000_000
"""Opcodes of one pickle; CIFAR-100's training part has 0.4 million."""


@dataclass
class _Named:
    """A name from a module: only compared, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class _Bytes:
    """The dtype uint8."""


@dataclass
class _Array:
    """An array whose numbers come, or came, with BUILD."""

    found: NDArray[np.uint8] | None = None


_MARK = object()
_ARRAYS = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_BUFFERS = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")


def read_pickle(data: bytes) -> Any:
    """What the pickle `data` says: dicts with text keys, lists, tuples, text, bytes, whole numbers, uint8 arrays.

    Text of Python 2 is bytes. Raises ValueError, which names the byte, for anything else and for a pickle cut off.
    """
    machine = _Machine(data)
    try:
        return _plain(machine.run())
    except (ValueError, IndexError, struct.error, UnicodeDecodeError, TypeError, KeyError, OverflowError) as e:
        why = str(e) if type(e) is ValueError else "it is damaged"
        raise ValueError(f"byte {machine.began:,}: {why}") from None


def _plain(x: Any) -> Any:
    """`x` with its arrays in the values of a dict as arrays."""
    return {k: v.found if isinstance(v, _Array) else v for k, v in x.items()} if isinstance(x, dict) else x


class _Machine:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.began = data, 0, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encoded = 0

    def run(self) -> Any:
        for _ in range(MOST_STEPS):
            self.began = self.at
            code = self.take(1)
            if code == b".":
                return self.stack.pop()
            step = STEPS.get(code)
            if step is None:
                raise ValueError(f"it asks for what a data set does not need (opcode 0x{code[0]:02x})")
            step(self)
        raise ValueError(f"it has more than {MOST_STEPS:,} steps")

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = self.data.find(b"\n", self.at, self.at + 200)
        if end < 0:
            raise ValueError("it is damaged")
        return self.take(end + 1 - self.at)[:-1].decode("ascii")

    def marked(self) -> list[Any]:
        """Takes everything above the last mark, and the mark."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                found = self.stack[i + 1 :]
                del self.stack[i:]
                return found
        raise ValueError("it is damaged")

    def last(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise ValueError("it is damaged")
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        return found

    def append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("it is damaged")
        self.stack[-1].extend(items)

    def set(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if not isinstance(into, dict) or len(items) % 2:
            raise ValueError("it is damaged")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, bytes)):
                raise ValueError("a key is no text")
            into[key if isinstance(key, str) else key.decode("latin-1")] = value

    def reduce(self) -> None:
        called, given = self.last(2)
        name = str(called) if isinstance(called, _Named) else "something"
        match name, given:
            case "_codecs.encode", (str() as text, "latin1" | b"latin1"):
                self.encoded += len(text)  # a text may be taken from the memo again and again
                if self.encoded > len(self.data):
                    raise ValueError("it makes more bytes than it has")
                self.stack.append(text.encode("latin-1"))
            case "numpy.dtype", (kind, *_):
                if kind not in ("u1", b"u1"):
                    raise ValueError(f"an array of {kind!r}: only whole numbers of one byte are read")
                self.stack.append(_Bytes())
            case _ if name in _ARRAYS:
                self.stack.append(_Array())
            case _ if name in _BUFFERS and isinstance(given, tuple) and len(given) == 4:
                buffer, kind, shape, order = given
                self.stack.append(_Array(_array(buffer, kind, shape, order in ("F", b"F"))))
            case _:
                raise ValueError(f"it calls {name}, which is never done")

    def build(self) -> None:
        into, state = self.last(2)
        if isinstance(into, _Array) and into.found is None and isinstance(state, tuple) and len(state) == 5:
            _, shape, kind, fortran, numbers = state
            into.found = _array(numbers, kind, shape, bool(fortran))
        elif not isinstance(into, _Bytes):
            raise ValueError("it changes what a data set does not have")
        self.stack.append(into)


def _array(numbers: Any, kind: Any, shape: Any, fortran: bool) -> NDArray[np.uint8]:
    whole = isinstance(shape, tuple) and all(isinstance(n, int) and 0 <= n < 1 << 40 for n in shape) and len(shape) <= 4
    if not isinstance(kind, _Bytes) or not isinstance(numbers, (bytes, bytearray)) or not whole:
        raise ValueError("an array is damaged")
    if math.prod(shape) != len(numbers):
        raise ValueError(f"an array of shape {shape} has {len(numbers):,} bytes")
    return np.frombuffer(numbers, np.uint8).reshape(shape, order="F" if fortran else "C")


def _push(read: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(read(m))


def _keep(read: Callable[[_Machine], int]) -> Callable[[_Machine], None]:
    def keep(m: _Machine) -> None:
        m.memo[read(m)] = m.stack[-1]

    return keep


def _proto(m: _Machine) -> None:
    if m.number("<B") > 5:
        raise ValueError("a protocol that is not known")


def _frame(m: _Machine) -> None:
    m.take(8)  # how much to read at once


def _named(m: _Machine) -> _Named:
    module, name = m.last(2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError("it is damaged")
    return _Named(module, name)


def _long(m: _Machine) -> int:
    count = m.number("<B")
    if count > 8:
        raise ValueError("a number that is too large")
    return int.from_bytes(m.take(count), "little", signed=True)


STEPS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"(": _push(lambda m: _MARK),
    b"N": _push(lambda m: None),
    b"\x88": _push(lambda m: True),
    b"\x89": _push(lambda m: False),
    b"K": _push(lambda m: m.number("<B")),
    b"M": _push(lambda m: m.number("<H")),
    b"J": _push(lambda m: m.number("<i")),
    b"\x8a": _push(_long),
    b"U": _push(lambda m: m.take(m.number("<B"))),
    b"T": _push(lambda m: m.take(m.number("<I"))),
    b"C": _push(lambda m: m.take(m.number("<B"))),
    b"B": _push(lambda m: m.take(m.number("<I"))),
    b"\x8e": _push(lambda m: m.take(m.number("<Q"))),
    b"\x96": _push(lambda m: m.take(m.number("<Q"))),
    b"\x8c": _push(lambda m: m.take(m.number("<B")).decode("utf-8")),
    b"X": _push(lambda m: m.take(m.number("<I")).decode("utf-8")),
    b"\x8d": _push(lambda m: m.take(m.number("<Q")).decode("utf-8")),
    b"]": _push(lambda m: []),
    b"}": _push(lambda m: {}),
    b")": _push(lambda m: ()),
    b"\x85": _push(lambda m: m.last(1)),
    b"\x86": _push(lambda m: m.last(2)),
    b"\x87": _push(lambda m: m.last(3)),
    b"t": _push(lambda m: tuple(m.marked())),
    b"a": lambda m: m.append(list(m.last(1))),
    b"e": lambda m: m.append(m.marked()),
    b"s": lambda m: m.set(list(m.last(2))),
    b"u": lambda m: m.set(m.marked()),
    b"q": _keep(lambda m: m.number("<B")),
    b"r": _keep(lambda m: m.number("<I")),
    b"\x94": _keep(lambda m: len(m.memo)),
    b"h": _push(lambda m: m.memo[m.number("<B")]),
    b"j": _push(lambda m: m.memo[m.number("<I")]),
    b"c": _push(lambda m: _Named(m.line(), m.line())),
    b"\x93": _push(_named),
    b"R": _Machine.reduce,
    b"b": _Machine.build,
}
"""opcode → what it does."""
