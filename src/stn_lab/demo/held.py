"""The same network with its transformers held at the identity: what a classifier would do without them."""

import copy

import torch
from torch import Tensor, nn

from spatial_transformer import ParallelTransformers, SpatialTransformer, warp

KINDS = (SpatialTransformer, ParallelTransformers)


class Held(nn.Module):
    """In the place of a transformer: its warp with theta at the identity, whatever the image; no localiser is asked.

    Of several side by side all hand over the same, as channels of one image, as classifiers of the lab take them.
    """

    def __init__(self, transformer: SpatialTransformer | ParallelTransformers) -> None:
        super().__init__()
        self.family = transformer.family
        self.size = transformer.size
        self.count = transformer.count if isinstance(transformer, ParallelTransformers) else 1
        self.mode, self.padding, self.antialias = transformer.mode, transformer.padding, transformer.antialias

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K C, h, w)."""
        theta = self.family.identity(len(image), dtype=torch.float32, device=image.device)  # (N, P)
        seen = warp(
            image, self.family, theta, self.size, mode=self.mode, padding=self.padding, antialias=self.antialias
        )
        return seen.repeat(1, self.count, 1, 1)


def held(network: nn.Module) -> nn.Module | None:
    """A copy whose transformers are held; None of a network without one. The network itself is left as it is."""
    names = [name for name, module in network.named_modules() if isinstance(module, KINDS)]
    if not names:
        return None
    network = copy.deepcopy(network)
    for name in names:
        parent, _, last = name.rpartition(".")
        transformer = network.get_submodule(name)
        assert isinstance(transformer, KINDS)
        setattr(network.get_submodule(parent), last, Held(transformer))
    return network
