"""Pixels and outlines as a page can hold them: PNG data addresses and SVG paths."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

# Points further away than this many widths are drawn there: out of view, and short to write.
FURTHEST = 10.0


@dataclass(frozen=True)
class Picture:
    """An image, ready for an <image>.

    Attributes:
        address: a data address, no file.
        width, height: in pixels.
    """

    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Region:
    """Where a transformer looked, in the pixels of its input: pixel i spans [i, i + 1].

    Attributes:
        path: the closed outline, an SVG path.
        corner: the point that becomes the top left corner of the output; shows which way up the region is.
    """

    path: str
    corner: tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """A box in the pixels of an image, such as that of what is to be found in it."""

    left: float
    top: float
    width: float
    height: float


def picture(image: np.ndarray) -> Picture:
    """An (H, W) or (H, W, 3) image with values from 0 to 1 as a PNG. What lies outside is clipped, NaN is black."""
    values = np.nan_to_num(image.astype(np.float64)).clip(0, 1)
    pixels = np.round(255 * values).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    address = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(address, width=image.shape[1], height=image.shape[0])


def region(outline: np.ndarray, width: int, height: int) -> Region | None:
    """The (L, 2) points of an outline, in pixels, over an image of that size; None when no point is finite."""
    furthest = FURTHEST * np.array([width, height])
    points = outline[np.isfinite(outline).all(axis=1)].clip(-furthest, furthest)
    if len(points) == 0:
        return None
    steps = " L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return Region(f"M{steps} Z", corner=(round(float(points[0, 0]), 2), round(float(points[0, 1]), 2)))


def frame(box: np.ndarray) -> Frame | None:
    """A box of left, top, right, bottom, in pixels; None where it is NaN."""
    if not np.isfinite(box).all():
        return None
    left, top, right, bottom = (round(float(edge), 2) for edge in box)
    return Frame(left, top, round(right - left, 2), round(bottom - top, 2))


def margin(outlines: np.ndarray, width: int, height: int) -> float:
    """How much room (N, K, L, 2) outlines need around an image, as a share of its side; extreme ones are cut off."""
    share = np.nan_to_num(outlines / np.array([width, height]), nan=0.5, posinf=FURTHEST, neginf=-FURTHEST)
    outside = (np.abs(share - 0.5) - 0.5).max(axis=(1, 2, 3))  # (N,)
    return float(np.clip(np.quantile(outside, 0.9) + 0.04, 0.08, 0.4)) if len(outside) else 0.08
