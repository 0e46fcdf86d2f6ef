"""From pixels to the coefficients of the B-spline that passes through them."""

import functools

import numpy as np
import torch
from torch import Tensor, nn

from .boundary import fill_value, source_index

# B-splines at whole distances 0, 1, 2 from their centre, by order.
AT_PIXELS = {
    2: (6 / 8, 1 / 8),
    3: (4 / 6, 1 / 6),
    4: (230 / 384, 76 / 384, 1 / 384),
    5: (66 / 120, 26 / 120, 1 / 120),
}


# How far outside of the image the spline still feels it, in pixels, by order: to 1e-8 of its value there.
MARGIN = {2: 11, 3: 14, 4: 18, 5: 22}


def spline_coefficients(image: Tensor, order: int, padding: tuple[str | float, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """Coefficients c such that the spline sum_k c_k b(x - k) equals the image at every pixel.

    Outside, the spline passes through what `padding` puts there. Where that is the image again, mirrored or repeated,
    so are the coefficients; otherwise they are computed on an image with a margin. Along each axis this is one linear
    system, the same for every line.

    Args:
        image: (N, C, *size), float32 or wider.
        order: 2 to 5.
        padding: for each axis of `size`.

    Returns:
        (N, C, *size plus twice the margins) and the margin of each axis.

    Source: Unser (1999). The extensions are those of scipy.ndimage's modes "reflect", "grid-wrap", "nearest" and
    "grid-constant".
    """
    margins = tuple(0 if rule in ("reflection", "wrap") else MARGIN[order] for rule in padding)
    coefficients = _extended(image, padding, margins)
    for axis, rule in enumerate(padding, start=2):
        inverse = _inverse(order, coefficients.shape[axis], "wrap" if rule == "wrap" else "reflection")
        matrix = inverse.to(device=image.device, dtype=image.dtype)  # (n, n)
        coefficients = (coefficients.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    return coefficients, margins


def _extended(image: Tensor, padding: tuple[str | float, ...], margins: tuple[int, ...]) -> Tensor:
    """(N, C, *size) with `margins` around it, filled as `padding` says."""
    fill = fill_value(padding)
    for axis, (rule, margin) in enumerate(zip(padding, margins, strict=True), start=2):
        if rule == "border":
            index = torch.arange(-margin, image.shape[axis] + margin, device=image.device)
            image = image.index_select(axis, source_index(index, image.shape[axis], rule))
        elif margin:
            sides = [0, 0] * (image.ndim - 1 - axis) + [margin, margin]
            image = nn.functional.pad(image, sides, value=fill)
    return image


def _inverse(order: int, length: int, padding: str) -> Tensor:
    """(n, n): the values at the pixels of an axis to the coefficients, in float64."""
    # The compiler sees through NumPy but not through what is remembered. That are no tensors: these would belong to the
    # trace, the transformation or the inference mode that they were made in.
    inverted = _inverted if torch.compiler.is_compiling() else _remembered
    return torch.from_numpy(inverted(order, length, padding))


def _inverted(order: int, length: int, padding: str) -> np.ndarray:
    """(n, n), from the eigenvectors of an axis that is mirrored at its outer edges, or repeated: they are cosines."""
    pixels = np.arange(length)
    if padding == "wrap":
        product, turns = np.outer(pixels, 2 * pixels), 2 * length
        response = _response(order, 2 * np.pi * pixels / length)
        # Circulant: what a pixel does depends on the distance alone.
        column = (np.cos(2 * np.pi * (product % turns) / turns) / response).sum(1) / length
        return column[(pixels[:, None] - pixels) % length]
    product, turns = np.outer(2 * pixels + 1, pixels), 4 * length
    vectors = np.cos(2 * np.pi * (product % turns) / turns)  # the discrete cosine transform
    response = _response(order, np.pi * pixels / length)
    return (vectors * np.where(pixels == 0, 1.0, 2.0) / (length * response)) @ vectors.T


_remembered = functools.lru_cache(maxsize=16)(_inverted)


def _response(order: int, frequency: np.ndarray) -> np.ndarray:
    """(n,) what the spline's values at the pixels make of a cosine of frequencies in radians per pixel."""
    response = np.full_like(frequency, AT_PIXELS[order][0])
    for distance, weight in enumerate(AT_PIXELS[order][1:], start=1):
        response = response + 2 * weight * np.cos(distance * frequency)
    return response
