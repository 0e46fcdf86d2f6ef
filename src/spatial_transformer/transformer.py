"""The module of the paper: localisation network, grid generator and sampler in one layer."""

from collections.abc import Sequence
from typing import Literal, final, overload

import torch
from torch import Tensor, nn

from . import checks
from .constants import plainly
from .families import Family
from .guards.bound import Bound
from .regression import Regression
from .sampling import Mode, Padding
from .warping import warp


@final
class SpatialTransformer(nn.Module):
    """Warp the input, or a feature map, by a transformation predicted from it.

    Between the localiser and theta stands a regression layer that the transformer owns. It adds to the identity of the
    family, which is no weight, and starts with weights and bias of zero, so a new transformer returns its input
    unchanged and can be put into any network, trained or not. The state dict holds the weights of the two networks and
    nothing else.

    With `steps` above 1 the transformer is recurrent, as in inverse-compositional networks: it warps the input by the
    theta so far, looks at the result, predicts an update u and goes on with `family.compose(u, theta)`, the one warp
    that equals warping the result by u. Every step reads the original input, so nothing blurs, and all steps share one
    localiser. theta is the total.

    Nothing is remembered between calls. A network that uses the pose as a feature asks for it with `return_theta=True`
    and joins it to its own features: `torch.cat([features, theta], dim=1)`.

    Args:
        localiser: a module that returns (N, F) features and says `out_features`.
        family: the family of transformations.
        size: (H, W) or (D, H, W) of the output; that of the input by default.
        mode: "nearest", "bilinear", "bicubic", "bspline3" or a kernel, as in `sample`.
        padding: "zeros", "border", "reflection", "wrap", a number, or one for each axis, as in `sample`.
        antialias: average where the warp shrinks, as in `warp`.
        steps: how often to look; above 1 the family must have `compose`.
        bound: limits for theta; with several steps, for the update of each.

    Raises:
        TypeError: `localiser` does not say `out_features`, or `family` is not a family.
        ValueError: a size, mode or padding that does not fit; several steps with a family that cannot compose; the
            identity outside of `bound`.

    Source: Jaderberg et al. (2015), section 3; the start at identity, appendix A.4. Lin and Lucey (2017) for the steps.

    Example:
        >>> from spatial_transformer import Affine, ConvLocaliser
        >>> transformer = SpatialTransformer(ConvLocaliser(in_channels=1), Affine(), size=(14, 14))
        >>> warped, theta = transformer(torch.rand(8, 1, 28, 28), return_theta=True)
        >>> warped.shape, theta[0].tolist()
        (torch.Size([8, 1, 14, 14]), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    """

    def __init__(
        self,
        localiser: nn.Module,
        family: Family,
        size: Sequence[int] | None = None,
        *,
        mode: Mode = "bilinear",
        padding: Padding = "zeros",
        antialias: bool | int = False,
        steps: int = 1,
        bound: Bound | None = None,
    ) -> None:
        super().__init__()
        out_features = checks.localiser(localiser)
        checks.family(family)
        checks.mode(mode)
        checks.padding(padding, family.dims, mode=mode)
        checks.antialias(antialias)
        self.localiser = localiser
        self.family = family
        self.size = None if size is None else checks.size("size", size, dims=family.dims)
        self.mode = mode
        self.padding = padding
        self.antialias = antialias
        self.steps = checks.steps(steps, family)
        with plainly():
            start = family.identity(1, dtype=torch.float64, device="cpu")[0]
        self.regression = Regression(out_features, start, bound)

    def reset_to_identity(self) -> None:
        """Weights and bias of zero: whatever the localiser says, theta is the identity."""
        self.regression.reset_to_start()

    def theta(self, image: Tensor) -> Tensor:
        """The transformation predicted for each image.

        Args:
            image: (N, C, H, W) or (N, C, D, H, W).

        Returns:
            (N, P) parameters of `family`, float32 or wider whatever the precision of the network.
        """
        theta = self.regression(self.localiser(image))  # (N, P)
        for _ in range(self.steps - 1):
            seen = self._warp(image, theta, None)  # in the size of the input, which the localiser is made for
            update = self.regression(self.localiser(seen))
            theta = self.family.compose(update, theta)  # type: ignore[operator]  # checked at construction
        return theta

    @overload
    def forward(self, image: Tensor, return_theta: Literal[False] = ...) -> Tensor: ...
    @overload
    def forward(self, image: Tensor, return_theta: Literal[True]) -> tuple[Tensor, Tensor]: ...

    def forward(self, image: Tensor, return_theta: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Predict theta and warp.

        Args:
            image: (N, C, H, W) or (N, C, D, H, W).
            return_theta: also return the (N, P) parameters, for a penalty, a picture or as features.

        Returns:
            (N, C, *size), or that and theta.

        Raises:
            ValueError: `image` has a shape that does not fit the family.
        """
        checks.image(image, self.family.dims)
        theta = self.theta(image)
        warped = self._warp(image, theta, self.size)
        return (warped, theta) if return_theta else warped

    def _warp(self, image: Tensor, theta: Tensor, size: tuple[int, ...] | None) -> Tensor:
        return warp(
            image, self.family, theta, size, mode=self.mode, padding=self.padding, antialias=self.antialias
        )  # (N, C, *size)

    def extra_repr(self) -> str:
        return f"size={self.size}, mode={self.mode!r}, padding={self.padding!r}, steps={self.steps}"
