"""The order of an emitted module: what it says first, its sections, and what stands in each.

docstring · imports · inputs and outputs · the network, layer by layer · its weights, prepared · pointwise functions ·
kernels · names of weights · memory · threads · reading weights · running, the command
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from cnndsl.graph.batch import batched_values, mixes_images
from cnndsl.graph.graph import Graph, Value
from cnndsl.program.program import Kernel, Program
from cnndsl.targets.numpy import cost
from cnndsl.targets.numpy.arena import arena_text, prepared_text
from cnndsl.targets.numpy.comments import PHASES
from cnndsl.targets.numpy.frame import batches, network, tensors, threads, whole
from cnndsl.targets.numpy.introduction import introduction
from cnndsl.targets.numpy.prepare import prepare_text
from cnndsl.targets.numpy.sources import assigns, import_lines
from cnndsl.targets.numpy.statements import literal
from cnndsl.targets.numpy.texts import WIDTH, quoted, sized, wrapped

if TYPE_CHECKING:
    from cnndsl.targets.numpy.emit import Emitter

FRAME = (
    ("Threads", (threads,)),
    ("Reading a file of weights", (tensors,)),
    ("Weights in, images in, outputs out; the command", (network, batches, whole)),
)
"""Sections, and the modules whose text stands in them."""
LATE = ("BLAS", "DEFAULT")  # constants made of classes that stand below
FIRST = ("Array",)  # constants that annotations everywhere name

STEP_SAYS = """`a` holds the arrays of one run, `s` the weights, `p` what was prepared from them. Above each kernel stand
the layer's name in the model, what is computed, and the shapes of one image; what is added is named by its layer or block.
Pictures are batch x height x width x channels, weights of convolutions height x width x in x out. `block`: how many images and
rows a kernel works on at a time, so that they stay in the cache; `wide`: how many places of an image a pointwise function takes
as one row; `scratch[n:]`: behind what the kernel itself uses there."""
TOGETHER_SAYS = "`together`: how many neighbouring outputs of a row one row of a convolution's matrix product makes."
PRODUCT_SAYS = "`carve` cuts arrays out of a worker's scratch; in `product` a block of a convolution lies until it is added."
FINISH_SAYS = "A kernel calls `finish` for each block of its result while that is in the cache: bias, sum, activation."
SHARED_SAYS = """A function below `@net.shared` is called there and then, once by each worker, side by side, each on its share:
of the rows of an image, of the images, or of the filters. The run goes on when all have done theirs."""
PARTS_SAYS = "Every worker goes through a part with its own images lo:hi; between parts they wait for each other."


def module_text(program: Program, emitter: Emitter) -> str:
    """The whole module. Regions are printed first, because they say which functions and buffers there are."""
    steps = steps_text(program, emitter)
    prepare = prepared_steps(program, emitter)
    said = "\n".join(steps)
    together = not program.training and mixes_images(program.graph)
    add_frame(emitter, said, program.training, whole.Network if together else None)
    title = "The training step: forward, loss, backward, update" if program.training else "The network, layer by layer"
    arrays = [b for b in emitter.buffers.values() if b.space == "arena"]
    memory = [
        f"SCRATCH_BYTES = {emitter.scratch}  # a worker",
        f"ARENA_BYTES = {program.arena_bytes + program.workers * emitter.scratch}",
    ]
    rows = emitter.prepared_rows()
    sections = [
        heading(title, *notes_of(said)),
        *steps,
        *([heading("The weights, prepared")] if rows else []),
        *prepare,
        *closing(
            program,
            emitter,
            [
                f"{prepared_text(rows)}\nPREPARED_BYTES = {program.prepared_bytes}",
                "\n".join(memory),
                arena_text(program, [emitter.home(b) for b in arrays]),
            ],
            [program],
        ),
    ]
    return joined([*opening(program, emitter), *sections])


def notes_of(said: str) -> list[str]:
    """What is to be known before the steps are read. said: their text."""
    wanted = (
        (STEP_SAYS, ""), (TOGETHER_SAYS, "together="), (PRODUCT_SAYS, "product=product"), (FINISH_SAYS, "finish="),
        (SHARED_SAYS, "@net.shared"), (PARTS_SAYS, "net.by_images"),
    )  # fmt: skip
    return [says for says, sign in wanted if sign in said]


def steps_text(program: Program, emitter: Emitter, run: str = "run_program", part: str = "part") -> list[str]:
    """The function of one run, called `run`, and the functions that it calls, one a region."""
    regions: list[str] = []
    lines: list[str] = []
    for n, region in enumerate(program.run.regions, 1):
        name = f"{part}{n}" if len(program.run.regions) > 1 else part
        before = emitter.comments.phase
        regions.append(emitter.region(name, region))
        begun = ", ".join(PHASES[before + 1 : emitter.comments.phase + 1])
        lines += [f"# {begun.capitalize()}"] if begun else []
        lines.append(f"net.by_images({name}, a)" if region.workers > 1 else f"{name}(net, a)")
        for j in region.joins:
            emitter.buffers[j.partial.name] = j.partial
            lines.append(f"np.add.reduce(a.{j.partial.name}, axis=0, out={emitter.text(j.total, False)})")
    lines += [f"np.copyto({emitter.text(c.target, False)}, {emitter.text(c.source, False)})" for c in program.copies]
    return [procedure(run, "One run: the arrays of `a` from the inputs to the outputs.", lines), *regions]


def prepared_steps(program: Program, emitter: Emitter) -> list[str]:
    kernels: list[tuple[Kernel, list[str]]] = [(k, emitter.kernel(k, False)) for k in program.prepare.kernels]
    names = [*program.state, *emitter.prepared_keys().values()]
    return prepare_text(kernels, {quoted(name): name for name in names})


def add_frame(emitter: Emitter, said: str, training: bool, plus: type | None = None) -> None:
    """Copy what every module has: the network with those of its methods that this one needs. plus: the class of others, which
    take the place of those of the same name.
    """
    unused = {"run" if training else "step"} | ({*vars(plus)} if plus is not None else set())
    unused |= {name for name, sign in (("shared", "@net.shared"), ("by_images", "net.by_images")) if sign not in said}
    emitter.copied.add(network.Network, without=frozenset(unused), plus=plus)
    emitter.copied.add(network.block_of)
    emitter.copied.add(network.load_step if training else network.load, rename="load")
    if not training:
        emitter.copied.add(network.run)
    emitter.copied.add(network.main_of_step if training else network.main, rename="main")
    emitter.copied.imports |= {"import sys", "import numpy as np"}


def opening(program: Program, emitter: Emitter, batch: str = "", numbers: Sequence[int] = ()) -> list[str]:
    """The module's head, up to its first section. batch: the line of the images in one run; numbers: which there may be."""
    first = "\n".join(emitter.copied.constants[name] for name in FIRST)
    head = [
        introduction(program, numbers),
        "from __future__ import annotations",
        "\n".join(import_lines(emitter.copied.imports)),
    ]
    return ["\n\n".join([*head, first, facts(program, emitter, batch)])]


