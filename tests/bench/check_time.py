"""How long `check` takes, after the imports: `python tests/bench/check_time.py`.

Bounds: resnet152 and inception_v3 0.25 s; 10,000 lines of text 2 s; 100,000 nodes by repetition 20 s, and at most 12
times as long as 10,000. The best of three. Exit code 1 where a bound is passed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cnndsl.ops  # noqa: F401  (the imports are not measured)
from cnndsl.language.load import bundled_models, check

LINES = 9_990  # with the lines around them below 10,000


def text(lines: list[str]) -> str:
    """A model of these lines."""
    return "\n".join(["model m {", "    input i: 32x32x8", *lines, "}", ""])


TEXTS = {
    "10,000 lines of convolutions": text(["    conv(8, 1x1) -> relu"] * LINES),
    "10,000 lines, all sorts": text(
        [(f"    conv(8, 1x1) as v{k}", "    max_pool(1x1) -> tanh : 32x32x8", "    # said", "")[k % 4] for k in range(LINES)]
    ),
    "10,000 nodes by repetition": text(["    { conv(8, 1x1) -> relu } * 2490"]),
    "100,000 nodes by repetition": text(["    { conv(8, 1x1) -> relu } * 24900"]),
}
BOUNDS = {"10,000 lines": 2.0, "10,000 nodes": 2.0, "100,000 nodes": 20.0}


def best(run: Callable[[], object], times: int = 3) -> float:
    """Seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> int:
    took: dict[str, float] = {}
    passed = True
    check("lenet5")
    for name in ("resnet152", "inception_v3"):
        if name in bundled_models():
            took[name] = best(lambda name=name: check(name))
            passed &= took[name] <= 0.25
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.cnn"
        for name, source in TEXTS.items():
            path.write_text(source)
            assert not check(path), name
            took[name] = best(lambda: check(path))
            passed &= took[name] <= next(b for start, b in BOUNDS.items() if name.startswith(start))
    ratio = took["100,000 nodes by repetition"] / took["10,000 nodes by repetition"]
    for name, seconds in took.items():
        print(f"{name:<32} {seconds:7.3f} s")
    print(f"{'10 times the nodes':<32} {ratio:7.1f} times as long")
    return 0 if passed and ratio <= 12 else 1


if __name__ == "__main__":
    sys.exit(main())
