"""An .npz with x_train, y_train and so on."""

import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from .catalogue import SPLIT_NAMES, Catalogue, Skipped, Split, some
from .decoding import Image
from .preprocessing import Preprocessing

IMAGES = frozenset({"x", "image", "images", "img", "imgs", "data", "features", "inputs", "input", "xs"})
LABELS = frozenset({"y", "label", "labels", "target", "targets", "class", "classes", "ys"})
SPLIT = re.compile("|".join(sorted(SPLIT_NAMES, key=len, reverse=True)))  # "training" before "train"


@dataclass(frozen=True)
class Arrays:
    """Images in memory.

    Attributes:
        images: per key, (N, H, W) or (N, H, W, C), uint8.
        rows: (M, 2) of each image its key and its row.
    """

    images: dict[str, np.ndarray]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, number: int) -> str:
        key, row = self.rows[number]
        return f"{list(self.images)[key]}[{row}]"

    def pixels(self, number: int, preprocessing: Preprocessing) -> np.ndarray:
        key, row = self.rows[number]
        return preprocessing.pixels(Image.fromarray(list(self.images.values())[key][row]))


def catalogue(path: Path) -> Catalogue:
    """The images of an .npz.

    Keys are found whatever their case and order: x_train, X_valid, test_images. Images are (N, H, W), (N, H, W, C),
    (N, C, H, W), or flat rows of a square, of any type of number; labels are numbers, names or one-hot rows.

    Raises:
        UserError: damaged, with pickles, without images or labels, or of shapes that fit nothing.
    """
    images: dict[str, np.ndarray] = {}
    labels: list[str] = []
    splits: list[Split | None] = []
    rows, sizes, skipped, top = [], [], [], None
    for split, (x_key, y_key) in _pairs(path, _keys(path)).items():
        names = _labels(path, y_key, _load(path, y_key))
        pixels = _shaped(path, x_key, _load(path, x_key))
        if len(pixels) != len(names):
            raise UserError(f"{path}: {x_key!r} has {len(pixels)} images and {y_key!r} {len(names)} labels")
        sound = _finite(pixels)
        skipped += [Skipped(f"{x_key}[{row}]", "not finite numbers") for row in np.flatnonzero(~sound)]
        top = top or _range(pixels[sound])  # training comes first: the others are read as it is
        rows += [(len(images), row) for row in np.flatnonzero(sound)]
        images[x_key] = _eight_bit(pixels, *top)
        labels += [names[row] for row in np.flatnonzero(sound)]
        splits += [split] * int(sound.sum())
        sizes += [pixels.shape[2:0:-1]] * int(sound.sum())
    grey = all(array.ndim == 3 for array in images.values())
    pictures = Arrays(images, np.array(rows).reshape(-1, 2))
    return Catalogue(pictures, labels, splits, np.array(sizes).reshape(-1, 2), grey, skipped=skipped)


def _keys(path: Path) -> list[str]:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no whole .npz; save it with np.savez(path, x_train=..., y_train=...)")
    with zipfile.ZipFile(path) as file:
        return [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]


