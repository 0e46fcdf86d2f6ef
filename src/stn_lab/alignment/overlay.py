"""An aligned pair in one picture: a checkerboard of both, one after the other, or their difference."""

from pathlib import Path

import numpy as np
from torch import Tensor

from ..files import replacing
from ..images.decoding import Image
from .settings import Overlay

SQUARES = 8  # of a checkerboard, along the longer side
LONGEST = 1024  # pixels: larger pictures are made smaller
FLICKER = 500  # milliseconds
TAIL = 1.0  # percent of the values at each end that are drawn black and white


def write_overlay(path: Path, warped: Tensor, fixed: Tensor, kind: Overlay) -> Path:
    """Write an overlay.

    Args:
        path: without a suffix.
        warped: (1, C, H, W) or (1, C, D, H, W), the moving image on the grid of the fixed one.
        fixed: the same shape; of a volume its three middle slices are drawn side by side.
        kind: of overlay.

    Returns:
        The path with its suffix.
    """
    one, other = (to_picture(image) for image in (warped, fixed))
    path = path.with_name(f"{path.name}{'.gif' if kind == 'flicker' else '.png'}")
    with replacing(path) as unfinished:
        if kind == "flicker":
            frames = [Image.fromarray(picture) for picture in (one, other)]
            frames[0].save(unfinished, "GIF", save_all=True, append_images=frames[1:], duration=FLICKER, loop=0)
        else:
            Image.fromarray(checkerboard(one, other) if kind == "checkerboard" else difference(one, other)).save(
                unfinished, "PNG"
            )
    return path


def to_picture(image: Tensor) -> np.ndarray:
    """(1, C, H, W) or (1, C, D, H, W) to (h, w) or (h, w, 3) bytes, from its darkest value to its brightest."""
    values = np.nan_to_num(image[0].numpy().astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if values.ndim == 4:
        values = _slices(values)
    low, high = np.percentile(values, [TAIL, 100 - TAIL])
    if low == high:
        low, high = values.min(), values.max()
    scaled = ((values - low) / ((high - low) or 1)).clip(0, 1)
    step = -(-max(scaled.shape[1:]) // LONGEST)
    pixels = np.rint(255 * scaled[:, ::step, ::step]).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0])


def checkerboard(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squares of both in turn: where they fit, edges go on from square to square."""
    side = max(1, -(-max(one.shape[:2]) // SQUARES))
    row, column = np.ogrid[: one.shape[0], : one.shape[1]]
    of_one = (row // side + column // side) % 2 == 0
    return np.where(of_one if one.ndim == 2 else of_one[..., None], one, other)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Grey where they agree, brighter and darker where they do not."""
    apart = one.astype(np.int16) - other
    return (128 + apart // 2).clip(0, 255).astype(np.uint8)


def _slices(volume: np.ndarray) -> np.ndarray:
    """(C, D, H, W) to (C, h, w): the middle slice across each axis, next to one another, the first axis upwards."""
    _, depth, height, width = volume.shape
    cuts = [volume[:, depth // 2], volume[:, ::-1, height // 2], volume[:, ::-1, :, width // 2]]
    tallest = max(cut.shape[1] for cut in cuts)
    return np.concatenate([np.pad(cut, ((0, 0), (0, tallest - cut.shape[1]), (0, 0))) for cut in cuts], axis=2)