def closing(program: Program, emitter: Emitter, memory: list[str], runs: Sequence[Program]) -> list[str]:
    """The sections that follow the steps. runs: the programs that read the state."""
    framed = [module for _, modules in FRAME for module in modules]
    late = [emitter.copied.constants[k] for k in LATE if k in emitter.copied.constants]
    chain = f"CHAIN = {cost.TILE}  # numbers that a chain of functions works on at a time"
    constants, kernels = texts_of(emitter, framed, outside=True)
    frame: list[str] = []
    for title, modules in FRAME:
        told, texts = texts_of(emitter, modules)
        frame += [heading(title), "\n".join(told), *texts] if texts else []
    return [
        *([heading("Pointwise functions"), *dict.fromkeys(emitter.functions)] if emitter.functions else []),
        heading("Kernels"),
        "\n".join([chain, *constants]),
        *kernels,
        heading("The names of the weights"),
        state_text(program, runs),
        heading("Memory"),
        *memory,
        *frame,
        "\n".join(late),
        'if __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))',
    ]


def texts_of(emitter: Emitter, modules: Sequence[ModuleType], outside: bool = False) -> tuple[list[str], list[str]]:
    """The copied constants and definitions that stand in these modules; outside: in none of them."""
    names = {m.__name__ for m in modules}
    constants = {k: text for k, text in emitter.copied.constants.items() if k not in (*LATE, *FIRST)}
    told = [text for k, text in constants.items() if any(assigns(m.__name__, k) for m in modules) != outside]
    texts = [text for (module, _), text in emitter.copied.definitions.items() if (module in names) != outside]
    return told, texts


def joined(sections: list[str]) -> str:
    return "\n\n\n".join(x for x in sections if x) + "\n"


def heading(title: str, *says: str) -> str:
    told = [f"# {line}" for sentences in says for line in textwrap.wrap(sentences, WIDTH - 2)]
    return "\n".join([f"# {title} ".ljust(WIDTH - 10, "-"), *told])


