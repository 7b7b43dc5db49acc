"""The formatter: one layout for `.cnn` text. White space moves, idle semicolons go; `with_shapes` writes shapes too."""

from cnndsl.language.format.layout import formatted
from cnndsl.language.format.shapes import with_shapes

__all__ = ["formatted", "with_shapes"]
