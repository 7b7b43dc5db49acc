"""The one place where text of our own making is executed: what a target's `emit` printed, and nothing else."""

from __future__ import annotations

import hashlib
import linecache
import types
import weakref

from cnndsl.errors import printable


class Source:
    """The text of an emitted module. It lies in the module's namespace, as its loader, so it lives as long as that code."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_source(self, name: str) -> str:
        return self.text


SHOWN: weakref.WeakValueDictionary[str, Source] = weakref.WeakValueDictionary()
"""By the name under which tracebacks ask for their lines: modules of one text share it."""


def load_source(text: str, name: str) -> types.ModuleType:
    """The module that `text` defines. `name` is shown in tracebacks, with the lines of the text.

    The text is the very one that `cnndsl compile -o` writes. Nothing from a model reaches it but numbers,
    identifiers that the planner made, and strings printed by `repr`.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    file = f"<cnndsl {printable(name)} {digest}>"
    module = types.ModuleType(f"cnndsl_emitted_{digest}")
    source = SHOWN.get(file)
    if source is None:
        source = SHOWN[file] = Source(text)
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(source, linecache.cache.pop, file, None).atexit = False
    module.__dict__["__loader__"] = source
    exec(compile(text, file, "exec"), module.__dict__)
    return module
