"""The layer between the features of a localiser and theta."""

from collections.abc import Callable
from typing import Self, final

import torch
from torch import Tensor, nn

from . import checks
from .families.base import full_precision
from .guards.bound import Bound, limit


@final
class Regression(nn.Linear):
    """Features to theta: begins at a given theta, whatever the features, and computes in float32 or wider.

    Args:
        in_features: F, the number of features.
        start: (P,) the theta it begins at, or (K, P) for several transformations side by side.
        bound: limits for every theta.

    Raises:
        ValueError: `bound` is for another number of parameters, or a start lies on or outside of its limits.

    Example:
        >>> Regression(32, torch.tensor([1.0, 0.0, 0.0]))(torch.rand(2, 32)).tolist()
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, in_features: int, start: Tensor, bound: Bound | None = None) -> None:
        super().__init__(in_features, start.numel())
        self.bound = bound
        # In float64 through every cast, and not in the state dict.
        self._constants = {"start": start.detach().double().clone()}
        if bound is not None:
            self._constants["below"], self._constants["above"] = bound.reach(self._constants["start"])
        self.reset_to_start()

    @torch.no_grad()
    def reset_to_start(self) -> None:
        """Zero weights, the start as bias."""
        self.weight.zero_()
        self.bias.copy_(self._constants["start"].flatten())

    def forward(self, input: Tensor) -> Tensor:
        """(N, F) features to (N, P) or (N, K, P) parameters."""
        checks.features(input, self.in_features)
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        with full_precision(input):
            raw = nn.functional.linear(input.to(dtype), self.weight.to(dtype), self.bias.to(dtype))
            theta = raw.unflatten(1, self._constants["start"].shape)
            if self.bound is None:
                return theta
            start, below, above = (self._constants[name].to(dtype) for name in ("start", "below", "above"))
            return limit(theta, start, below, above)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow `.to(device)`, and stay in float64 through `.half()`."""
        super()._apply(fn, recurse)
        here = self._constants["start"].device
        there = fn(torch.empty(0, device=here)).device
        self._constants = {name: value.to(there) for name, value in self._constants.items()}
        return self
