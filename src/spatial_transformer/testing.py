"""Checks for families of transformations, this library's and your own, and the tolerances of every comparison.

The checks raise AssertionError with a message that says what failed; any test runner will do.
"""

import torch
from torch import Tensor

from . import checks
from .families import Family
from .localisers import ConvLocaliser
from .transformer import SpatialTransformer
from .warping import warp

# How far a result may be from the exact one, for images with values between 0 and 1 and up to 32 pixels a side.
TOLERANCES = {
    # Another order of summation, over thousands of terms at most; a wrong formula is off by far more.
    torch.float64: 1e-10,
    # A position among 32 pixels rounds by up to 2^-20 pixels, and a value changes by at most 1 from pixel to pixel.
    torch.float32: 1e-6,
    # Everything is computed in float32 and rounded once, to 11 bits; values stay below 2, bicubic overshoot included.
    torch.float16: 2.0**-11,
    # The same, rounded to 8 bits.
    torch.bfloat16: 2.0**-8,
}

# The modes that read pixels as they are ("bspline3", which solves for coefficients first, rounds more), and a `padding`
# of every kind.
MODES = ("nearest", "bilinear", "bicubic")
PADDINGS: tuple[str | float, ...] = (*checks.PADDINGS, 0.5)


def random_image(
    size: tuple[int, ...], *, batch: int = 2, channels: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Tensor:
    """White noise, the image on which every mistake shows; the same for the same seed.

    Args:
        size: (H, W) or (D, H, W).
        batch: N.
        channels: C.
        dtype: of the image.
        seed: another number, another image.

    Returns:
        (N, C, *size) values between 0 and 1.

    Example:
        >>> random_image((17, 11)).shape
        torch.Size([2, 3, 17, 11])
    """
    noise = torch.rand(batch, channels, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise.to(dtype)


def random_theta(
    family: Family, *, batch: int = 2, spread: float = 0.1, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Tensor:
    """Parameters around the identity; the same for the same seed.

    Args:
        family: the family they are for.
        batch: N.
        spread: standard deviation of what is added to the identity.
        dtype: float32 or float64.
        seed: another number, other parameters.

    Returns:
        (N, P) parameters.

    Example:
        >>> from spatial_transformer import Affine
        >>> random_theta(Affine(), batch=4).shape
        torch.Size([4, 6])
    """
    identity = family.identity(batch, dtype=torch.float64)
    noise = torch.randn(identity.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (identity + spread * noise).to(dtype)


def random_points(
    dims: int, *shape: int, spread: float = 1.0, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Tensor:
    """Normalised points, spread evenly; the same for the same seed.

    Args:
        dims: 2 or 3 coordinates.
        shape: the axes in front of them.
        spread: the points fill [-spread, spread]; above 1 some lie outside of the image.
        dtype: float32 or float64.
        seed: another number, other points.

    Returns:
        (*shape, dims) points.

    Example:
        >>> random_points(2, 1, 17, 11).shape
        torch.Size([1, 17, 11, 2])
    """
    uniform = torch.rand(*shape, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (spread * (2 * uniform - 1)).to(dtype)


def assert_identity_returns_input(family: Family, size: tuple[int, ...], *, dtype: torch.dtype = torch.float32) -> None:
    """Fail unless the identity of a family leaves an image as it is, with every mode and padding.

    Two things are tried: `warp` with `family.identity`, and a `SpatialTransformer` that has not been trained.

    Args:
        family: the family of transformations.
        size: (H, W) or (D, H, W) of the image. Try odd, unequal and one-pixel sizes.
        dtype: of the image; theta is float64 for float64 images and float32 for all others.

    Raises:
        AssertionError: an image came back changed by more than `TOLERANCES` allows.

    Example:
        >>> from spatial_transformer import ThinPlateSpline
        >>> assert_identity_returns_input(ThinPlateSpline(control=(3, 5)), (17, 11))
    """
    image = random_image(size, channels=1, dtype=dtype)
    localiser = ConvLocaliser(image.shape[1], dims=family.dims, width=2)
    coordinates = torch.promote_types(dtype, torch.float32)
    tolerance = TOLERANCES[dtype] * max(1, max(size) / 32)
    for mode in MODES:
        for padding in PADDINGS:
            case = f"{family}, size={size}, mode={mode!r}, padding={padding!r}"
            warped = warp(image, family, family.identity(1, dtype=coordinates), mode=mode, padding=padding)
            _assert_same(warped, image, tolerance, f"`warp` with the identity of {case}")
            transformer = SpatialTransformer(localiser, family, mode=mode, padding=padding).to(coordinates)
            transformer.reset_to_identity()  # in the new dtype
            untrained = transformer(image.to(coordinates)).to(dtype)
            _assert_same(untrained, image, tolerance, f"a new `SpatialTransformer` with {case}")


def assert_gradients(family: Family, *, spread: float = 0.1, seed: int = 0) -> None:
    """Fail unless the derivatives of `family.points` with respect to theta and to the points are right.

    They are compared with finite differences in float64, at random parameters and random points. Choose another seed
    for a family with kinks, should a point fall on one.

    Args:
        family: the family of transformations.
        spread: how far from the identity, as in `random_theta`.
        seed: another number, other parameters and points.

    Raises:
        AssertionError: a derivative differs from the finite difference.

    Example:
        >>> from spatial_transformer import Affine
        >>> assert_gradients(Affine())
    """
    theta = random_theta(family, spread=spread, seed=seed).requires_grad_()
    points = random_points(family.dims, 2, 5, seed=seed).requires_grad_()
    try:
        torch.autograd.gradcheck(family.points, (theta, points))
    except RuntimeError as error:
        raise AssertionError(f"`points` of {family} has a wrong derivative: {error}") from error


def _assert_same(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    torch.testing.assert_close(
        actual, expected, rtol=0, atol=tolerance, msg=lambda difference: f"{what} changes the image. {difference}"
    )
