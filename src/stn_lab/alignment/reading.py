"""One image or volume to be aligned: its values, which of them count, and what it takes to write another like it."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError
from ..files import UNFINISHED, replacing
from ..images import decoding, volumes
from ..images.volumes import Volume

# Bytes that a registration needs for each value of the fixed and the moving image, at most: both, their pyramids,
# points, slopes and what gradients keep.
BYTES_PER_VALUE = 100


@dataclass(frozen=True)
class Scan:
    """An image or a volume.

    Attributes:
        path: where it was read.
        values: (1, C, H, W) or (1, 1, D, H, W), float32; images of 8 and 16 bits from 0 to 1.
        mask: (1, 1, ...) which values count; None where all do, as they are finite.
        dtype: of the file's values.
        volume: what else the file of a volume says.
    """

    path: Path
    values: Tensor
    mask: Tensor | None
    dtype: np.dtype
    volume: Volume | None = None

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W) or (D, H, W)."""
        return tuple(self.values.shape[2:])

    @property
    def extent(self) -> tuple[float, ...]:
        """Its lengths along x, y (, z), in pixels or millimetres."""
        spacing = (1.0,) * len(self.size) if self.volume is None else self.volume.spacing
        return tuple(length * unit for length, unit in zip(reversed(self.size), spacing, strict=True))


def read(path: Path, *, grey: bool = False) -> Scan:
    """Read an image that Pillow reads, or a NIfTI volume.

    Raises:
        UserError: it is missing, damaged, larger than memory allows, has no finite value, or all are the same.
    """
    if volumes.is_volume(path):
        _check_memory(path, math.prod(volumes.size(path)))
        scan = _of_volume(path)
    else:
        scan = _of_image(path, grey)
    shown = scan.values if scan.mask is None else scan.values[scan.mask.expand_as(scan.values)]
    if not shown.numel():
        raise UserError(f"{path}: none of its values is finite, so there is nothing to align")
    if bool(shown.min() == shown.max()):
        raise UserError(f"{path}: all of its values are the same, so there is nothing to align")
    return scan


def read_mask(path: Path, scan: Scan) -> Tensor:
    """(1, 1, ...) booleans: where a mask is not 0.

    Raises:
        UserError: it cannot be read, has another size, or excludes all that counts.
    """
    if volumes.is_volume(path):
        values = volumes.read(path).values != 0
    else:
        with _readable(path), decoding.opened(str(path)) as image:
            values = np.asarray(decoding.eight_bit(decoding.upright(image), 1, background=0)) > 0
    if values.shape != scan.size:
        raise UserError(f"{path}: a mask of {_by(values.shape)}, but {scan.path} has {_by(scan.size)}; they must agree")
    mask = torch.from_numpy(np.ascontiguousarray(values))[None, None]
    counted = mask if scan.mask is None else mask & scan.mask
    if not bool(counted.any()):
        raise UserError(f"{path}: the mask excludes all of {scan.path}, so there is nothing to align")
    return counted


def write(path: Path, values: Tensor, moving: Scan, fixed: Scan) -> Path:
    """Write (1, C, ...) values on the grid of `fixed`, in the type of `moving` where that holds them.

    Args:
        path: without a suffix.
        values: as those of `moving`.
        moving: whose values they are.
        fixed: where they lie.

    Returns:
        The path with its suffix.
    """
    array = values[0].numpy()
    if fixed.volume is not None:
        path = path.with_name(f"{path.name}.nii.gz")
        with replacing(path, UNFINISHED + "".join(path.suffixes)) as unfinished:
            volumes.write(unfinished, _as(array[0], moving.dtype), fixed.volume)
        return path
    scaled = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(moving.dtype, 1)
    pixels = _as(array * scaled, moving.dtype)
    path = path.with_name(f"{path.name}{'.tif' if pixels.dtype == np.float32 else '.png'}")
    with replacing(path, UNFINISHED + "".join(path.suffixes)) as unfinished:
        decoding.Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(unfinished)
    return path


def _as(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """In whole numbers, where all are finite and the file's were."""
    if dtype.kind == "f" or not np.isfinite(values).all():
        return values.astype(np.float32)
    limits = np.iinfo(dtype)
    rounded: np.ndarray = np.rint(values).clip(limits.min, limits.max).astype(dtype)
    return rounded


def _of_volume(path: Path) -> Scan:
    volume = volumes.read(path)
    values = torch.from_numpy(volume.values.astype(np.float32))[None, None]
    return Scan(path, *_finite(values), volume.values.dtype, volume)


def _of_image(path: Path, grey: bool) -> Scan:
    with _readable(path), decoding.opened(str(path)) as image:
        _check_memory(path, image.width * image.height * (1 if grey else len(image.getbands())))
        upright = decoding.upright(image)
        if upright.mode == "F" or upright.mode.startswith("I"):
            pixels = np.asarray(upright)
            dtype = np.dtype(np.float32 if upright.mode == "F" else np.uint16)
        else:
            channels = 1 if grey or decoding.is_grey(upright) else 3
            pixels, dtype = np.asarray(decoding.eight_bit(upright, channels)), np.dtype(np.uint8)
    white = {"uint8": 255, "uint16": 65535}.get(dtype.name, 1)
    values = torch.from_numpy(pixels.astype(np.float32) / np.float32(white))
    values = values[None, None] if values.ndim == 2 else values.movedim(-1, 0)[None].contiguous()
    return Scan(path, *_finite(values), dtype)


def _finite(values: Tensor) -> tuple[Tensor, Tensor | None]:
    """Values, and where all channels are finite; None if that is everywhere."""
    finite = values.isfinite().all(dim=1, keepdim=True)
    return (values, None) if bool(finite.all()) else (values, finite)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what is wrong with an image file into one line for the person."""
    try:
        yield
    except decoding.Unreadable as error:
        raise UserError(f"{path}: {error}") from error


def _check_memory(path: Path, values: int) -> None:
    needed, free = BYTES_PER_VALUE * values, _free_memory()
    if needed > free:
        raise UserError(
            f"{path}: {values:,} values need about {needed / 2**30:.1f} GiB to be aligned, and {free / 2**30:.1f} are "
            "free; make both images smaller"
        )


def _free_memory() -> int:
    """Bytes that this process may still take."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, reversed(size)))