def procedure(name: str, says: str, lines: list[str]) -> str:
    used = "\n".join(lines)
    first = ["s = a.state"] if re.search(r"\bs\[", used) else []
    first += ["p = a.prepared"] if re.search(r"\bp\[", used) else []
    body = [part for x in [f'"""{says}"""', *first, *lines] for part in wrapped(f"    {x}")]
    return "\n".join([f"def {name}(net, a):", *body])


def batched_names(program: Program) -> list[str]:
    """The names of inputs and outputs whose first axis is the batch."""
    found = batched_values(program.graph)
    both = [*program.graph.inputs.items(), *program.graph.outputs.items()]
    return sorted({k for k, v in both if v in found})


def classes_of(graph: Graph) -> dict[str, int]:
    """How many classes the labels among the inputs are of."""
    names = {v: k for k, v in graph.inputs.items()}
    found: dict[str, int] = {}
    for node in graph.nodes:
        if node.op.name == "cross_entropy" and node.operands[1] in names:
            name, classes = names[node.operands[1]], node.operands[0].type.sizes[-1]
            found[name] = min(found.get(name, classes), classes)
    return found


def facts(program: Program, emitter: Emitter, batch: str = "") -> str:
    """What the model is called, takes and gives. batch: the line that says how many images."""
    batched = batched_names(program)

    def per_image(values: dict[str, Value]) -> dict[str, tuple[tuple[int, ...], str]]:
        return {k: (v.type.sizes[1:] if k in batched else v.type.sizes, v.type.dtype) for k, v in values.items()}

    lines = [
        f"NAME = {quoted(program.name)}",
        batch or f"BATCH = {program.batch}  # images in one run",
        "# Shapes of one image; BATCHED: the names whose first axis is the batch.",
        table("INPUTS", per_image(program.graph.inputs)),
        table("OUTPUTS", per_image(program.graph.outputs)),
        *wrapped(f"BATCHED = frozenset({{{', '.join(map(quoted, batched))}}})" if batched else "BATCHED = frozenset()"),
        f"WORKERS = {program.workers}  # threads that share the work",
    ]
    if program.training:
        classes = ", ".join(f"{quoted(k)}: {n}" for k, n in classes_of(program.graph).items())
        lines += ["# Labels are from 0 to below these.", *wrapped(f"CLASSES = {{{classes}}}")] if classes else ["CLASSES = {}"]
    for name, b in emitter.constants.items():
        numbers = ", ".join(map(literal, b.data))
        lines += wrapped(f"CONSTANT_{name} = np.array([{numbers}], {quoted(b.type.dtype)}).reshape({b.type.sizes!r})")
    return "\n".join(lines)


def table(title: str, rows: dict[str, tuple[tuple[int, ...], str]]) -> str:
    if not rows:
        return f"{title} = {{}}"
    return "\n".join([f"{title} = {{", *(f"    {quoted(k)}: {sized(*row)}," for k, row in rows.items()), "}"])


def state_text(program: Program, runs: Sequence[Program]) -> str:
    """The tables of what a weight file holds, and of what a step remembers beside that. runs: what reads it."""
    rows = {k: (b.type.sizes, b.type.dtype) for k, b in program.state.items()}
    kinds = {k: program.graph.state[k].kind for k in rows}
    own = {k: row for k, row in rows.items() if kinds[k] in ("slot", "counter", "sum")}
    used = [b for p in runs for k in p.run.kernels for b in (*k.inputs, *k.outputs)] + [
        c.source for p in runs for c in p.copies
    ]
    read = {b.slot for b in used if b.space == "state"}
    says = "# What a run itself reads; the rest is only prepared from, and not kept in memory."
    names = "".join(f"{quoted(k)}, " for k in rows if k in read)
    kept = (
        ["KEPT = tuple(STATE)"]
        if program.training or {*rows} == read
        else [says, *wrapped(f"KEPT = ({names})".replace(", )", ",)"))]
    )
    if not own:
        return "\n".join([table("STATE", rows), "OPTIONAL = frozenset()", *kept])
    weights = {k: row for k, row in rows.items() if k not in own}
    says = "# The optimiser's memory and the counter of steps: they begin as zeros where they are not given."
    both = "STATE = {**WEIGHTS, **MEMORY}\nOPTIONAL = frozenset(MEMORY)"
    return "\n".join([table("WEIGHTS", weights), says, table("MEMORY", own), both, *kept])
