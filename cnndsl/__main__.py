"""Where the command line begins: `cnndsl`, and `python -m cnndsl` where that script is not on the path."""

from __future__ import annotations

import sys


def main() -> None:
    """The command line. Ctrl-C while it is still being imported ends it as later: without a word, exit code 130."""
    try:
        from cnndsl.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
