"""Files of any kind to what a network sees of them, and the way back to the pixels of the files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..images.decoding import Image, Unreadable, eight_bit, opened, quiet, upright
from ..images.files import WORKERS, refused, upright_size
from ..images.preprocessing import Preprocessing

SHADE = 16  # of 255: channels that differ by no more are of a grey picture, of which a JPEG makes a little colour


@dataclass(frozen=True)
class Pictures:
    """What could be read of some files.

    Attributes:
        pixels: (n, C, H, W), uint8, of those that could.
        sizes: (n, 2) width and height of each file's upright picture.
        decoded: (n, 2) in which it was decoded: large JPEGs are at a fraction of their size.
        reasons: for each file why it could not be read, None for those that could.
    """

    pixels: np.ndarray
    sizes: np.ndarray
    decoded: np.ndarray
    reasons: list[str | None]


class Reader:
    """Reads files for a network, in threads.

    Args:
        preprocessing: of the network.
        grey: whether a network that has learnt from grey pictures is shown those in colour, without their colours.
    """

    def __init__(self, preprocessing: Preprocessing, *, grey: bool) -> None:
        self.preprocessing = preprocessing
        self.refuses_colour = preprocessing.channels == 1 and not grey
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="decode")

    def read(self, paths: Sequence[str]) -> Pictures:
        """Files, in order, each read once."""
        with quiet():
            read = list(self._pool.map(self._read, paths))
        whole = [one for one in read if not isinstance(one, str)]
        pixels = [one[0] for one in whole]
        shape = (0, self.preprocessing.channels, *self.preprocessing.size)
        return Pictures(
            np.stack(pixels) if pixels else np.zeros(shape, dtype=np.uint8),
            np.array([one[1] for one in whole], dtype=np.int64).reshape(-1, 2),
            np.array([one[2] for one in whole], dtype=np.int64).reshape(-1, 2),
            [one if isinstance(one, str) else None for one in read],
        )

    def _read(self, path: str) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]] | str:
        if reason := refused(path):
            return reason
        try:
            with opened(path) as image:
                size = upright_size(image)
                side = 2 * max(self.preprocessing.size)
                image.draft(None, (side, side))
                turned = upright(image)
                if self.refuses_colour and (bands := _colours(turned)):
                    return (
                        f"has {bands} channels (colour), the model takes 1 (grey); with --grey its colours are left out"
                    )
                return self.preprocessing.pixels(turned), size, turned.size
        except Unreadable as reason:
            return str(reason)


def read_upright(path: str) -> Image.Image:
    """A whole picture, upright, in mode "RGB"; raises `Unreadable`."""
    with quiet(), opened(path) as image:
        return eight_bit(upright(image), 3)


def _colours(image: Image.Image) -> int:
    """How many channels a picture has, if these say that it has colours; 0 for a grey one."""
    if len(image.getbands()) < 3 and image.mode not in ("P", "PA"):
        return 0
    pixels = np.asarray(eight_bit(image, 3)).astype(np.int16)  # (H, W, 3)
    bands = 3 if image.mode in ("P", "PA") else len(image.getbands())
    return bands if (pixels.max(axis=2) - pixels.min(axis=2)).max(initial=0) > SHADE else 0
