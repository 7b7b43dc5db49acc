"""No traceback reaches a user; a failure is one message, on stderr, with a code."""

import errno

import pytest

from cnndsl.cli.failure import explained, report
from cnndsl.errors import CnnError, Diagnostic, Source, Span, error


def test_ours_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    e = error("E301", "it does not fit", Span(Source("a.cnn", "model a {}"), 0, 5), help="make it fit")
    assert report(e) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == str(e) + "\n"


def test_several_are_shown_apart(capsys: pytest.CaptureFixture[str]) -> None:
    report(CnnError([Diagnostic("E301", "one"), Diagnostic("E302", "two")]))
    assert capsys.readouterr().err == "error[E301]: one\n\nerror[E302]: two\n"


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (ZeroDivisionError("division by zero"), "E799", "internal error (ZeroDivisionError: division by zero)"),
        (RecursionError("x" * 5000), "E799", "internal error (RecursionError: xxx"),
        (KeyError("a\nb\x1b[31m"), "E799", "internal error (KeyError"),
        (MemoryError(), "E990", "not enough memory"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "w.safetensors"), "E598", "w.safetensors: no such file"),
        (OSError(errno.ENOSPC, "No space left on device"), "E598", "no space left on device"),
    ],
)
def test_anything_else_is_one_sentence(raised: Exception, code: str, says: str) -> None:
    (found,) = explained(raised).diagnostics
    assert found.code == code
    assert says in found.message
    assert len(found.message) < 400
    assert "\x1b" not in found.render()


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CNNDSL_DEBUG", "1")
    report(ValueError("oops"))
    assert "ValueError: oops" in capsys.readouterr().err.splitlines()[-1]


def test_json_gives_errors_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    report(error("E301", "it does not fit"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["errors"][0]["code"] == "E301"
    assert err == "error[E301]: it does not fit\n"
