"""`stn align MOVING FIXED`: files that other programs agree with, and answers that can be trusted."""

import sys
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from PIL import Image

from stn_lab.alignment import overlay, reading

sys.path.insert(0, str(Path(__file__).parent))
from conftest import HEADERS, MOTION, SIDE, record, run, texture, write_pair, write_volumes


def corners_off(matrix):
    corners = np.array([[0.0, 0], [SIDE - 1, 0], [SIDE - 1, SIDE - 1], [0, SIDE - 1]])[:, None]
    apart = cv2.perspectiveTransform(corners, np.array(matrix)) - cv2.perspectiveTransform(corners, MOTION)
    return np.linalg.norm(apart, axis=2).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_opencv_gives_the_warped_image_with_the_matrix(dtype, tmp_path):
    """cv2.warpPerspective(moving, matrix, size), as the page says, without a flag."""
    write_pair(tmp_path, dtype=dtype)
    assert (
        run(
            tmp_path / "moving.png",
            tmp_path / "fixed.png",
            "--output",
            tmp_path / "out",
            "--matrix",
            tmp_path / "m.txt",
        )
        == 0
    )
    found = record(tmp_path / "out")
    assert found["success"], found["why"]
    assert corners_off(found["matrix"]) < 0.5
    assert "cv2.warpPerspective(moving, matrix" in found["matrix_direction"]
    moving, warped = (
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for path in (tmp_path / "moving.png", tmp_path / "out" / found["warped"])
    )
    matrix = np.array(found["matrix"])
    expected = cv2.warpPerspective(moving.astype(np.float32), matrix, tuple(found["size"]))
    assert warped.dtype == dtype
    np.testing.assert_allclose(warped, expected, atol=np.iinfo(dtype).max / 255 * 2)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "m.txt"), matrix, rtol=1e-9, atol=1e-9)
    assert found["measure"]["after"] < 0.1 * found["measure"]["before"]
    valid = cv2.imread(str(tmp_path / "out" / found["mask"]), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(valid)) == {0, 255}
    assert found["valid"] == pytest.approx((valid > 0).mean(), abs=1e-3)


def test_a_pair_of_two_sizes(tmp_path):
    image = texture((60, 44))
    cv2.imwrite(str(tmp_path / "moving.png"), np.rint(255 * image))
    cv2.imwrite(str(tmp_path / "fixed.png"), np.rint(255 * cv2.resize(image, (66, 90), interpolation=cv2.INTER_CUBIC)))
    assert (
        run(tmp_path / "moving.png", tmp_path / "fixed.png", "--family", "similarity", "--output", tmp_path / "out")
        == 0
    )
    found = record(tmp_path / "out")
    assert found["success"], found["why"]
    np.testing.assert_allclose(np.array(found["matrix"])[:2, :2], 1.5 * np.eye(2), atol=0.01)
    assert found["size"] == [66, 90]


