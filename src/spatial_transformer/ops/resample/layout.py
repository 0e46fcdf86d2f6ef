"""Memory formats: what comes out is stored as what went in."""

from collections.abc import Sequence

from torch import Tensor


def empty(on: Tensor, count: int, channels: int, size: Sequence[int], *, like: Tensor) -> Tensor:
    """(count, channels, *size) where `on` is, and in its dtype; channels last in memory if they are so in `like`."""
    if has_channels_last(like):
        return on.new_empty(count, *size, channels).movedim(-1, 1)
    return on.new_empty(count, channels, *size)


def has_channels_last(image: Tensor) -> bool:
    """Whether (N, C, ...) is stored with the channels of a pixel next to each other."""
    return image.shape[1] > 1 and image.stride(1) == 1 and image.stride(-1) == image.shape[1]