def _load(path: Path, key: str) -> np.ndarray:
    """One array at a time: those that are not needed take no memory."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return file[key]
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise UserError(
                f"{path}: {key!r} holds Python objects (a pickle), which could run programs and are refused; save "
                "plain arrays: np.savez(path, x_train=np.stack(images), y_train=np.array(labels))"
            ) from None
        raise UserError(f"{path}: {key!r} is damaged: {error}") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, SyntaxError) as error:
        raise UserError(f"{path}: {key!r} is damaged: {error}") from None


def _pairs(path: Path, keys: list[str]) -> dict[Split | None, tuple[str, str]]:
    """Of each split, training first, the key of its images and that of its labels."""
    found: dict[tuple[Split | None, str], str] = {}
    for key in keys:
        plain = re.sub(r"[\W_]+", "", key.lower())
        match = SPLIT.search(plain)
        split = SPLIT_NAMES[match[0]] if match else None
        rest = plain.replace(match[0], "", 1) if match else plain
        kind = "images" if rest in IMAGES else "labels" if rest in LABELS else None
        if kind and (split, kind) in found:
            raise UserError(f"{path}: {found[split, kind]!r} and {key!r} mean the same; keep one")
        if kind:
            found[split, kind] = key
    pairs: dict[Split | None, tuple[str, str]] = {}
    order: tuple[Split | None, ...] = ("train", None, "validation", "test")
    for split in order:
        x, y = found.get((split, "images")), found.get((split, "labels"))
        if x and y:
            pairs[split] = (x, y)
        elif x or y:
            raise UserError(
                f"{path}: {x or y!r} has no {'labels' if x else 'images'} beside it; its keys are {some(keys, 20)}"
            )
    if "train" not in pairs and None not in pairs:
        raise UserError(f"{path}: no images to train on; its keys are {some(keys, 20)}; call them x_train and y_train")
    return pairs


def _shaped(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """(N, H, W) or (N, H, W, 3 or 4), of the same type."""
    if array.dtype.kind not in "buif":
        raise UserError(f"{path}: {key!r} should be numbers; it is of type {array.dtype}")
    if array.ndim == 2:
        array = _squares(path, key, array)
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (3, 4)) or 0 in array.shape[1:]:
        raise UserError(
            f"{path}: {key!r} has the shape {array.shape}; understood are (N, H, W), (N, H, W, C), (N, C, H, W) "
            "with 1, 3 or 4 channels, and (N, pixels) of squares"
        )
    return array


def _squares(path: Path, key: str, rows: np.ndarray) -> np.ndarray:
    """(N, P) rows to (N, side, side), or (N, 3, side, side) where P is three squares, as CIFAR lays them."""
    length = rows.shape[1]
    for channels in (1, 3):
        side = math.isqrt(length // channels)
        if side and channels * side * side == length:
            return rows.reshape(-1, *((channels,) if channels > 1 else ()), side, side)
    raise UserError(f"{path}: {key!r} has rows of {length} numbers, which are no square; save it as (N, H, W)")


def _labels(path: Path, key: str, array: np.ndarray) -> list[str]:
    if array.ndim == 2 and array.shape[1] > 1:
        if array.dtype.kind not in "buif" or not ((array == array.max(initial=1)).sum(axis=1) == 1).all():
            raise UserError(f"{path}: {key!r} of shape {array.shape} should be one label per image, or one-hot rows")
        array = array.argmax(axis=1)
    elif array.ndim > 2:
        raise UserError(f"{path}: {key!r} has the shape {array.shape}; one label per image is needed, (N,)")
    array = array.reshape(-1)
    if array.dtype.kind == "S":
        return [label.decode("utf-8", "replace") for label in array.tolist()]
    if array.dtype.kind == "f":
        if not (np.isfinite(array) & (array == np.rint(array))).all():
            raise UserError(f"{path}: {key!r} should be classes; it holds numbers such as {array[array % 1 != 0][0]:g}")
        array = array.astype(np.int64)
    return [str(label) for label in array.tolist()]


def _finite(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind != "f":
        return np.ones(len(pixels), dtype=bool)
    return np.isfinite(pixels).all(axis=tuple(range(1, pixels.ndim)))


def _range(pixels: np.ndarray) -> tuple[float, float]:
    """Which numbers are black and white: 0 and 1, 255 or 65535, or -1 and 1; or else the least and the greatest."""
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 1.0)
    if low >= 0:
        return 0.0, next((top for top in (1.0, 255.0, 65535.0) if high <= top), high)
    return (-1.0, 1.0) if low >= -1 and high <= 1 else (low, max(high, low + 1))


def _eight_bit(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """To uint8, a thousand images at a time: large sets of floats are not copied whole."""
    if pixels.dtype == np.uint8 and (low, high) == (0, 255):
        return np.ascontiguousarray(pixels)
    result = np.empty(pixels.shape, dtype=np.uint8)
    for start in range(0, len(pixels), 1000):
        part = pixels[start : start + 1000].astype(np.float32)
        scaled = np.nan_to_num((part - low) * (255 / (high - low)))
        result[start : start + 1000] = np.clip(np.rint(scaled), 0, 255)
    return result
