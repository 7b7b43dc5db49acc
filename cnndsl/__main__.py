"""Where the command line begins: `cnndsl`, and `python -m cnndsl` where that script is not on the path."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

INTERRUPTED = 130
AGAIN = 1.0
"""Seconds after Ctrl-C, within which more are the same impatience."""


class Leaving:
    """What Ctrl-C does: the first raises KeyboardInterrupt; those that follow in a hurry meet a program that is leaving.
    Where it has not left after that, it hangs, and ends here."""

    def __init__(self) -> None:
        self.since: float | None = None

    def on_interrupt(self, number: int, frame: Any) -> None:
        if self.since is None:
            self.since = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self.since > AGAIN:
            os._exit(INTERRUPTED)


def main() -> None:
    """The command line. Ctrl-C ends it, also while it is still being imported, without a word and with exit code 130."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as under `nohup`
    if ours:
        signal.signal(signal.SIGINT, Leaving().on_interrupt)
    try:
        from cnndsl.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        if ours:  # a handler of ours Python would take away before it is gone itself
            signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
