"""The words of the language that are neither ops nor of recipes, for a reader: what each means, with an example.

The examples are whole files, or steps that stand in a model whose input is 32x32x16; the tests check every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill, indent

from cnndsl.language.spelling import listed
from cnndsl.view.ops import word_ops


@dataclass(frozen=True, slots=True)
class Word:
    """text: what it means. example: as `cnndsl explain` prints it. steps: whether it stands in a model's body."""

    text: str
    example: str
    steps: bool = True


TWO_BLOCKS = """block unit(filters, stride = 1) {
    conv(filters, 3x3, stride = stride, pad = same_symmetric) -> relu
}

model net(classes = 10) {
    input image: 32x32x3

    unit(16)
    unit(32, stride = 2) : 16x16x32
    global_avg_pool -> dense(classes) as logits
    softmax
}"""
CASES = "for i in range(3) {\n    if i == 0 { conv(16, 3x3, pad = same) }\n    else { conv(32, 3x3, pad = same) -> relu }\n}"
JOIN = "add {\n    main: conv(16, 3x3, pad = same) -> relu\n    skip: identity\n}"
DEEPER = "model net(depth = 2) {\n    input image: 32x32x3\n\n    { conv(8, 3x3, pad = same) -> relu } * depth\n}"
OPEN = "model net {\n    input image: HxWx3 where H % 2 == 0, W % 2 == 0\n\n    conv(8, 3x3, pad = same) -> max_pool(2x2)\n}"
ALONG = "head middle { global_avg_pool -> dense(10) }\nconv(32, 3x3, pad = same) -> relu"
TRUTH = "if input.channels == 16 and not input.height < 8 { conv(32, 3x3, bias = false, pad = same) }"
PADDED = "conv(16, 3x3, pad = valid)          : 30x30x16\nconv(16, 3x3, stride = 2, pad = same) : 15x15x16"
DRAWN = "conv(32, 3x3, init = glorot_uniform) -> relu"

