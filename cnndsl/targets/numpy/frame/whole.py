"""The network of an emitted module whose outputs are of a whole batch at once: a run is on exactly that."""

from __future__ import annotations

from typing import Any

from cnndsl.targets.numpy.frame import network
from cnndsl.targets.numpy.frame.network import BATCH, NAME, checked, counts_of, delivered, outputs_for


class Network(network.Network):
    """The emitter puts this method in the place of that of `network.Network`."""

    def run(self, *given: Any, out: Any = None) -> Any:
        """The outputs for BATCH images; ValueError for any other number: they are computed together."""
        arrays = checked(given)
        count = max(counts_of(arrays))
        if count != BATCH:
            raise ValueError(f"{NAME} computes with {BATCH} images at once, so it does not run on {count}")
        targets, results = outputs_for(BATCH, arrays, out)
        a = self.arena()
        self.run_batch(a, *arrays, *results)
        self.give_back(a)
        return delivered(targets, results)
