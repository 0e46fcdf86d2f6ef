"""Says while a network trains that a transformer of it has collapsed, or never looks at its image."""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from spatial_transformer import record_thetas
from spatial_transformer.guards import CollapseMonitor

from ..training.process import is_first_process

EVERY = 10  # steps between two looks
IMAGES = 32
PATIENCE = 50  # looks for which theta may ignore the image: a transformer begins so


class CollapseWatch:
    """Feeds what the transformers of a network predict for the same few images to a `CollapseMonitor` each.

    A sign of a transformer is told once in a run, in the terminal, and kept in `told`. The network is looked at in
    evaluation mode and left as it was.

    Args:
        label: of the model, for the terminal.
        images: (N, C, H, W), of which the first few are used.
    """

    def __init__(self, label: str, images: Tensor) -> None:
        self.label = label
        self.images = images[:IMAGES]
        self.told: list[dict[str, Any]] = []  # "step", "transformer", "text"
        self._monitors: dict[str, CollapseMonitor] = {}

    @torch.no_grad()
    def look(self, step: int, network: nn.Module) -> None:
        if step % EVERY:
            return
        was_training = network.training
        with record_thetas(network) as thetas:
            if not thetas:
                return
            network.eval()(self.images.to(next(network.parameters()).device))
            network.train(was_training)
        for name, (theta,) in thetas.items():
            family = network.get_submodule(name).family
            for which, own in _apart(name, theta):
                monitor = self._monitors.setdefault(which, CollapseMonitor(family, constant_patience=PATIENCE))  # type: ignore[arg-type]
                self._tell(step, which, monitor, own)

    def _tell(self, step: int, transformer: str, monitor: CollapseMonitor, theta: Tensor) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            monitor(theta)
        before = {(entry["transformer"], _sign(entry["text"])) for entry in self.told}
        for text in (str(warning.message) for warning in caught):
            if (transformer, _sign(text)) in before:
                continue
            self.told.append({"step": step, "transformer": transformer, "text": text})
            if is_first_process():
                sys.stdout.write(f"{self.label}: step {step:,}, {transformer}: {text}\n")

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told = list(state["told"])


def _apart(name: str, theta: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The (N, P) theta of each transformer of (N, P), or of (N, K, P) that stand side by side."""
    if theta.ndim == 2:
        yield name, theta
    else:
        yield from ((f"{name} {k}", one) for k, one in enumerate(theta.unbind(1), start=1))


def _sign(text: str) -> str:
    return text.partition(":")[0]
