"""`cnndsl ops`: the words for layers, a line each."""

from __future__ import annotations


def ops() -> None:
    """The ops of the language: what each is, in a line."""
    from cnndsl.view.ops import catalogue

    print(catalogue())
    print("\nOptions of one:  cnndsl explain conv")
