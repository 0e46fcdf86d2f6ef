"""The one operator under everything: read an image at points, on the backend that is asked for."""

from torch import Tensor

from ... import backends
from ...kernels import Kernel


def resample(
    image: Tensor,
    points: Tensor,
    *,
    kernel: Kernel,
    padding: tuple[str | float, ...],
    index: Tensor | None = None,
) -> Tensor:
    """Read (N, C, *size) images at (M, K, D) points: (M, C, K). Arguments are checked by the callers."""
    run = backends.implementation("resample", image.device)
    return run(image, points, kernel=kernel, padding=padding, index=index)
