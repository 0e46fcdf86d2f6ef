"""What a network sees of an image: its size, its channels, and how it is fitted in."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from ..errors import UserError
from .decoding import WHITE, Image, Unreadable, decode, eight_bit

if TYPE_CHECKING:
    from torch import Tensor

Fit = Literal["letterbox", "squeeze"]
Box = tuple[float, float, float, float]  # left, top, right, bottom

LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Preprocessing:
    """From an image of any size and mode to the pixels that a network takes.

    Numbers and words only, so that a saved model can keep it: `Preprocessing(**dataclasses.asdict(p)) == p`.

    Attributes:
        size: (height, width) of what the network sees.
        channels: 1 for grey, 3 for colour.
        fit: "letterbox" keeps the aspect and leaves black bars; "squeeze" changes the aspect and fills the frame.
        background: grey that shows through transparent pixels, 0 to 255.
        white: the number that is white in 16-bit images, for example 4095 for a camera of 12 bits.

    Example:
        >>> Preprocessing((32, 32), channels=3).pixels(Image.new("L", (64, 48))).shape
        (3, 32, 32)
    """

    size: tuple[int, int]
    channels: int = 3
    fit: Fit = "letterbox"
    background: int = 255
    white: int = WHITE

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))  # JSON has lists
        if len(self.size) != 2 or not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise UserError(f"size must be a height and a width of 1 to {LARGEST_SIDE} pixels; got {self.size}")
        if self.channels not in (1, 3):
            raise UserError(f"channels must be 1 (grey) or 3 (colour); got {self.channels}")
        if self.fit not in get_args(Fit):
            raise UserError(f"fit must be one of {', '.join(get_args(Fit))}; got {self.fit!r}")

    def read(self, path: str | Path) -> "Tensor":
        """One file as a network takes it: (C, H, W), float32 in 0 ... 1.

        Raises:
            UserError: the file is no image, or damaged.
        """
        import torch

        try:
            return torch.tensor(self.pixels_of_file(str(path))).float() / 255  # a copy: Pillow lends its own memory
        except Unreadable as error:
            raise UserError(f"{path}: {error}") from error

    def pixels_of_file(self, path: str) -> np.ndarray:
        """A file to (C, H, W), uint8; raises `Unreadable`."""
        image = decode(path, self.channels, background=self.background, white=self.white, near=max(self.size))
        return self._fitted(image)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """An image in memory, of any mode, to (C, H, W), uint8."""
        return self._fitted(eight_bit(image, self.channels, background=self.background, white=self.white))

    def _fitted(self, image: Image.Image) -> np.ndarray:
        left, top, width, height = self._frame(image.size)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        if image.size == self.size[::-1]:
            return np.asarray(image).reshape(*self.size, -1).transpose(2, 0, 1)
        canvas = np.zeros((*self.size, self.channels), dtype=np.uint8)  # (H, W, C)
        canvas[top : top + height, left : left + width] = np.asarray(image).reshape(height, width, -1)
        return canvas.transpose(2, 0, 1)

    def _frame(self, source: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where an image of (width, height) comes to lie: left, top, width, height, in whole pixels."""
        height, width = self.size
        if self.fit == "squeeze":
            return 0, 0, width, height
        scale = min(width / source[0], height / source[1])
        inner = (max(1, round(source[0] * scale)), max(1, round(source[1] * scale)))
        return (width - inner[0]) // 2, (height - inner[1]) // 2, *inner

    def boxes(self, boxes: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """Boxes in the pixels of the upright images to normalised coordinates of what the network sees.

        Args:
            boxes: (N, 4): left, top, right, bottom; 0 and the width are the outer edges. NaN where there is none.
            sources: (N, 2) widths and heights of the images.

        Returns:
            (N, 4), float32; -1 and +1 are the outer edges, as everywhere in the library.

        Example:
            >>> half = Preprocessing((32, 32)).boxes(np.array([[0, 0, 32, 32]]), np.array([[64, 64]]))
            >>> half.tolist()
            [[-1.0, -1.0, 0.0, 0.0]]
        """
        frames = np.array([self._frame((int(w), int(h))) for w, h in sources], dtype=np.float64).reshape(-1, 4)
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 2, 2)  # (N, first or last, x or y)
        inner = corners / np.asarray(sources).reshape(-1, 1, 2) * frames[:, None, 2:] + frames[:, None, :2]
        normalised = 2 * inner / np.array(self.size[::-1]) - 1
        return normalised.reshape(-1, 4).astype(np.float32)

    def source_points(self, points: np.ndarray, decoded: np.ndarray, sources: np.ndarray) -> np.ndarray:
        """Pixels of what the network sees to pixels of the upright images that were fitted in: what `boxes` undoes.

        Args:
            points: (N, ..., 2), x first, in pixels of `size`; 0 and the width are the outer edges.
            decoded: (N, 2) widths and heights in which the images were fitted in.
            sources: (N, 2) widths and heights of the images, larger where they were decoded at a fraction of that.

        Returns:
            (N, ..., 2), float64.

        Example:
            >>> narrow = Preprocessing((32, 32)).source_points(np.array([[[8.0, 0.0]]]), np.array([[16, 32]]),
            ...     np.array([[160, 320]]))
            >>> narrow.tolist()
            [[[0.0, 0.0]]]
        """
        frames = np.array([self._frame((int(w), int(h))) for w, h in decoded], dtype=np.float64).reshape(-1, 4)
        shape = (len(frames), *[1] * (points.ndim - 2), 2)
        corner, extent = frames[:, :2].reshape(shape), frames[:, 2:].reshape(shape)
        return (points - corner) / extent * sources.reshape(shape)
