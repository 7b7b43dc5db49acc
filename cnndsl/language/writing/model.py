"""to_cnn: a graph, or a model with its recipes, as the text of a `.cnn` file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnndsl.errors import Source, error
from cnndsl.graph.graph import Graph
from cnndsl.graph.naming import is_name, is_op
from cnndsl.graph.op import REGISTRY
from cnndsl.language.syntax import scan
from cnndsl.language.tasks import uncollected
from cnndsl.language.writing.lines import NameOfABlock, NotInside, Writer
from cnndsl.language.writing.parts import Parts
from cnndsl.language.writing.repeats import repeated
from cnndsl.language.writing.said import Said, input_line
from cnndsl.language.writing.text import indented
from cnndsl.language.writing.words import option_words

if TYPE_CHECKING:
    from cnndsl.language.model import Model


def graph_to_cnn(graph: Graph) -> str:
    """The text of a model that parses to `graph` again: the same ops, options, wiring, inputs, outputs, heads, names, and
    weights of the same names and beginnings.

    Blocks are written out; bodies, branches and shared steps are found in the paths of the steps. Raises E642 for an op
    that has no word, E646 for what else the language cannot say, E901 to E904 for a text beyond its limits.
    """
    with uncollected():
        said = Said(graph)
        plain = set(said.nodes[:0])
        steps: set[str] = set()  # names of steps that no block may have
        while True:
            parts = Parts(said, plain)
            body = parts.model()
            taken = {*graph.inputs, *graph.heads, *graph.names, *graph.outputs, *option_words(len(REGISTRY)), *steps}
            writer = Writer(graph, parts, repeated(parts, body, taken))
            try:
                lines = writer.model(body)
                break
            except NotInside as e:
                plain.add(e.node)
            except NameOfABlock as e:
                steps.add(e.name)
    symbols: dict[str, int] = {}
    inputs = [input_line(graph, name, symbols) for name in graph.inputs]
    for name in (*graph.inputs, *graph.heads, *(share.path[-1] for share in parts.bodies)):
        if (name in symbols and name in graph.inputs) or name in writer.used:
            raise error("E646", f"{name} hides a word of that name", help="give the input, head or shared step another name")
    blocks = [line for lines in writer.defined.values() for line in lines]
    text = "\n".join([*blocks, f"model {model_name(graph.name)} {{", *indented([*inputs, "", *lines]), "}"])
    text = re.sub(r"[ \t]+\n", "\n", text) + "\n"
    scan.check(Source("<text>", text))
    return text


def model_to_cnn(model: Model) -> str:
    """The same of a model, with the recipes of its file as they stand there."""
    from cnndsl.language.syntax import tree
    from cnndsl.language.syntax.parse import parse

    recipes = [x for x in parse(model.source).items if isinstance(x, tree.Recipe)] if model.source.text else []
    return "\n".join([graph_to_cnn(model.graph), *(model.source.text[x.span.start : x.span.end] + "\n" for x in recipes)])


def model_name(name: str) -> str:
    """`name`, or the nearest that a model may have."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("_0123456789") or "graph"
    return word if is_name(word) and not is_op(word) else f"{word}_"
