"""The one place where text of our own making is executed: what a target's `emit` printed, and nothing else."""

from __future__ import annotations

import hashlib
import linecache
import types


def load_source(text: str, name: str) -> types.ModuleType:
    """The module that `text` defines. `name` is shown in tracebacks, with the lines of the text.

    The text is the very one that `cnndsl compile -o` writes. Nothing from a model reaches it but numbers,
    identifiers that the planner made, and strings printed by `repr`.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    file = f"<cnndsl {name} {digest}>"
    module = types.ModuleType(f"cnndsl_emitted_{digest}")
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), module.__dict__)
    return module
