"""Every code there is has a golden case that provokes it, or stands below with the reason why none can."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from cnndsl.errors import CODES, CnnError
from tests.messages import calls, commands
from tests.messages.commands import Bad

pytestmark = pytest.mark.usefixtures("without_pictures")

GOLDEN = Path(__file__).parents[1] / "golden"
SHOWN = re.compile(r"^(?:error|warning)\[(\w+)\]", re.MULTILINE)

NEVER = {
    "E645": "is caught and said in a line of the table that bench prints; and PyTorch must be installed",
    "E723": "the memory of the machine must be used up: tests/runtime takes it away",
    "E799": "a mistake of ours: no input provokes one that is known; tests/cli/test_failure.py makes one up",
    "E990": "the memory of the machine must be used up: tests/cli/test_failure.py takes it away",
}
"""Codes that no golden case can provoke, and why."""

ONLY_PYTHON = {
    "E421": "the words of recipes are those of the image steps: E402 and E423 come first",
    "E503": "what is trained has the element types of weights",
    "E603": "every op of the language has a gradient; of a gradient there is none",
    "E642": "every op of the language can be written as ONNX",
    "E643": "no command takes the names of outputs",
    "E721": "commands fit pictures to the model before they call it",
    "E722": "commands find the weights before they call the model",
}
"""Codes that no `.cnn` file, recipe or command line can provoke, and why: their golden cases are calls of the Python API."""


def held(folder: str, name: str, found: str, request: pytest.FixtureRequest) -> None:
    """`found` is what the golden file holds, or becomes that."""
    path = GOLDEN / folder / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing; read the message, then pytest --update-golden\n{found}"
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", commands.BAD)
def test_command(name: str, cli: Any, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    bad: Bad = commands.BAD[name]
    for file, content in bad.files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    for line in bad.before:
        done = cli(*shlex.split(line))
        assert done.code == 0, done.err
    if bad.then is not None:
        bad.then(tmp_path)
    if bad.missing:
        monkeypatch.setitem(sys.modules, bad.missing, None)
    words = shlex.split(bad.words) if isinstance(bad.words, str) else bad.words
    done = cli(*words)
    assert done.code == bad.code, done
    assert str(tmp_path) not in done.err
    said = re.sub(r"^weights: .*\n", "", done.err)  # where they were found: a path of this machine
    said = re.sub(bad.varies, "…", said) if bad.varies else said
    held("commands", name, f"$ cnndsl {shlex.join(words)}\n{said}", request)


@pytest.mark.parametrize("name", calls.BAD)
def test_call(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with pytest.raises(CnnError) as caught:
        calls.BAD[name](tmp_path)
    assert str(tmp_path) not in str(caught.value)
    held("python", name, f"{caught.value}\n", request)


def shown(*folders: str) -> set[str]:
    """The codes that the golden files of these folders show."""
    paths = [path for folder in folders for path in (GOLDEN / folder).glob("*.txt")]
    return {code for path in paths for code in SHOWN.findall(path.read_text(encoding="utf-8"))}


def test_every_code_has_a_golden_case() -> None:
    everywhere = shown("", "commands", "python")
    assert sorted(set(CODES) - everywhere) == sorted(NEVER)
    assert everywhere <= set(CODES)


def test_every_code_of_a_text_or_a_command_has_a_golden_case_of_one() -> None:
    assert sorted(set(CODES) - shown("", "commands")) == sorted([*NEVER, *ONLY_PYTHON])


def test_there_are_many_ill_formed_models() -> None:
    """Each with what it is told, held to the letter; most are of text alone."""
    assert len(list(GOLDEN.glob("*.txt"))) >= 150
    assert len(list(GOLDEN.rglob("*.txt"))) >= 300


def test_what_stands_apart_says_why() -> None:
    assert not set(NEVER) & set(ONLY_PYTHON)
    assert all(len(why) > 20 for why in [*NEVER.values(), *ONLY_PYTHON.values()])


@pytest.mark.parametrize(("folder", "cases"), [("commands", commands.BAD), ("python", calls.BAD)])
def test_no_golden_file_is_left_over(folder: str, cases: dict[str, Any]) -> None:
    assert {path.stem for path in (GOLDEN / folder).glob("*.txt")} == set(cases)
