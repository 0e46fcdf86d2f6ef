"""Caltech-UCSD Birds 200-2011: 5,994 photographs to learn from and 5,794 to be tested on, of 200 species.

The archive holds the photographs and lists of one line each: `images.txt` (number and path), `image_class_labels.txt`
(number and species, from 1), `train_test_split.txt` (number, and 1 for training). Boxes and parts are not used. It is
read from `$STN_DATA/cub` when it is there, else fetched into a cache.

Source: Wah et al. (2011); short sides of 256 pixels and crops of 224 from them, Jaderberg et al. (2015), appendix A.6.
Chosen here: of a photograph that is not square the middle is kept; of test photographs, the middle 224 pixels; images
of 448 pixels are all of it twice as large; a tenth of the training photographs are held out.
"""

import io
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stn_lab.download import folder_with
from stn_lab.errors import UserError
from stn_lab.tasks.scene import Splits

from ..photographs import Photographs

SOURCE = "https://data.caltech.edu/records/65de6-vp158/files/"
ARCHIVE = "CUB_200_2011.tgz"
SHA256 = "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"
LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt")
SPECIES = 200


def load(side: int) -> Splits[Photographs]:
    """Training and held-out photographs, from which crops are to be cut, and test photographs.

    Args:
        side: of what a network sees, in pixels: 224 or 448. Training photographs are a seventh larger, test and
            held-out ones are cropped.

    Raises:
        UserError: `STN_DATA` is not a folder, or the archive is damaged, or neither here nor to be fetched.
    """
    folder = folder_with("CUB-200-2011", "cub", {ARCHIVE: SHA256}, SOURCE)
    train, test = read_archive(folder / ARCHIVE, side * 8 // 7)
    train = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))]
    held_out = len(train) // 10
    return Splits(train[held_out:], _middle(train[:held_out], side), _middle(test, side))


def read_archive(path: Path, side: int) -> tuple[Photographs, Photographs]:
    """Training and test photographs, square, with labels from 0.

    Raises:
        UserError: it is damaged.
    """
    try:
        lists: dict[str, dict[str, str]] = {}
        squares: dict[str, np.ndarray] = {}
        with tarfile.open(path) as archive:
            for member in archive:
                folder, _, name = member.name.removeprefix("./").partition("/")
                if folder != "CUB_200_2011" or not member.isfile():
                    continue
                data = archive.extractfile(member).read()  # type: ignore[union-attr]  # a file
                if name in LISTS:
                    lists[name] = dict(line.split(maxsplit=1) for line in data.decode().splitlines())
                elif name.startswith("images/"):
                    squares[name.removeprefix("images/")] = square(Image.open(io.BytesIO(data)), side)
        paths, species, split = (lists[name] for name in LISTS)
        train, test = ([number for number in paths if split[number] == which] for which in "10")
        return _gather(train, paths, species, squares), _gather(test, paths, species, squares)
    except Exception as error:  # a damaged archive fails in as many ways as there are bytes in it
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}); delete it and fetch it again") from error


def square(image: Image.Image, side: int) -> np.ndarray:
    """(3, side, side) uint8: the short side made `side` pixels, the middle of the long one kept."""
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    box = (left, top, left + short, top + short)
    resized = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.moveaxis(np.asarray(resized), -1, 0)


def _gather(
    numbers: list[str], paths: dict[str, str], species: dict[str, str], squares: dict[str, np.ndarray]
) -> Photographs:
    images = np.stack([squares[paths[number]] for number in numbers])
    return Photographs(torch.from_numpy(images), torch.tensor([int(species[number]) - 1 for number in numbers]))


def _middle(photographs: Photographs, side: int) -> Photographs:
    edge = (photographs.images.shape[-1] - side) // 2
    cropped = photographs.images[:, :, edge : edge + side, edge : edge + side]
    return Photographs(cropped.clone(), photographs.labels)