def test_a_deformation_has_positions_for_opencv(images):
    options = ("--stages", "affine,bspline", "--control", "5", "--overlay", "flicker")
    assert run(images / "moving.png", images / "fixed.png", *options, "--output", images / "out") == 0
    found = record(images / "out")
    assert found["success"], found["why"]
    assert found["matrix"] is None
    positions = np.load(images / "out" / found["positions"])["positions"]
    moving = cv2.imread(str(images / "moving.png"), cv2.IMREAD_UNCHANGED).astype(np.float32)
    expected = cv2.remap(moving, positions, None, cv2.INTER_LINEAR)
    warped = cv2.imread(str(images / "out" / found["warped"]), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(warped, expected, atol=3)
    assert found["folds"] == 0
    with Image.open(images / "out" / found["overlay"]) as flicker:
        assert flicker.n_frames == 2


def test_volumes_lie_in_one_world(tmp_path):
    """Grids that run against each other, and a shift of known millimetres."""
    write_volumes(tmp_path)
    options = ("--family", "rigid", "--outside", "nan", "--overlay", "difference")
    assert run(tmp_path / "moving.nii.gz", tmp_path / "fixed.nii.gz", *options, "--output", tmp_path / "out") == 0
    found = record(tmp_path / "out")
    assert found["success"], found["why"]
    expected = np.eye(4)
    expected[:3, 3] = 2.0, -3.0, 1.5
    np.testing.assert_allclose(found["world_matrix"], expected, atol=0.15)
    voxels = np.linalg.inv(HEADERS[1]) @ np.array(found["world_matrix"]) @ HEADERS[0]
    np.testing.assert_allclose(found["matrix"], voxels, atol=1e-5)
    warped, fixed = (nibabel.load(path) for path in (tmp_path / "out" / found["warped"], tmp_path / "fixed.nii.gz"))
    np.testing.assert_allclose(warped.affine, fixed.affine)
    values, goal = warped.get_fdata(), fixed.get_fdata()
    inside = np.isfinite(values)
    assert 0.5 < inside.mean() < 1
    mask = nibabel.load(tmp_path / "out" / found["mask"]).get_fdata()
    np.testing.assert_array_equal(inside, mask > 0)
    assert np.corrcoef(values[inside], goal[inside])[0, 1] > 0.94


def test_labels_are_copied_and_have_an_outside(tmp_path):
    write_volumes(tmp_path)
    options = ("--family", "translation", "--mode", "nearest", "--outside", "-7")
    assert run(tmp_path / "moving.nii.gz", tmp_path / "fixed.nii.gz", *options, "--output", tmp_path / "out") == 0
    warped = np.asanyarray(nibabel.load(tmp_path / "out" / "warped.nii.gz").dataobj)
    moving = np.asanyarray(nibabel.load(tmp_path / "moving.nii.gz").dataobj)
    assert warped.dtype == np.int16
    assert -7 in warped
    assert set(np.unique(warped)) <= {*np.unique(moving), -7}


def test_masks_and_missing_values(tmp_path):
    """What is NaN does not count, nor what a mask excludes."""
    write_pair(tmp_path)
    moving = cv2.imread(str(tmp_path / "moving.png"), cv2.IMREAD_UNCHANGED).astype(np.float32)
    moving[10:18, 20:30] = np.nan
    Image.fromarray(moving).save(tmp_path / "moving.tif")
    fixed = cv2.imread(str(tmp_path / "fixed.png"), cv2.IMREAD_UNCHANGED)
    mask = np.full_like(fixed, 255)
    fixed[30:40, 5:15], mask[30:40, 5:15] = 255, 0
    cv2.imwrite(str(tmp_path / "fixed.png"), fixed)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    options = ("--mask", tmp_path / "mask.png", "--outside", "nan")
    assert run(tmp_path / "moving.tif", tmp_path / "fixed.png", *options, "--output", tmp_path / "out") == 0
    found = record(tmp_path / "out")
    assert found["success"], found["why"]
    assert corners_off(found["matrix"]) < 1
    with Image.open(tmp_path / "out" / found["warped"]) as warped:
        assert 0.02 < np.isnan(np.asarray(warped)).mean() < 0.4


def test_features_are_tried_where_the_usual_start_fails(tmp_path):
    """A turn by 100 degrees, further than any of the usual starts."""
    image = np.rint(255 * texture((160, 160), seed=5)).astype(np.uint8)
    turn = np.vstack([cv2.getRotationMatrix2D((79.5, 79.5), 100, 1.0), [0, 0, 1]])
    cv2.imwrite(str(tmp_path / "moving.png"), image)
    cv2.imwrite(str(tmp_path / "fixed.png"), cv2.warpPerspective(image, turn, (160, 160)))
    assert run(tmp_path / "moving.png", tmp_path / "fixed.png", "--family", "rigid", "--output", tmp_path / "out") == 0
    found = record(tmp_path / "out")
    assert found["success"], found["why"]
    assert found["start"].startswith("features:")
    np.testing.assert_allclose(found["matrix"], turn, atol=0.6)


def test_strangers_are_not_aligned(tmp_path, capfd):
    write_pair(tmp_path)
    cv2.imwrite(str(tmp_path / "fixed.png"), np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), np.uint8))
    assert run(tmp_path / "moving.png", tmp_path / "fixed.png", "--output", tmp_path / "out") == 0
    found = record(tmp_path / "out")
    assert not found["success"]
    assert found["why"]
    assert "NOT aligned" in capfd.readouterr().out


