"""NIfTI volumes: read with their header, written with it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError

SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Volume:
    """A volume and where it lies.

    Attributes:
        values: (D, H, W): the file's first axis, which is often the one from left to right, is W.
        affine: (4, 4) from voxels, counted along W, H, D from 0, to millimetres of the world.
        header: of the file; `write` puts it into the next one.
    """

    values: np.ndarray
    affine: np.ndarray
    header: Any

    @property
    def spacing(self) -> tuple[float, float, float]:
        """The distance between voxels along W, H and D, in millimetres."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def is_volume(path: Path) -> bool:
    """Whether a path is that of a NIfTI file, by its name."""
    return path.name.lower().endswith(SUFFIXES)


def size(path: Path) -> tuple[int, ...]:
    """(D, H, W), from the header alone.

    Raises:
        UserError: as `read`.
    """
    return _three(path, _load(path).shape)[::-1]


def read(path: Path) -> Volume:
    """Read a NIfTI file, as float32, or whole numbers where it holds those.

    Raises:
        UserError: nibabel is missing, the file is missing or damaged, has more than one volume, or its header does not
            say where its voxels lie.
    """
    image = _load(path)
    header, shape = image.header, _three(path, image.shape)
    if not (header["qform_code"] or header["sform_code"]):
        raise UserError(
            f"{path}: its header has no affine (qform_code and sform_code are 0), so nobody knows where its voxels "
            "lie; write it anew with nibabel.Nifti1Image(values, affine)"
        )
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise UserError(f"{path}: the affine of its header has no inverse; write the file anew with the right one")
    try:
        values = np.asanyarray(image.dataobj).reshape(shape)
    except Exception as error:  # cut short, or damaged in the compressed stream
        raise UserError(f"{path}: damaged: {error}") from error
    if values.dtype.kind not in "iuf":
        raise UserError(f"{path}: its voxels are {values.dtype}, and not numbers; write one channel, as float32")
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    return Volume(np.ascontiguousarray(values.T), affine, header.copy())


def write(path: Path, values: np.ndarray, like: Volume) -> None:
    """Write (D, H, W) voxels that lie as those of `like`, with its header.

    Geometry, units, codes and descriptions are kept; the type of the voxels is that of `values`.
    """
    nibabel = _nibabel()
    header = like.header.copy()
    header.set_data_dtype(values.dtype)
    kind = nibabel.Nifti2Image if type(header).__name__.startswith("Nifti2") else nibabel.Nifti1Image
    image = kind(np.ascontiguousarray(values.T), None, header)  # the header's own affines, both of them
    nibabel.save(image, path)


def voxels_to_world(matrix: np.ndarray, source: Volume, target: Volume) -> np.ndarray:
    """A (4, 4) matrix between voxels, from those of `source` to those of `target`, as one between millimetres."""
    world: np.ndarray = target.affine @ matrix @ np.linalg.inv(source.affine)
    return world


def _nibabel() -> Any:
    try:
        import nibabel
    except ImportError:
        raise UserError("NIfTI volumes are read with nibabel: pip install 'spatial-transformer[volumes]'") from None
    return nibabel


def _load(path: Path) -> Any:
    nibabel = _nibabel()
    if not path.is_file():
        raise UserError(f"{path} is not there")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = nibabel.load(path)
            image.header["qform_code"]
            return image
    except Exception as error:  # damaged files fail in as many ways as there are formats
        raise UserError(f"{path}: not a NIfTI file that nibabel can read: {error}") from error


def _three(path: Path, shape: Sequence[int]) -> tuple[int, ...]:
    """The first three axes, when all others have one entry."""
    if len(shape) < 3 or any(length != 1 for length in shape[3:]) or not all(shape):
        raise UserError(
            f"{path}: must hold one volume of three axes; it has {' x '.join(map(str, shape))}. "
            "Write the volume to align into a file of its own"
        )
    return tuple(shape[:3])
