"""Images and volumes of a known motion."""

import json

import cv2
import nibabel
import numpy as np
import pytest
import torch

import spatial_transformer as st
from stn_lab.cli import main

SIDE = 48
MOTION = np.array([[1.02, 0.06, -2.5], [-0.05, 0.98, 3.0], [0.0002, 0.0001, 1.0]])  # pixels of moving to those of fixed


def texture(size, seed=0):
    """(*size) from 0 to 1, smooth over about eight pixels."""
    noise = torch.rand(1, 1, *(length // 6 + 2 for length in size), generator=torch.Generator().manual_seed(seed))
    mode = "bicubic" if len(size) == 2 else "trilinear"
    return torch.nn.functional.interpolate(noise, size, mode=mode, align_corners=False)[0, 0].clamp(0, 1).numpy()


def write_pair(folder, moving="moving.png", fixed="fixed.png", motion=MOTION, seed=0, dtype=np.uint8):
    white = np.iinfo(dtype).max
    one = texture((SIDE, SIDE), seed)
    other = cv2.warpPerspective(one, motion, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    for name, image in ((moving, one), (fixed, other)):
        assert cv2.imwrite(str(folder / name), np.rint(white * image.clip(0, 1)).astype(dtype))


@pytest.fixture
def images(tmp_path):
    write_pair(tmp_path)
    return tmp_path


HEADERS = (np.diag([2.0, 2.0, 3.0, 1.0]), np.array([[-2.0, 0, 0, 30], [0, 2, 0, 4], [0, 0, 3, -5], [0, 0, 0, 1.0]]))


def write_volumes(folder, shift=(2.0, -3.0, 1.5), names=("moving.nii.gz", "fixed.nii.gz"), dtype=np.int16):
    """One object in one world, shifted by millimetres, seen on two grids of which one runs the other way along x."""
    size = (12, 20, 16)  # of the file: along x, y, z
    picture = torch.from_numpy(texture((28, 40, 40), seed=3))[None, None]
    for name, affine, move in zip(names, HEADERS, ((0, 0, 0), shift), strict=True):
        voxels = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
        world = voxels @ affine[:3, :3].T + affine[:3, 3] - move
        points = torch.from_numpy(
            (world - (15.0, 20.0, 20.0)) / (30.0, 32.0, 36.0)
        ).float()  # half-widths of the picture
        values = st.sample(picture, points.reshape(1, -1, 3), mode="bspline3", padding="border").reshape(size).numpy()
        nibabel.save(nibabel.Nifti1Image((1000 * values).astype(dtype), affine), folder / name)


def run(*arguments):
    """The exit code of `stn align`."""
    try:
        main(["align", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code
    return 0


def record(folder):
    return json.loads((folder / "alignment.json").read_text())