def test_another_modality_is_judged_by_the_way_back(images):
    fixed = cv2.imread(str(images / "fixed.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(images / "fixed.png"), 255 - fixed)
    options = ("--family", "affine", "--measure", "mi")
    assert run(images / "moving.png", images / "fixed.png", *options, "--output", images / "out") == 0
    found = record(images / "out")
    assert found["success"], found["why"]
    assert "there and back" in found["why"]


def files(folder):
    """Files of every bad kind."""
    write_pair(folder)
    flat, colour = np.full((9, 9), 7, np.uint8), np.zeros((9, 9, 3), np.uint8)
    colour[3, 3] = 1, 2, 3
    Image.fromarray(flat).save(folder / "flat.png")
    Image.fromarray(colour).save(folder / "colour.png")
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(folder / "nan.tif")
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(folder / "none.png")
    (folder / "text.png").write_text("no image")
    write_volumes(folder)


BAD = {
    "constant": (("flat.png", "fixed.png"), "all of its values are the same"),
    "channels": (("colour.png", "fixed.png"), "colour.png has 3 channels"),
    "nan": (("nan.tif", "fixed.png"), "none of its values is finite"),
    "missing": (("gone.png", "fixed.png"), "gone.png: not there"),
    "damaged": (("text.png", "fixed.png"), "not an image"),
    "mask excludes all": (("moving.png", "fixed.png", "--mask", "none.png"), "the mask excludes all"),
    "mask size": (("moving.png", "fixed.png", "--mask", "flat.png"), "a mask of 9 x 9"),
    "two kinds": (("moving.png", "fixed.nii.gz"), "is an image and"),
    "no pair": (("moving.png",), "give MOVING and FIXED"),
    "family": (("moving.png", "fixed.png", "--family", "wobbly"), "--family must be one of"),
    "order": (("moving.png", "fixed.png", "--stages", "bspline,affine"), "must begin with the matrices"),
    "both": (("moving.png", "fixed.png", "--stages", "affine", "--family", "affine"), "leave one of them out"),
    "no matrix": (("moving.png", "fixed.png", "--family", "velocity", "--matrix", "m.txt"), "velocity is no matrix"),
    "control": (("moving.png", "fixed.png", "--control", "1"), "--control must be"),
    "infinite": (("moving.png", "fixed.png", "--outside", "inf"), "--outside must be"),
    "to": (("moving.png", "fixed.png", "--to", "mean"), "--to is for --stack"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_aligned_is_one_line(case, tmp_path, monkeypatch, capfd):
    arguments, message = BAD[case]
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--output", "out") == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert not Path("out").exists()


def test_what_is_too_large_for_memory_is_not_read(images, monkeypatch, capfd):
    monkeypatch.setattr(reading, "_free_memory", lambda: 1000)
    assert run(images / "moving.png", images / "fixed.png", "--output", images / "out") == 2
    assert "make both images smaller" in capfd.readouterr().err
    monkeypatch.undo()
    assert reading._free_memory() > 2**20


def test_an_alignment_is_not_overwritten_unasked(images, capfd):
    (images / "out").mkdir()
    (images / "out" / "alignment.json").write_text("{}")
    assert run(images / "moving.png", images / "fixed.png", "--output", images / "out") == 2
    assert "--overwrite" in capfd.readouterr().err


def test_overlays_show_both():
    one, other = np.full((16, 24, 3), 200, np.uint8), np.full((16, 24, 3), 100, np.uint8)
    board = overlay.checkerboard(one, other)
    assert (board == 200).mean() == pytest.approx(0.5, abs=0.1)
    assert (overlay.difference(one, other) == 178).all()
    assert (overlay.difference(one, one) == 128).all()
