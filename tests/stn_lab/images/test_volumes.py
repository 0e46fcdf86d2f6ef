"""NIfTI volumes: where voxels lie, and a header that is kept."""

import nibabel
import numpy as np
import pytest

from stn_lab.errors import UserError
from stn_lab.images import volumes

AFFINE = np.array([[-2.0, 0.1, 0, 30], [0.1, 2.0, 0, -20], [0, 0, 3.5, 5], [0, 0, 0, 1]])


def nifti(path, shape=(5, 4, 3), dtype=np.int16, affine=AFFINE, code=1, kind=nibabel.Nifti1Image):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    image = kind(values, affine)
    image.header["descrip"] = b"of a phantom"
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code)
    image.set_qform(affine, 0)
    nibabel.save(image, path)
    return values


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_volume_is_written_as_it_was_read(name, kind, tmp_path):
    values = nifti(tmp_path / name, kind=kind, code=2)
    volume = volumes.read(tmp_path / name)
    assert volume.values.shape == (3, 4, 5)
    assert volume.values.dtype == np.int16
    np.testing.assert_array_equal(volume.values[2, 1, 4], values[4, 1, 2])
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)
    np.testing.assert_allclose(volume.spacing, np.linalg.norm(AFFINE[:3, :3], axis=0), rtol=1e-6)
    assert volumes.size(tmp_path / name) == (3, 4, 5)
    volumes.write(tmp_path / f"b-{name}", volume.values, volume)
    again = nibabel.load(tmp_path / f"b-{name}")
    np.testing.assert_array_equal(np.asanyarray(again.dataobj), values)
    np.testing.assert_allclose(again.affine, AFFINE, atol=1e-6)
    assert again.header["descrip"].item() == b"of a phantom"
    assert again.header.get_xyzt_units() == ("mm", "sec")
    assert int(again.header["sform_code"]) == 2
    assert type(again) is kind


def test_numbers_that_are_scaled_are_read_as_they_mean(tmp_path):
    image = nibabel.Nifti1Image(np.linspace(0, 1, 24).reshape(4, 3, 2), AFFINE)
    image.header.set_data_dtype(np.int16)  # nibabel then writes a slope
    nibabel.save(image, tmp_path / "a.nii")
    volume = volumes.read(tmp_path / "a.nii")
    assert volume.values.dtype == np.float32
    np.testing.assert_allclose(volume.values.T, np.linspace(0, 1, 24).reshape(4, 3, 2), atol=1e-4)
    filled = volume.values.copy()
    filled[0] = np.nan
    volumes.write(tmp_path / "b.nii", filled, volume)
    np.testing.assert_array_equal(volumes.read(tmp_path / "b.nii").values, filled)


def test_the_matrix_between_worlds_takes_millimetres(tmp_path):
    nifti(tmp_path / "a.nii")
    nifti(tmp_path / "b.nii", affine=np.diag([1.0, 2.0, 3.0, 1.0]))
    source, target = volumes.read(tmp_path / "a.nii"), volumes.read(tmp_path / "b.nii")
    voxels = np.eye(4)
    voxels[:3, 3] = 1, 2, 3
    world = volumes.voxels_to_world(voxels, source, target)
    at = np.array([3.0, 1.0, 2.0, 1.0])
    np.testing.assert_allclose(world @ source.affine @ at, target.affine @ voxels @ at)


def test_one_volume_along_a_fourth_axis_is_one_volume(tmp_path):
    nifti(tmp_path / "a.nii", (5, 4, 3, 1))
    assert volumes.read(tmp_path / "a.nii").values.shape == (3, 4, 5)


def singular(path):
    nifti(path)
    image = nibabel.load(path)
    image.header["srow_z"] = 0
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), path)


def damaged(path):
    nifti(path, (40, 40, 40))
    path.write_bytes(path.read_bytes()[:5000])


BAD = {
    "no affine": (lambda path: nifti(path, code=0), "no affine"),
    "singular": (singular, "has no inverse"),
    "series": (lambda path: nifti(path, (5, 4, 3, 2)), "5 x 4 x 3 x 2"),
    "image": (lambda path: nifti(path, (5, 4)), "three axes"),
    "complex": (lambda path: nifti(path, dtype=np.complex64), "not numbers"),
    "text": (lambda path: path.write_text("not a volume"), "not a NIfTI file"),
    "cut short": (damaged, "damaged"),
    "missing": (lambda path: None, "is not there"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_volume_is_one_line(case, tmp_path):
    make, message = BAD[case]
    make(tmp_path / "a.nii")
    with pytest.raises(UserError, match=message) as caught:
        volumes.read(tmp_path / "a.nii")
    assert "a.nii" in str(caught.value)


def test_without_nibabel_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(UserError, match=r"spatial-transformer\[volumes\]"):
        volumes.read(tmp_path / "a.nii")
