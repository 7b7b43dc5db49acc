"""plan: a graph, all its sizes integers, becomes a program: which kernels run, in which order, in which regions.

Where their arrays lie is found in `places`.
"""

from __future__ import annotations

from collections import defaultdict

from cnndsl.graph.batch import batched_values
from cnndsl.graph.fixed import fixed_nodes
from cnndsl.graph.graph import SOURCES, Graph, Node, Value
from cnndsl.graph.target import Choice, Target
from cnndsl.program.names import Names, block_ends
from cnndsl.program.places import Places
from cnndsl.program.program import Buffer, Join, Kernel, Procedure, Program, Region
from cnndsl.program.regions import Step, group
from cnndsl.program.schedule import schedule
from cnndsl.program.wide import parts_of_concats, parts_taken


def plan(graph: Graph, target: Target, batch: int, workers: int = 1, training: bool = False) -> Program:
    """The program that runs `graph` on `target`. `workers`: threads that a region may use.

    The same graph, target and options give the same program, to the byte.
    """
    return _Planner(graph, target, batch, workers, training).program()


class _Planner:
    def __init__(self, graph: Graph, target: Target, batch: int, workers: int, training: bool) -> None:
        self.graph, self.target, self.batch, self.training = graph, target, batch, training
        self.asked = workers  # a target may share one image's kernel among them
        self.workers = min(workers, batch)
        self.batched = batched_values(graph)
        self.roots = roots_of(graph)
        self.choices: dict[Node, Choice] = {}

    def program(self) -> Program:
        prepared = self._prepared()
        kernels = [n for n in self.graph.nodes if n.op not in SOURCES and not n.op.view]
        names = Names()
        self.kernel_names = {n: names.fresh(n.path or n.op.name) for n in kernels}
        self.parts = self._concat_parts([n for n in kernels if n not in prepared])
        self.taken = self._parts_taken({n for n in kernels if n not in prepared})
        gone = {wide.node for wide, _ in self.parts.values()} | {y.node for y in self.taken}
        kernels = [n for n in kernels if n not in gone]
        self.roots |= {y: x for y, (x, _) in self.taken.items()}
        self.reads = {n: {self.roots[x] for x in n.operands if self.roots[x].node.op not in SOURCES} for n in kernels}
        early = [self._step(n, 1) for n in kernels if n in prepared]
        running = [n for n in kernels if n not in prepared]
        if not self.training:  # a step's order keeps what can be cut between workers together
            running = schedule(running, self._needs(running), {self.roots[v] for v in self.graph.results})
        late = [self._step(n, self.asked) for n in running]
        ends = {} if self.training else block_ends(running)
        named = self.kernel_names | {running[i]: block for i, block in ends.items()}  # a block's result has its name
        before = [(early, 1)] if early else []
        after = group(late, self.workers, self.reads)
        self.places = places = Places(
            self.graph, self.batch, self.roots, self.reads, named, self.parts, self.taken, self._adds_in_place
        )
        places.fix()
        prepared_bytes = places.place_prepared(early, prepared)
        arena_bytes, joins = places.place_run(after)
        scratch = max((c.scratch for c in self.choices.values()), default=0)
        return Program(
            name=self.graph.name,
            graph=self.graph,
            target=self.target.name,
            batch=self.batch,
            workers=self.asked,
            training=self.training,
            inputs={k: places.buffers[v] for k, v in self.graph.inputs.items()},
            outputs=dict(places.results),
            state={k: places.buffers[v] for k, v in self.graph.state_values.items()},
            prepare=Procedure("prepare", tuple(self._region(s, w, ()) for s, w in before)),
            run=Procedure("run", tuple(self._region(s, w, j) for (s, w), j in zip(after, joins, strict=True))),
            copies=tuple(places.copies),
            arena_bytes=arena_bytes,
            prepared_bytes=prepared_bytes,
            scratch_bytes=scratch,
        )

    def _concat_parts(self, kernels: list[Node]) -> dict[Value, tuple[Value, int]]:
        if not self.target.strided:
            return {}
        kept = {self.roots[v] for v in self.graph.results}
        return parts_of_concats(kernels, self.roots, kept, lambda n: self.target.writes_strided(n, self._choice(n, self.asked)))

    def _parts_taken(self, running: set[Node]) -> dict[Value, tuple[Value, int]]:
        if not self.target.strided:
            return {}
        kept = {self.roots[v] for v in self.graph.results}
        parts = {*self.parts, *(wide for wide, _ in self.parts.values())}
        can = lambda n: self.target.reads_strided(n, self._choice(n, self.asked))  # noqa: E731
        return parts_taken(self.graph, running, self.roots, kept, parts, can)

    def _adds_in_place(self, node: Node) -> bool:
        return self.target.adds_in_place(node, self._choice(node, self.asked))

    def _needs(self, kernels: list[Node]) -> dict[Node, set[Value]]:
        """What each kernel reads as the schedule sees it: the branches of a concat that never runs, not its value."""
        branches: dict[Value, list[Value]] = defaultdict(list)
        for x, (wide, _) in self.parts.items():
            branches[wide].append(x)
        return {n: {x for root in self.reads[n] for x in branches.get(root, (root,))} for n in kernels}

    def _choice(self, node: Node, workers: int) -> Choice:
        if node not in self.choices:
            self.choices[node] = self.target.choose(node, workers)
        return self.choices[node]

    # What runs when ------------------------------------------------------------------------------------------------

    def _prepared(self) -> set[Node]:
        """Nodes that depend on state and constants alone, where no run changes that state."""
        if self.training:
            return set()
        results = {self.roots[v].node for v in self.graph.results}
        fixed = fixed_nodes(self.graph, renewed=results)
        return {node for node in self.graph.nodes if fixed[node.id]}

    def _step(self, node: Node, workers: int) -> Step:
        choice = self._choice(node, workers)
        rule = node.op.batch_rule(node.attrs)
        fed = any(x in self.batched for x in (*node.operands, *node.outputs))
        return Step(node, rule, fed and rule in ("map", "make", "sum"), choice.seconds)

    # Kernels ---------------------------------------------------------------------------------------------------------

    def _region(self, steps: list[Step], workers: int, joins: tuple[Join, ...]) -> Region:
        partial = {self.places.partials[j.partial.name]: j.partial for j in joins} if joins else {}
        return Region(tuple(self._kernel(s, partial if workers > 1 else {}) for s in steps), workers, joins)

    def _kernel(self, step: Step, partial: dict[Value, Buffer]) -> Kernel:
        node = step.node
        inputs = tuple(self.places.view(x) for x in node.operands)
        outputs = tuple(partial.get(y) or self.places.buffers[y] for y in node.outputs)
        batched = tuple(x in self.batched for x in (*node.operands, *node.outputs))
        return Kernel(
            self.kernel_names[node], node, inputs, outputs, step.rule if step.cut else "whole", batched, self.choices[node]
        )


def roots_of(graph: Graph) -> dict[Value, Value]:
    """For each value, the value whose memory it is: itself, or what a chain of views stands on."""
    roots: dict[Value, Value] = {}
    for node in graph.nodes:
        for y in node.outputs:
            roots[y] = roots[node.operands[0]] if node.op.view else y
    return roots
