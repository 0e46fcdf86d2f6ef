"""The layer between the features of a localiser and theta."""

from typing import Any, final

import torch
from torch import Tensor, nn

from . import checks
from .constants import constant, given, plainly
from .families.base import full_precision
from .guards.bound import Bound, limit


@final
class Regression(nn.Module):
    """Features to theta: begins at a given theta, whatever the features, and computes in float32 or wider.

    theta is `start + features W^T + bias`, where W and the bias begin at zero. The start is a constant, so that weight
    decay pulls theta to the start and not to zero, and initialisers leave it where it is.

    W is `weight` without its last column, which multiplies nothing and gets no gradient. It is there for
    `spectral_norm` and `weight_norm`: a weight of zeros has no norm to be divided by. Of [0 c] the norm is c, so that
    theta begins at the start with them too, and W is free to grow up to what they allow. A `weight_norm` of each column
    (`dim=1`) has nothing to divide by but in that one, and is refused.

    State dicts of the first versions, which held the start in the bias, load with the same theta. The states of their
    optimisers do not fit the wider weight: begin with a new optimiser.

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
        super().__init__()
        self.in_features, self.out_features = in_features, start.numel()
        self.bound = bound
        self._constants = {"start": constant(lambda: start)}
        if bound is not None:
            with plainly():
                self._constants["below"], self._constants["above"] = bound.reach(self._constants["start"])
        # Made, and random numbers drawn, as by any linear layer.
        linear = nn.Linear(in_features, self.out_features)
        self.weight = nn.Parameter(nn.functional.pad(linear.weight.detach(), (0, 1)))  # (P, F + 1)
        self.bias = linear.bias  # (P,)
        self.reset_to_start()

    @property
    def start(self) -> Tensor:
        """(P,) or (K, P), in float64: the theta that it begins at."""
        return self._constants["start"]

    @torch.no_grad()
    def reset_to_start(self) -> None:
        """Whatever the features, theta is the start."""
        self.bias.zero_()
        for parameter in self.parameters():  # the weight, or what a norm has put in its place
            if parameter.shape == (self.out_features, self.in_features + 1):
                parameter.zero_()
                parameter[:, -1] = self._last_column()

    def reset_parameters(self) -> None:
        """`reset_to_start`, by the name under which PyTorch looks for it."""
        self.reset_to_start()

    def forward(self, input: Tensor) -> Tensor:
        """(N, F) features to (N, P) or (N, K, P) parameters."""
        checks.features(input, self.in_features)
        if "weight" not in self._parameters:  # a norm, or a mask, has put others in its place
            checks.norm_over_rows([parameter.shape for parameter in self.parameters()], self.in_features + 1)
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        with full_precision(input):
            weight = self.weight[:, :-1].to(dtype)
            moved = nn.functional.linear(input.to(dtype), weight, self.bias.to(dtype))
            moved = moved.unflatten(1, self._constants["start"].shape)
            if self.bound is not None:
                moved = limit(moved, self._constant("below", moved), self._constant("above", moved))
            return self._constant("start", moved) + moved

    def _constant(self, name: str, like: Tensor) -> Tensor:
        return given(self._constants[name], like.device, like.dtype, like)

    def _last_column(self) -> float:
        """With it the spectral norm of the whole is 1: the norms change neither values nor slopes at the start."""
        return self.out_features**-0.5

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """Also of the first versions, where `weight` had no last column and `bias` held the start."""
        weight, bias = (state_dict.get(f"{prefix}{name}") for name in ("weight", "bias"))
        if weight is not None and bias is not None and weight.shape == (self.out_features, self.in_features):
            state_dict[f"{prefix}weight"] = nn.functional.pad(weight.detach(), (0, 1), value=self._last_column())
            start = given(self._constants["start"], bias.device, torch.float64, bias)
            state_dict[f"{prefix}bias"] = (bias.detach().double() - start.flatten()).to(bias.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"
