"""Ctrl-C during long work: the first asks it to stop where it is safe, the second stops it at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

AGAIN = 1.0
"""Seconds after the second, within which more are the same impatience."""


class Asked:
    """Whether Ctrl-C has asked the work to stop. `saving` is set where what was done is being kept: that takes a moment only,
    and a further Ctrl-C no longer ends it."""

    def __init__(self) -> None:
        self.count = 0
        self.saving = False
        self.ended = 0.0

    def is_set(self) -> bool:
        return self.count > 0


@contextmanager
def interrupts(tell: Callable[[], None] = lambda: None) -> Iterator[Asked]:
    """Within, the first Ctrl-C asks; the second raises KeyboardInterrupt, unless `saving`. What comes within `AGAIN` after that
    is passed over, so that whatever is open gets closed; later ones raise it again.

    tell: called once, at the first Ctrl-C, from a thread of its own: the work may be in the middle of printing.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)
    # A plain lock, whose release is one step: a second Ctrl-C in the midst of an Event's `set` would leave it locked.
    told = threading.Lock()
    told.acquire()

    def telling() -> None:
        told.acquire()
        if asked.is_set():
            with suppress(OSError, ValueError):  # nobody is there to be told
                tell()

    def on_interrupt(number: int, frame: Any) -> None:
        asked.count += 1
        if asked.count == 1:
            told.release()
        elif not asked.saving and time.monotonic() - asked.ended > AGAIN:
            asked.ended = time.monotonic()
            raise KeyboardInterrupt

    teller = threading.Thread(target=telling, name="interrupts", daemon=True)
    teller.start()
    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
        with suppress(RuntimeError):  # where it is released already
            told.release()
        teller.join()
