"""Street View House Numbers, the full numbers: `train.tar.gz`, `test.tar.gz` and `extra.tar.gz`, each with its boxes.

An archive holds a folder with `1.png`, `2.png`, ... and `digitStruct.mat`, a MATLAB 7.3 file, which is HDF5. The files
are read from `$STN_DATA/svhn` when they are there, else fetched into a cache.

Source: Netzer et al. (2011); the crop of 64 pixels, Goodfellow et al. (2013): the box around all digits, 30 % larger.
For the loose crop of 128 pixels, of Ba et al. (2014), the paper gives no factor: here the box is made twice as large in
each direction again, so that digits are as large in pixels as in the tight one.
"""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from stn_lab.download import folder_with
from stn_lab.errors import UserError
from stn_lab.tasks.scene import Splits

from ..photographs import Photographs

SOURCE = "http://ufldl.stanford.edu/housenumbers/"
# None: no published checksum is known to us.
SHA256: dict[str, str | None] = {
    "train.tar.gz": "4b17bb33b6cd8f963493168f80143da956f28ec406cc12f8e5745a9f91a51898",
    "test.tar.gz": "57ac9ceb530e4aa85b55d991be8fc49c695b3d71c6f6a88afea86549efde7fb5",
    "extra.tar.gz": None,
}

PLACES = 5  # digits of a number at most; the few longer ones are left out
NOTHING = 10  # the class of a place without a digit
HELD_OUT = 5_000


@dataclass(frozen=True)
class Number:
    """What `digitStruct.mat` says about an image.

    Attributes:
        digits: from left to right.
        box: left, top, right, bottom around all digits, in pixels.
    """

    digits: tuple[int, ...]
    box: tuple[float, float, float, float]


def load(side: int) -> Splits[Photographs]:
    """Training images (train and extra, less 5,000), those 5,000, and the test images.

    Args:
        side: of the crops: 64 for the tight ones, 128 for the loose ones.

    Raises:
        UserError: `STN_DATA` is not a folder, an archive is damaged, or they are neither here nor to be fetched.
    """
    folder = folder_with("SVHN (full numbers)", "svhn", SHA256, SOURCE)
    learnt = [read_archive(folder / name, side) for name in ("train.tar.gz", "extra.tar.gz")]
    train = Photographs(torch.cat([part.images for part in learnt]), torch.cat([part.labels for part in learnt]))
    train = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))]
    held_out = min(HELD_OUT, len(train) // 2)
    return Splits(train[held_out:], train[:held_out], read_archive(folder / "test.tar.gz", side))


def read_archive(path: Path, side: int) -> Photographs:
    """The crops of one archive, and labels (N, 5) in which 10 stands for no digit.

    Raises:
        UserError: it is damaged.
    """
    try:
        with tarfile.open(path) as archive:
            pictures = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]
        structure = next(name for name in pictures if name.endswith("digitStruct.mat"))
        numbers = read_structure(pictures.pop(structure))
        named = {name.rpartition("/")[2]: data for name, data in pictures.items()}
        kept = {name: number for name, number in numbers.items() if len(number.digits) <= PLACES}
        crops = [crop(Image.open(io.BytesIO(named[name])), number.box, side) for name, number in kept.items()]
        labels = [number.digits + (NOTHING,) * (PLACES - len(number.digits)) for number in kept.values()]
        return Photographs(torch.from_numpy(np.stack(crops)), torch.tensor(labels))
    except Exception as error:  # a damaged archive fails in as many ways as there are bytes in it
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); delete it and fetch it again") from error


def crop(image: Image.Image, box: tuple[float, float, float, float], side: int) -> np.ndarray:
    """(3, side, side) uint8: 64 pixels for the box and 30 % around it, and as much again around that for 128."""
    left, top, right, bottom = box
    factor = 1.3 * side / 64
    half_width, half_height = factor * (right - left) / 2, factor * (bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    around = (x - half_width, y - half_height, x + half_width, y + half_height)
    # Where the crop leaves the photograph, its border goes on: a black frame would tell where the number is.
    margin = int(max(0, -around[0], -around[1], around[2] - image.width, around[3] - image.height)) + 2
    pixels = np.pad(np.asarray(image.convert("RGB")), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    left, top, right, bottom = (edge + margin for edge in around)
    resized = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    return np.moveaxis(np.asarray(resized), -1, 0)


def read_structure(data: bytes) -> dict[str, Number]:
    """The content of a `digitStruct.mat`: file name to what stands in the picture.

    Everything in it is a reference: of N names to strings, and of N boxes to a group in which each of height, label,
    left, top and width is a number when there is one digit, and a column of references to numbers when there are more.
    """
    import h5py

    with h5py.File(io.BytesIO(data)) as file:
        names, boxes = file["digitStruct/name"], file["digitStruct/bbox"]
        pairs = zip(np.asarray(names).flat, np.asarray(boxes).flat, strict=True)
        return {_text(file[name]): _number(file, file[box]) for name, box in pairs}


def _text(codes: Any) -> str:
    return "".join(chr(code) for code in np.asarray(codes).flat)


def _number(file: Any, group: Any) -> Number:
    left, top, width, height, label = (_values(file, group[key]) for key in ("left", "top", "width", "height", "label"))
    digits = tuple(int(digit) % 10 for digit in label[np.argsort(left, kind="stable")])  # a zero has the label 10
    edges = left.min(), top.min(), (left + width).max(), (top + height).max()
    return Number(digits, tuple(map(float, edges)))  # type: ignore[arg-type]  # four of them


def _values(file: Any, entry: Any) -> np.ndarray:
    cells = np.asarray(entry).flatten()
    return np.array([file[cell][0, 0] for cell in cells]) if entry.dtype == object else cells
