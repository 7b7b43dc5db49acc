"""Random networks that can be built, with notes that are missing, stale or right: what `fmt --shapes` is tried on."""

from __future__ import annotations

import random
import re

STALE = [" : 1x1x1", " : 7", " : _x_x3", " : 9x_x_", " : _x_x_", " : [1, 1, 1]", " : [width, width, width]", " : 4x4"]
UNIT = "block unit(filters, stride = 1) {\n    conv(filters, 3x3, stride = stride, pad = same) -> relu\n}\n"


def network(draw: random.Random, notes: bool) -> str:
    """A file with a model that may be a template, and instances. notes: whether lines have some, nearly all stale."""
    template, open_ = draw.random() < 0.4, draw.random() < 0.3
    size = "HxWx3 where H % 16 == 0, W % 16 == 0" if open_ else f"{draw.choice((16, 32))}x{draw.choice((16, 32))}x3"
    options = f"norm = {draw.choice(('true', 'false'))}, kind = B | A, depths = [1, 2], classes = 10"
    lines = [f"model net(width{'' if template else ' = 8'}, {options}) {{", f"    input image: {size}"]
    halvings = draw.randrange(5)
    for k in range(draw.randrange(2, 9)):
        down = halvings > 0 and draw.random() < 0.6
        halvings -= down
        lines += statement(draw, down, k)
    if draw.random() < 0.5:
        lines.append("    head aux { global_avg_pool -> dense(classes) }")
    lines.append("    flatten" if not open_ and draw.random() < 0.5 else "    global_avg_pool")
    lines += [f"    dense({draw.choice(('32', 'width', 'classes'))}) -> relu", "    dense(classes) as logits", "    softmax"]
    if notes:
        lines[2:] = [x + draw.choice(STALE) if _may_have_note(x) and draw.random() < 0.4 else x for x in lines[2:]]
    lines.append("}")
    for k in range(draw.randrange(1, 3) if template else draw.randrange(2)):
        lines.append(f"model made{k} = net(width = {draw.choice((4, 8, 8, 12))}, depths = [{draw.randrange(3)}, 1])")
    return "\n".join([UNIT, *lines]) + "\n"


def statement(draw: random.Random, down: bool, k: int) -> list[str]:
    """Lines of one statement of a model's body; `down` halves height and width."""
    filters = draw.choice(("8", "16", "width", "2 * width", "len(depths)"))
    stride = ", stride = 2" if down else ""
    made = [
        f"conv({filters}, 3x3{stride}, pad = same) -> batch_norm -> relu",
        f"unit({filters}{stride})",
        f"unit({filters}{stride}) -> unit({filters}) * depths[{draw.randrange(2)}] as stage{k}",
        f"{{ unit({filters}) -> relu }} * 2 -> {'max_pool(2x2)' if down else 'identity'}",
    ]
    if not down:
        made += [
            "if norm { batch_norm } else { relu }",
            f"if kind == A {{ unit({filters}) }}",
            "relu",
            "unit(8)\n    add {\n        main: unit(8)\n        skip: identity\n    }",
            f"concat {{\n        one:   unit({filters})\n        three: unit(4) -> unit(8)\n    }}",
            f"for n in [4, 8] {{\n        unit(n)\n        unit({filters})\n    }}",
            f"concat {{ a: unit(4); b: unit({filters}) }}",
        ]
    return [x if n else f"    {x}" for n, x in enumerate(draw.choice(made).split("\n"))]


def _may_have_note(line: str) -> bool:
    """A line that is a pipeline or a branch."""
    return re.match(r"\s+(?!if|for|head|add|concat \{$|softmax)[\w{]", line) is not None
