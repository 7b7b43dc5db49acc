"""A network in ONNX Runtime, through our own export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime

from cnndsl.formats.onnx import export_onnx


class OnnxNetwork:
    """`graph` with `weights` on `threads` threads. Its inputs and outputs are channels last, as ours.

    Raises E641 without the package onnx, E642 for an op that cannot be exported.
    """

    def __init__(
        self,
        graph: Any,
        weights: Mapping[str, Any],
        *,
        batch: int,
        threads: int,
        sizes: Mapping[str, int] | None = None,
        outputs: Iterable[str] = (),
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.names = list(outputs) or list(graph.outputs)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            export_onnx(graph, weights, path, batch=batch, outputs=self.names, sizes=sizes)
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [x.name for x in self.session.get_inputs()]

    def outputs(self, *images: Any) -> list[Any]:
        """The results for arrays (batch, *space, C), in the order of the graph's outputs."""
        found: list[Any] = self.session.run(self.names, dict(zip(self.inputs, images, strict=True)))
        return found