WORDS: Mapping[str, Word] = {
    "model": Word(
        "a network: `model NAME(parameters) { steps }`. A parameter may have a default, which classes=26 "
        "on the command line changes. `model small = net(width = 8)` makes a model of another, with "
        "these arguments.",
        TWO_BLOCKS,
        False,
    ),
    "block": Word(
        "a piece of a network with a name: `block NAME(parameters) { steps }`. It is used like an op, "
        "and written out anew, with weights of its own, wherever it is used. In it `input` is the value "
        "that came in.",
        TWO_BLOCKS,
        False,
    ),
    "input": Word(
        "what a model takes: `input NAME: shape`, height x width x channels, without the batch. A "
        "capital letter leaves a size open. Among the steps, `input` is the value that came in; "
        "input.channels, input.height, input.width.",
        OPEN,
        False,
    ),
    "where": Word("what the open sizes of an input are multiples of; behind its shape.", OPEN, False),
    "use": Word(
        'brings in the blocks and models of another file in the same folder or below, not its recipes: `use "blocks.cnn"`.',
        "",
        False,
    ),
    "cnn": Word("pins the version of the language, in the first line of a file: `cnn 1`.", f"cnn 1\n\n{DEEPER}", False),
    "defaults": Word(
        "changes the defaults of ops, from where it stands to the end of its body or of the file. It "
        "does not reach into blocks that are called there.",
        "defaults { conv(pad = same, bias = false); batch_norm(momentum = 0.9) }\nconv(16, 3x3) -> batch_norm -> relu",
    ),
    "as": Word(
        "names a value, for a loss, a branch or a later step: `… as NAME` names everything before it on its line.",
        "conv(16, 3x3, pad = same) -> relu as low\nmax_pool(2x2) -> upsample(2)\nconcat {\n    low\n    deep: identity\n}",
    ),
    "repeat": Word(
        "There is no such word: `step * n` and `{ steps } * n` repeat, each time with weights of its own.", DEEPER, False
    ),
    "branch": Word(
        "A branch of a join (add, concat, subtract, multiply, maximum) is `label: steps` in its braces, "
        "one a line. Each begins from the value that flows in; `identity` is that value itself. The "
        "shapes must fit.",
        JOIN,
    ),
    "share": Word(
        "a step whose weights are one set, however often it is used: `share NAME = step`.",
        "share filter = conv(16, 3x3, pad = same)\nfilter -> relu -> filter",
    ),
    "head": Word(
        "a side output: `head NAME { steps }` computes it from the value that flows, and lets that value "
        "flow on. Heads exist in training only, for a loss that names them.",
        f"model net {{\n    input image: 32x32x16\n\n{indent(ALONG, '    ')}\n}}",
        False,
    ),
    "output": Word(
        "`output NAME` also returns the value of that name; the last value of a model is returned "
        "anyway. In a loss, `output` is the last value.",
        "model net {\n    input image: 32x32x16\n\n    conv(8, 3x3) as features\n    global_avg_pool\n    output features\n}",
        False,
    ),
    "if": Word(
        "`if condition { steps } else { steps }`, decided when the model is loaded. Conditions compare "
        "numbers, sizes of values and words of parameters.",
        CASES,
    ),
    "else": Word("the other case of `if`.", CASES),
    "for": Word("`for x in list { steps }`: the steps once for each item; `for a, b in [[1, 2], [3, 4]]` unpacks.", CASES),
    "in": Word("stands in `for x in list { steps }`.", CASES),
    "range": Word("range(n): the whole numbers from 0 to n - 1, for `for`.", CASES),
    "and": Word("both of two conditions hold.", TRUTH),
    "or": Word("one of two conditions holds, or both.", TRUTH.replace("and not", "or")),
    "not": Word("a condition does not hold.", TRUTH),
    "true": Word("a truth value, for options such as bias.", "conv(16, 3x3, bias = true)"),
    "false": Word("a truth value, for options such as bias.", "conv(16, 3x3, bias = false) -> batch_norm"),
    "valid": Word("no padding: the window stays within the picture. The default.", PADDED),
    "same": Word(
        "as much padding as makes the output ceil(input / stride) high and wide, the odd row and column at the end.", PADDED
    ),
    "same_symmetric": Word(
        "half of the (dilated) kernel as padding on each side, as most papers and PyTorch have it. An even kernel is an error.",
        "conv(16, 3x3, stride = 2, pad = same_symmetric) : 16x16x16",
    ),
    "he_normal": Word(
        "weights begin normal, with variance 2 / inputs of one output. He et al. 2015. The default.",
        DRAWN.replace("glorot_uniform", "he_normal"),
    ),
    "he_uniform": Word(
        "weights begin uniform, with variance 2 / inputs of one output. He et al. 2015.",
        DRAWN.replace("glorot_uniform", "he_uniform"),
    ),
    "glorot_normal": Word(
        "weights begin normal, with variance 2 / (inputs + outputs). Glorot, Bengio 2010.",
        DRAWN.replace("glorot_uniform", "glorot_normal"),
    ),
    "glorot_uniform": Word("weights begin uniform, with variance 2 / (inputs + outputs). Glorot, Bengio 2010.", DRAWN),
    "normal": Word(
        "weights begin normal, with the standard deviation 0.01. Krizhevsky et al. 2012.",
        DRAWN.replace("glorot_uniform", "normal"),
    ),
    "zeros": Word("weights begin at 0.", DRAWN.replace("glorot_uniform", "zeros")),
    "zero": Word("zeros stand beyond the border. The default.", "conv(16, 3x3, pad = 1, pad_mode = zero)"),
    "reflect": Word("the picture, mirrored at its border, stands beyond it.", "conv(16, 3x3, pad = 1, pad_mode = reflect)"),
    "edge": Word("the border's pixels go on beyond it.", "conv(16, 3x3, pad = 1, pad_mode = edge)"),
    "floor": Word("the size of a pool's output is rounded down; also floor(x) of a number.", "max_pool(3x3, round = floor)"),
    "ceil": Word(
        "the size of a pool's output is rounded up, as Caffe does; also ceil(x) of a number.", "max_pool(3x3, round = ceil)"
    ),
}
WIDTH = 116
SAME = {"branches": "branch", "label": "branch", "times": "repeat", "loop": "for"}
"""What a reader may call them."""


def known() -> list[str]:
    """Every word of the table."""
    return [*WORDS, *SAME]


def options_of() -> dict[str, list[str]]:
    """word → the options of ops that it may be the value of: {"same": ["pad of avg_pool, conv, …"]}."""
    found: dict[str, dict[str, list[str]]] = {}
    for op in word_ops():
        for option, words in op.words.items():
            for word in words:
                found.setdefault(word, {}).setdefault(option, []).append(op.name)
    return {word: [f"{option} of {listed(ops)}" for option, ops in within.items()] for word, within in found.items()}


def pages(word: str) -> list[str]:
    """What a word of the language is, in a page; none where it is no such word."""
    name = SAME.get(word, word)
    within = options_of().get(word, [])
    found = WORDS.get(name)
    if found is None:
        own = word in (op.name for op in word_ops())  # whose page tells more than a word of an option
        return [f"{word}: a word for {'; '.join(within)}"] if within and not own else []
    if within:
        head = f"{word}: a word for {'; '.join(within)}\n\n{fill(found.text, WIDTH)}"
    else:
        head = fill(f"{word}: {found.text}", WIDTH)
    return [f"{head}\n\n{indent(found.example, '    ')}" if found.example else head]
