"""Nested work without Python's stack: generators that yield the generators they need, on a list.

What need not nest may be yielded as the value itself: it comes back at once.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import GeneratorType
from typing import Any

from cnndsl.errors import CnnError
from cnndsl.language.scope import Poisoned

Task = Generator[Any, Any, Any]
MUCH = 100_000
"""Objects, which the collector walks in about a tenth of a second."""
_unseen = False


class Enough(Exception):  # noqa: N818  (it ends an elaboration and is no error itself)
    """So many errors, or such a one, that going on tells nothing new."""


def drive(task: Task) -> Any:
    """Run `task` with all it yields; its result."""
    stack, result, failure = [task], None, None
    while stack:
        try:
            deeper = stack[-1].throw(failure) if failure is not None else stack[-1].send(result)
        except StopIteration as stop:
            stack.pop()
            result, failure = stop.value, None
        except (CnnError, Poisoned, Enough) as e:
            stack.pop()
            failure = e
        else:
            failure = None
            if type(deeper) is GeneratorType:
                stack.append(deeper)
                result = None
            else:
                result = deeper
    if failure is not None:
        raise failure
    return result


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cycle collector, which would walk the growing tree and graph again and again: a third of the time.

    What is built here is bounded by the limits of the language, and next to none of it is garbage: where it is much, it is
    counted among the oldest objects, or the collector would walk all of it as soon as it is back. It looks at those when a
    quarter more of them has come to it by itself, which these did not: the next text has them looked through first.
    """
    global _unseen
    was = gc.isenabled()
    if was and _unseen:
        gc.collect()
        _unseen = False
    gc.disable()
    try:
        yield
    finally:
        if was:
            if gc.get_count()[0] > MUCH and not gc.get_freeze_count():  # a caller's own are to stay frozen
                gc.freeze()
                gc.unfreeze()
                _unseen = True
            gc.enable()
