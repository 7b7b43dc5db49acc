"""Every code of a message is raised somewhere; a code that nothing raises is a promise nobody keeps."""

from __future__ import annotations

from pathlib import Path

import cnndsl
from cnndsl.errors import CODES

PACKAGE = Path(cnndsl.__file__).parent


def test_every_code_is_used() -> None:
    text = "".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py") if p.name != "errors.py")
    assert len(CODES) > 50
    assert [code for code in CODES if f'"{code}"' not in text] == []
