"""What people bring to the page: a file, a drawing. Read with a limit on what it costs."""

import base64
import binascii
import io
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..images.decoding import SUFFIXES, Unreadable, is_grey, opened, quiet, upright
from ..images.preprocessing import Preprocessing

LARGEST_FILE = 16 * 2**20  # bytes
DRAWING = "data:image/png;base64,"  # how a canvas begins


def uploaded(path: str, preprocessing: Preprocessing) -> tuple[np.ndarray, str]:
    """A file that was uploaded.

    Args:
        path: where it lies.
        preprocessing: of the model.

    Returns:
        (C, H, W), uint8, as the model takes it; and what was done to it, in words.

    Raises:
        Unreadable: it is too large, no image, damaged, or of more pixels than a memory should be given to.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise Unreadable(f"not of a type that is read: {', '.join(sorted(SUFFIXES))}")
    if Path(path).stat().st_size > LARGEST_FILE:
        raise Unreadable(f"larger than {LARGEST_FILE // 2**20} MB")
    return received(path, preprocessing)


def drawn(address: str, preprocessing: Preprocessing) -> tuple[np.ndarray, str]:
    """A drawing, as the data address of a canvas; nothing has to be said of it, otherwise as `uploaded`."""
    if not isinstance(address, str) or not address.startswith(DRAWING):
        raise Unreadable("not a drawing")
    if len(address) > LARGEST_FILE:
        raise Unreadable(f"larger than {LARGEST_FILE // 2**20} MB")
    try:
        content = base64.b64decode(address.removeprefix(DRAWING), validate=True)
    except binascii.Error as error:
        raise Unreadable(f"not a drawing: {error}") from error
    return received(io.BytesIO(content), preprocessing)[0], ""


def received(file: str | BinaryIO, preprocessing: Preprocessing) -> tuple[np.ndarray, str]:
    """An image file, decoded only where its header says that its pixels can be held; otherwise as `uploaded`."""
    with quiet(), opened(file) as image:
        grey = is_grey(image)
        near = max(preprocessing.size)
        whole = image.size
        image.draft(None, (2 * near, 2 * near))  # a large JPEG at a fraction of its size
        shown = upright(image)
        pixels = preprocessing.pixels(shown)
    lies = (shown.width > shown.height) != (whole[0] > whole[1])  # a camera held upright
    return pixels, _words(whole[::-1] if lies else whole, 1 if grey else 3, preprocessing)


def _words(whole: tuple[int, int], channels: int, preprocessing: Preprocessing) -> str:
    """What an image of (width, height) is, and what the model takes, where they differ."""
    width, height = whole
    rows, columns = preprocessing.size
    kinds = {1: "1 channel (grey)", 3: "3 channels (colour)"}
    is_fitted = (width, height) != (columns, rows)
    is_turned = channels != preprocessing.channels
    if not is_fitted and not is_turned:
        return ""
    done = [f"brought to that size ({preprocessing.fit})"] * is_fitted
    done += [{1: "shown in grey", 3: "its grey in all channels"}[preprocessing.channels]] * is_turned
    return (
        f"The image has {width} x {height} pixels and {kinds[channels]}, the model takes {columns} x {rows} pixels and "
        f"{kinds[preprocessing.channels]}: {', '.join(done)}."
    )
