"""The network of an emitted module with steps for several batches: a run is on one of them."""

from __future__ import annotations

from typing import Any

from cnndsl.targets.numpy.frame import network
from cnndsl.targets.numpy.frame.network import NAME, checked, counts_of, delivered, outputs_for

BATCHES: tuple[int, ...] = (1,)


class Network(network.Network):
    """The emitter puts these methods in the place of those of `network.Network`."""

    def run(self, *given: Any, out: Any = None) -> Any:
        """The outputs for as many images as one of BATCHES has; ValueError for any other number."""
        arrays = checked(given)
        count = max(counts_of(arrays))
        if count not in BATCHES:
            there = " or ".join(map(str, BATCHES))
            raise ValueError(
                f"{NAME} runs on {there} images here, not on {count}; a file for one batch takes any number"
            )
        targets, results = outputs_for(count, arrays, out)
        a = self.arena()
        self.run_batch(a, *arrays, *results)
        self.give_back(a)
        return delivered(targets, results)
