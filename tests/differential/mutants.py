"""Faults made mechanically in the compiler: are they caught by the tests? A campaign, not a test.

    python tests/differential/mutants.py [--count 100] [--seed 0] [--only guard]

Works on a copy of the package. One fault at a time:

    guard    a condition under which a pass or the planner refuses is never met
    axis     rows and columns exchanged: an index or slice of axis 1 reads axis 2, a pair is unpacked the other way round
    offset   a number in an index, a slice or a sum is one more
    alias    a lifetime ends early or a place is shared: the larger of two is the first of them

Each is run against the tests of passes, plans, targets and random networks until one fails. Prints what survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = {
    "guard": ("passes", "program"),
    "axis": ("targets/numpy/kernels", "targets/numpy/lower", "passes"),
    "offset": ("targets/numpy/kernels", "program"),
    "alias": ("program",),
}
SKIPPED = ("describe.py", "explain.py", "stages.py", "check.py")  # they tell, or judge
TESTS = ("tests/passes", "tests/program", "tests/targets/numpy", "tests/differential", "tests/runtime", "tests/ops")


@dataclass(frozen=True)
class Site:
    kind: str
    path: str
    number: int
    line: int
    was: str
    now: str


Change = Callable[[ast.AST], ast.AST | None]


def guard(node: ast.AST) -> ast.AST | None:
    if isinstance(node, ast.If) and not node.orelse:
        last = node.body[-1]
        refuses = isinstance(last, (ast.Raise, ast.Continue)) or (
            isinstance(last, ast.Return) and isinstance(last.value, (ast.Constant, ast.JoinedStr, type(None)))
        )
        if refuses:
            return ast.copy_location(ast.If(ast.Constant(False), node.body, []), node)
    return None


def axis(node: ast.AST) -> ast.AST | None:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in (1, 2):
        said = ast.unparse(node.value)
        if said.endswith(("shape", "sizes", "stride", "strides", "pad", "kernel", "window")):
            other = ast.Constant(3 - node.slice.value if said.endswith(("shape", "sizes", "strides")) else 1 - node.slice.value)
            return ast.copy_location(ast.Subscript(node.value, other, node.ctx), node)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and len(node.targets[0].elts) == 2:
        pair = node.targets[0].elts
        if all(isinstance(x, ast.Tuple) for x in pair) and isinstance(node.value, (ast.Name, ast.Attribute)):
            return ast.copy_location(ast.Assign([ast.Tuple([pair[1], pair[0]], ast.Store())], node.value), node)
    return None


def offset(node: ast.AST) -> ast.AST | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and ast.unparse(node.right) == "1":
        return ast.copy_location(ast.BinOp(node.left, node.op, ast.Constant(2)), node)
    if isinstance(node, ast.Slice) and node.upper is not None and node.lower is not None:
        lower = ast.BinOp(node.lower, ast.Add(), ast.Constant(1))
        return ast.copy_location(ast.Slice(lower, node.upper, node.step), node)
    return None


def alias(node: ast.AST) -> ast.AST | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "max" and len(node.args) == 2:
        return node.args[0]
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.Lt, ast.LtE)):
        other = ast.LtE() if isinstance(node.ops[0], ast.Lt) else ast.Lt()
        return ast.copy_location(ast.Compare(node.left, [other], node.comparators), node)
    return None


KINDS: dict[str, Change] = {"guard": guard, "axis": axis, "offset": offset, "alias": alias}


class Mutation(ast.NodeTransformer):
    """Changes site `number`, or with −1 none, and counts the sites."""

    def __init__(self, change: Change, number: int) -> None:
        self.change, self.number, self.seen = change, number, 0
        self.found: list[tuple[int, str, str]] = []

    def visit(self, node: ast.AST) -> ast.AST:
        made = self.change(node)
        if made is not None:
            here = self.seen
            self.seen += 1
            self.found.append((getattr(node, "lineno", 0), said(node), said(made)))
            if here == self.number:
                return made
        return self.generic_visit(node)


def said(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]
    return text if len(text) < 90 else text[:89] + "…"


def sites(kinds: tuple[str, ...]) -> Iterator[Site]:
    for kind in kinds:
        for folder in PLACES[kind]:
            for path in sorted((ROOT / "cnndsl" / folder).glob("*.py")):
                if path.name in SKIPPED:
                    continue
                found = Mutation(KINDS[kind], -1)
                found.visit(ast.parse(path.read_text()))
                for n, (line, was, now) in enumerate(found.found):
                    yield Site(kind, str(path.relative_to(ROOT)), n, line, was, now)


def caught(site: Site, work: Path, seconds: float) -> str:
    """How: the test that failed, `time`, or empty: it survived."""
    path = work / site.path
    before = path.read_text()
    tree = ast.fix_missing_locations(Mutation(KINDS[site.kind], site.number).visit(ast.parse(before)))
    path.write_text(ast.unparse(tree) + "\n")
    try:
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *TESTS]
        env = {**os.environ, "PYTHONPATH": str(work), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "time"
    finally:
        path.write_text(before)
    if done.returncode == 0:
        return ""
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0][:100] if failed else f"exit {done.returncode}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(KINDS), action="append")
    parser.add_argument("--seconds", type=float, default=600, help="of one run of the tests")
    given = parser.parse_args()
    every = list(sites(tuple(given.only or KINDS)))
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    print(f"{len(chosen)} of {len(every)} faults, seed {given.seed}", flush=True)
    total, lived = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "copy"
        shutil.copytree(ROOT, work, ignore=shutil.ignore_patterns(".*", "docs", "__pycache__", "runs"))
        for n, site in enumerate(chosen, 1):
            began = time.monotonic()
            how = caught(site, work, given.seconds)
            total[site.kind] += 1
            lived[site.kind] += not how
            state = how or "SURVIVED"
            print(f"{n:3} {site.kind:<7} {site.path}:{site.line}  {site.was}  →  {site.now}", flush=True)
            print(f"      {state} ({time.monotonic() - began:.0f} s)", flush=True)
    for kind in total:
        print(f"{kind:<7} {total[kind] - lived[kind]} of {total[kind]} caught")
    print(f"all     {total.total() - lived.total()} of {total.total()} caught")


if __name__ == "__main__":
    main()
