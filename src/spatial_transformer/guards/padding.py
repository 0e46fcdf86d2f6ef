"""Padding that is black where the inputs are normalised.

Inputs are often shifted and scaled: black becomes -mean / std. A transformer that pads with zeros then draws a bright
frame around a picture that it shrinks. Layers behind it can read that frame, and the transformer learns to zoom out
until nothing is left of the picture. It must fill with what black has become.
"""

from collections.abc import Sequence
from typing import Any, final, overload

import torch
from torch import Tensor, nn

from .. import checks


@overload
def normalised_padding(mean: float, std: float, value: float = ...) -> float: ...
@overload
def normalised_padding(mean: Sequence[float], std: Sequence[float], value: float = ...) -> tuple[float, ...]: ...


def normalised_padding(
    mean: float | Sequence[float], std: float | Sequence[float], value: float = 0.0
) -> float | tuple[float, ...]:
    """What black has become after `(image - mean) / std`.

    Args:
        mean: what was subtracted; a number, or one for each channel.
        std: what was divided by, likewise.
        value: another background than black, before the normalisation.

    Returns:
        A number, to be used as `padding`; or one for each channel, for `ChannelPadding`.

    Raises:
        ValueError: a `std` is not positive, or there are not as many as means.

    Source: the open issue 1117 of pytorch/tutorials.

    Example:
        >>> from spatial_transformer import Affine, ConvLocaliser, SpatialTransformer
        >>> black = normalised_padding(0.1307, 0.3081)
        >>> round(black, 4)
        -0.4242
        >>> transformer = SpatialTransformer(ConvLocaliser(1), Affine(), padding=black)
        >>> [round(fill, 3) for fill in normalised_padding((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
        [-2.118, -2.036, -1.804]
    """
    if isinstance(mean, int | float) and isinstance(std, int | float):
        return (value - mean) / checks.positive("std", std)
    if isinstance(mean, int | float) or isinstance(std, int | float) or len(mean) != len(std):
        raise ValueError(f"`mean` and `std` must be two numbers, or two lists of one length; got {mean!r} and {std!r}.")
    return tuple(normalised_padding(m, s, value) for m, s in zip(mean, std, strict=True))


@final
class ChannelPadding(nn.Module):
    """Let a transformer fill every channel with a value of its own.

    The fill is subtracted before the transformer and added behind it, so the transformer pads with zeros, the default.
    Its localiser sees the difference, in which the background is zero.

    Args:
        transformer: a `SpatialTransformer` or `ParallelTransformers` with `padding="zeros"`.
        fill: a value for each channel.

    Raises:
        ValueError: `transformer` pads with something else.

    Example:
        >>> from spatial_transformer import Affine, ConvLocaliser, SpatialTransformer
        >>> black = normalised_padding((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        >>> layer = ChannelPadding(SpatialTransformer(ConvLocaliser(3), Affine()), black)
        >>> layer(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, transformer: nn.Module, fill: Sequence[float]) -> None:
        super().__init__()
        padding = getattr(transformer, "padding", None)
        if padding != "zeros":
            raise ValueError(f'`transformer` must have padding="zeros"; got {padding!r}.')
        self.transformer = transformer
        self.fill = tuple(float(value) for value in fill)

    def forward(self, image: Tensor, return_theta: bool = False) -> Any:
        """What `transformer` returns, with every channel filled by its own value.

        Args:
            image: (N, C, H, W) or (N, C, D, H, W).
            return_theta: also return theta.

        Returns:
            As `transformer`.

        Raises:
            ValueError: `image` has another number of channels than there are values.
        """
        dims = checks.image(image)
        if image.shape[1] != len(self.fill):
            raise ValueError(f"`image` must have {len(self.fill)} channels, one for each fill; got {image.shape[1]}.")
        fill = torch.tensor(self.fill, dtype=image.dtype, device=image.device).reshape(-1, *[1] * dims)  # (C, 1, 1)
        warped, theta = self.transformer(image - fill, return_theta=True)
        return (warped + fill, theta) if return_theta else warped + fill

    def extra_repr(self) -> str:
        return f"fill={self.fill}"
