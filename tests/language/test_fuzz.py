"""Mutated models and bytes: nothing but our own error class, each within two seconds and 512 MB.

Four in ten have tokens changed, four in ten parts exchanged as the grammar has them, two in ten bytes. What can be parsed
is laid out too, one in ten times: `fmt` meets strangers' texts as `check` does.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnndsl.errors import CnnError, Source
from cnndsl.language.files import decode
from cnndsl.language.format import formatted
from cnndsl.language.load import load_text

sys.path.insert(0, str(Path(__file__).parent))
from mutations import exchanged, mutated, sources, spoilt

LONGEST = 2.0
MOST_MEMORY = 512 * 2**20


def outcome(text: str | bytes, model: str | None, lay_out: bool) -> tuple[str, str]:
    """(code, message) of what loading says, or nothing twice. Any other exception is the test's failure."""
    try:
        whole = decode(text, "fuzz.cnn") if isinstance(text, bytes) else text
        if lay_out:
            formatted(Source("fuzz.cnn", whole))
        load_text(whole, model=model)
    except CnnError as e:
        return e.code, str(e)
    except BaseException as e:
        raise AssertionError(text) from e
    return "", ""


def drawn(draw: random.Random, texts: list[str]) -> tuple[str | bytes, str | None]:
    kind = draw.random()
    return mutated(draw, texts) if kind < 0.4 else exchanged(draw) if kind < 0.8 else spoilt(draw, texts)


def run(seed: int, count: int) -> tuple[int, float]:
    """`count` texts; how many were well formed, and the longest time. Bounds are held for each."""
    draw, texts = random.Random(seed), sources()
    good, longest = 0, 0.0
    for k in range(count):
        text, model = drawn(draw, texts)
        lay_out = draw.random() < 0.1
        start = time.process_time()
        code, said = outcome(text, model, lay_out)
        longest = max(longest, time.process_time() - start)
        good += code == ""
        assert code != "E799", (seed, k, text)
        assert len(said) < 100_000, (seed, k, text)
        assert longest <= LONGEST, (seed, k, longest, text)
    return good, longest


def test_mutated_models() -> None:
    good, _ = run(0, 300)
    assert 30 < good < 200


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(1, 21))
def test_ten_thousand_mutated_models(seed: int) -> None:
    """In a process of its own, whose peak memory is then that of the worst text."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_fuzz; test_fuzz.child({seed}, 10_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout.strip())


def child(seed: int, count: int) -> None:
    """What the campaign runs: prints its result, and fails above the limit of memory."""
    good, longest = run(seed, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"seed {seed}: {count} texts, {good} well formed, longest {longest:.2f} s, peak {peak / 2**20:.0f} MB")
    assert peak <= MOST_MEMORY
