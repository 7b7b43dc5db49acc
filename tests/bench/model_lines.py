"""Lines of code of model files: ours, and Python files whose paths are given.

    python tests/bench/model_lines.py [torchvision/models/resnet.py …] [keras/src/applications/resnet.py …]

Blank lines, comments and docstrings do not count, nor do torchvision's tables of trained weights (`class …_Weights`).
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

IDLE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def of_python(text: str) -> int:
    """Lines that hold code."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name.endswith("_Weights"):
            left_out |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            left_out |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in IDLE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - left_out)


def of_cnn(text: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())


def main() -> None:
    for path in [*sorted((Path(__file__).parents[2] / "models").glob("*.cnn")), *map(Path, sys.argv[1:])]:
        count = (of_cnn if path.suffix == ".cnn" else of_python)(path.read_text(encoding="utf-8"))
        print(f"{count:6}  {path.parent.name}/{path.name}")


if __name__ == "__main__":
    main()
