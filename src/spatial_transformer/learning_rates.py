"""A smaller learning rate where theta is predicted."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from . import checks
from .parallel import ParallelTransformers
from .transformer import SpatialTransformer


def parameter_groups(model: nn.Module, *, lr: float, localiser_lr_scale: float = 1.0) -> list[dict[str, Any]]:
    """Group the parameters of a network for an optimiser, with a learning rate of its own where theta is predicted.

    The gradient that reaches a localiser is a sum over all pixels of the warped image; at a high learning rate it can
    throw theta off the image, from where no gradient comes back. At a low one theta does not learn to follow the image
    before the network behind it has learnt to do without. `docs/defaults.md` has what was measured, with AdamW: the
    rate of the other layers is best or as good on digits; where that rate is high already, a tenth may do.

    Args:
        model: a network with any number of `SpatialTransformer` and `ParallelTransformers` in it.
        lr: the learning rate of everything else.
        localiser_lr_scale: what that is multiplied by for localisers and their regression layers; the paper takes 1
            for MNIST, 0.1 for house numbers and 1e-4 for birds, whose network begins with what it learnt before.

    Returns:
        One group for the network and, if there is a transformer, one for the localisers; to be given to an optimiser.

    Raises:
        ValueError: `lr` or `localiser_lr_scale` is not positive.

    Source: Jaderberg et al. (2015), appendices A.4 to A.6.

    Example:
        >>> import torch
        >>> from spatial_transformer import Affine, ConvLocaliser
        >>> transformer = SpatialTransformer(ConvLocaliser(in_channels=1), Affine())
        >>> model = nn.Sequential(transformer, nn.Flatten(), nn.Linear(784, 10))
        >>> optimiser = torch.optim.AdamW(parameter_groups(model, lr=1e-3, localiser_lr_scale=0.5))
        >>> [group["lr"] for group in optimiser.param_groups]
        [0.001, 0.0005]
    """
    checks.positive("lr", lr)
    checks.positive("localiser_lr_scale", localiser_lr_scale)
    localising = {id(parameter) for parameter in _localising_parameters(model)}
    everything = list(model.parameters())
    groups = [
        {"params": [p for p in everything if id(p) not in localising], "lr": lr},
        {"params": [p for p in everything if id(p) in localising], "lr": lr * localiser_lr_scale},
    ]
    return [group for group in groups if group["params"]]


def _localising_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        if isinstance(module, SpatialTransformer | ParallelTransformers):
            # A basis that a family learns belongs to the network: its gradient is not that of theta.
            yield from (p for name, p in module.named_parameters() if not name.startswith("family."))
