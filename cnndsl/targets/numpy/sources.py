"""The text of functions and all that they need from their modules: what an emitted file copies instead of importing."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

OURS = "cnndsl."


@dataclass
class Copied:
    """Import lines, constants and definitions, each once, what is needed first. `given`: names that are there already."""

    given: frozenset[str] = frozenset()

    imports: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)
    definitions: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(
        self,
        function: Callable[..., Any] | type,
        rename: str = "",
        without: frozenset[str] = frozenset(),
        plus: type | None = None,
    ) -> None:
        """Copy a module-level function or class, under another name if wanted, and what it uses. Of a class, without some
        methods, and with those of the class `plus`.
        """
        self._copy(function.__module__, function.__name__, rename, without)
        if plus is None:
            return
        source, tops = parsed(plus.__module__)
        more = tops[plus.__name__]
        assert isinstance(more, ast.ClassDef)
        for method in (x for x in more.body if isinstance(x, ast.FunctionDef)):
            self.definitions[(function.__module__, function.__name__)] += "\n\n" + segment(source, method)
            pending: list[Any] = []
            for used in names_in(method):
                self._need(plus.__module__, used, tops, source, pending)
            for module, name, _, _ in pending:
                self._copy(module, name, "", frozenset())

    def _copy(self, module: str, name: str, rename: str, without: frozenset[str]) -> None:
        first = name
        pending = [(module, name, rename, False)]
        begun: set[tuple[str, str]] = set()  # functions may need each other
        while pending:
            module, name, rename, ready = pending.pop()
            key = (module, rename or name)
            if key in self.definitions or (not ready and key in begun):
                continue
            begun.add(key)
            source, tops = parsed(module)
            node = tops[name]
            if without and name == first and isinstance(node, ast.ClassDef):
                node = _lessened(node, without)
            if ready:
                text = segment(source, node)
                self._only(module, rename or name)
                self.definitions[key] = text.replace(f"def {name}(", f"def {rename}(", 1) if rename else text
                continue
            pending.append((module, name, rename, True))
            for used in reversed(names_in(node)):
                self._need(module, used, tops, source, pending)

    def _only(self, module: str, name: str) -> None:
        """Raise ValueError where another module's definition has that name: a file has room for one."""
        for other, taken in self.definitions:
            if taken == name and other != module:
                raise ValueError(f"{other} and {module} both define {name}")

    def _need(self, module: str, used: str, tops: dict[str, ast.stmt], source: tuple[str, ...], pending: list[Any]) -> None:
        node = None if used in self.given else tops.get(used)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            pending.append((module, used, "", False))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            text = segment(source, node)
            if used not in self.constants:
                for other in names_in(node):
                    if other != used:
                        self._need(module, other, tops, source, pending)
                self.constants[used] = text
            elif self.constants[used] != text:
                raise ValueError(f"{used} of {module} is another elsewhere")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            theirs, names = parsed(node.module or "")
            self._need(node.module or "", used, names, theirs, pending)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            alias = next(a for a in node.names if (a.asname or a.name).split(".")[0] == used)
            what = alias.name + (f" as {alias.asname}" if alias.asname else "")
            self.imports.add(f"from {node.module} import {what}" if isinstance(node, ast.ImportFrom) else f"import {what}")


def _lessened(node: ast.ClassDef, without: frozenset[str]) -> ast.ClassDef:
    """A class without some of its methods."""
    kept = [x for x in node.body if not (isinstance(x, ast.FunctionDef) and x.name in without)]
    found = ast.ClassDef(node.name, node.bases, node.keywords, kept, node.decorator_list)
    return ast.copy_location(found, node)


def segment(source: tuple[str, ...], node: ast.stmt) -> str:
    """The lines of a top-level statement, decorators included; of a class, those of the parts that it has."""
    low = _first(node)
    while isinstance(node, (ast.Assign, ast.AnnAssign)) and source[low - 2].startswith("# "):
        low -= 1  # what a comment above says of a constant
    spans = [(low, node.end_lineno or 0)]
    if isinstance(node, ast.ClassDef):
        first = node.body[0]
        parts = [(_first(x) - (not source[_first(x) - 2].strip()), x.end_lineno or 0) for x in node.body]
        spans = [(_first(node), _first(first) - 1), *parts]
    lines = [line for low, high in spans for line in source[low - 1 : high]]
    return "\n".join(line.removesuffix("  # fmt: skip") for line in lines)


def _first(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


@functools.cache
def parsed(module: str) -> tuple[tuple[str, ...], dict[str, ast.stmt]]:
    """A module's lines, and its top-level statements by the names they bind."""
    source = inspect.getsource(sys.modules[module])
    tops: dict[str, ast.stmt] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            tops[node.name] = node
        elif isinstance(node, ast.Assign):
            tops.update({t.id: node for t in node.targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            tops[node.target.id] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            tops.update({(a.asname or a.name).split(".")[0]: node for a in node.names})
    return tuple(source.split("\n")), tops


def assigns(module: str, name: str) -> bool:
    """Whether a constant is a module's own, and not imported there."""
    return isinstance(parsed(module)[1].get(name), (ast.Assign, ast.AnnAssign))


@functools.cache
def names_in(node: ast.AST) -> tuple[str, ...]:
    """The names that a statement reads, each once, in the order of the text."""
    found = {n.id: (n.lineno, n.col_offset) for n in ast.walk(node) if isinstance(n, ast.Name)}
    return tuple(sorted(found, key=found.__getitem__))


def import_lines(lines: Iterable[str]) -> list[str]:
    """Import statements in order; several names of one module on one line."""
    plain: list[str] = []
    named: dict[str, list[str]] = {}
    for line in sorted(set(lines)):
        if line.startswith("from "):
            module, name = line[5:].split(" import ")
            named.setdefault(module, []).append(name)
        else:
            plain.append(line)
    both = plain + [
        f"from {module} import {', '.join(sorted(names, key=str.lower))}" for module, names in sorted(named.items())
    ]
    outside = [line for line in both if line.split()[1].split(".")[0] == "numpy"]
    inside = [line for line in both if line not in outside]
    return [*inside, "", *outside] if inside else outside
