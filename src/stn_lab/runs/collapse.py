"""Says while a network trains that a transformer of it has collapsed, or never looks at its image."""

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer, record_thetas
from spatial_transformer.families import Family
from spatial_transformer.guards import CollapseMonitor

from ..training.process import is_first_process

EVERY = 10  # steps between two looks
IMAGES = 32
PATIENCE = 50  # looks for which theta may ignore the image: a transformer begins so


class CollapseWatch:
    """Feeds what the transformers of a network predict for the same few images to a `CollapseMonitor` each.

    A sign of a transformer is told once in a run, in the terminal, and kept in `told`. The network is looked at in
    evaluation mode and left as it was. Before the first step theta must be where the transformer begins, whatever has
    initialised the network. Pixels are those of the images.

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
            for which, own, start in _apart(name, theta, network.get_submodule(name)):
                if which not in self._monitors:
                    family = network.get_submodule(name).family
                    self._monitors[which] = self._monitor(family, start if step == 0 else None)  # type: ignore[arg-type]
                self._tell(step, which, self._monitors[which], own)

    def _monitor(self, family: Family, start: Tensor | None) -> CollapseMonitor:
        return CollapseMonitor(family, constant_patience=PATIENCE, size=self.images.shape[2:], start=start)

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


def _apart(name: str, theta: Tensor, module: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The (N, P) theta of each transformer and its (P,) start, of one or of several that stand side by side."""
    if isinstance(module, ParallelTransformers):
        starts = torch.cat([regression.start for regression in module.regressions])  # type: ignore[misc]  # (K, P)
        for k, (one, start) in enumerate(zip(theta.unbind(1), starts, strict=True), start=1):
            yield f"{name} {k}", one, start
    else:
        assert isinstance(module, SpatialTransformer)
        yield name, theta, module.regression.start


def _sign(text: str) -> str:
    return text.partition(":")[0]
