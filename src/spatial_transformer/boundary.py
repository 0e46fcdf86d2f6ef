"""What is read instead of a pixel outside of the image."""

import torch
from torch import Tensor


def source_index(index: Tensor, length: int, padding: str | float) -> Tensor:
    """Map indices outside of 0 ... length - 1 to those that are read instead.

    Args:
        index: (...) whole numbers, integer or floating point.
        length: of the axis.
        padding: "border", "reflection", "wrap"; anything else fills.

    Returns:
        (...) indices in 0 ... length - 1; where the fill value is to be read, -1 or `length`.
    """
    if padding == "border":
        return index.clamp(0, length - 1)
    if padding == "reflection":  # about the outer edges: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
        index = index.remainder(2 * length)
        return torch.minimum(index, 2 * length - 1 - index)
    if padding == "wrap":
        return index.remainder(length)
    return index.clamp(-1, length)


def fill_value(padding: tuple[str | float, ...]) -> float:
    """The number that stands outside along the axes that are filled."""
    return next((float(rule) for rule in padding if not isinstance(rule, str)), 0.0)
