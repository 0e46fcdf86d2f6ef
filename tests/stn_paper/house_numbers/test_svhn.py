"""The loader on a small archive that this test writes in the format of the real ones, MATLAB's references and all."""

import io
import tarfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from stn_lab.errors import UserError
from stn_paper.house_numbers import svhn

# File name to (label, left, top, width, height) of each digit; MATLAB's label of a zero is 10.
NUMBERS = {
    "1.png": [(7, 10, 5, 8, 12)],
    "2.png": [(10, 22, 6, 8, 12), (3, 12, 4, 8, 12)],  # not in their order from left to right
    "3.png": [(d, 4 + 8 * d, 5, 8, 12) for d in range(1, 7)],  # six digits: one too many
    "4.png": [(d, 2 + 8 * d, 5, 8, 12) for d in range(1, 6)],
}


def structure():
    """The bytes of a digitStruct.mat."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        hidden, reference = file.create_group("#refs#"), h5py.special_dtype(ref=h5py.Reference)
        names = file.create_dataset("digitStruct/name", (len(NUMBERS), 1), dtype=reference)
        boxes = file.create_dataset("digitStruct/bbox", (len(NUMBERS), 1), dtype=reference)
        for row, (name, digits) in enumerate(NUMBERS.items()):
            codes = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
            names[row, 0] = hidden.create_dataset(f"name{row}", data=codes).ref
            group = hidden.create_group(f"box{row}")
            boxes[row, 0] = group.ref
            for key, values in zip(("label", "left", "top", "width", "height"), zip(*digits, strict=True), strict=True):
                if len(digits) == 1:
                    group.create_dataset(key, data=np.array([values], dtype=float))
                    continue
                column = group.create_dataset(key, (len(digits), 1), dtype=reference)
                for place, value in enumerate(values):
                    column[place, 0] = hidden.create_dataset(f"{key}{row}-{place}", data=np.array([[float(value)]])).ref
    return data.getvalue()


def picture(digits):
    """60x40, grey, and each digit's box white."""
    pixels = np.full((40, 60, 3), 100, np.uint8)
    for _, left, top, width, height in digits:
        pixels[top : top + height, left : left + width] = 255
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "svhn").mkdir()
    for name in svhn.SHA256:
        with tarfile.open(tmp_path / "svhn" / name, "w:gz") as archive:
            files = {f: picture(digits) for f, digits in NUMBERS.items()} | {"digitStruct.mat": structure()}
            for file, data in files.items():
                member = tarfile.TarInfo(f"{name.split('.')[0]}/{file}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    return tmp_path / "svhn"


def test_numbers_are_read_in_order_and_padded(folder):
    photographs = svhn.read_archive(folder / "test.tar.gz", 64)
    assert photographs.images.shape == (3, 3, 64, 64)
    assert photographs.images.dtype == torch.uint8
    assert photographs.labels.tolist() == [[7, 10, 10, 10, 10], [3, 0, 10, 10, 10], [1, 2, 3, 4, 5]]


def test_the_box_is_that_around_all_digits():
    assert svhn.read_structure(structure())["2.png"].box == (12, 4, 30, 18)


def test_the_tight_crop_is_the_box_and_30_percent():
    image = Image.open(io.BytesIO(picture(NUMBERS["1.png"])))
    white = (svhn.crop(image, (10, 5, 18, 17), 64)[0] > 200).astype(float)
    assert white.any(axis=0).sum() == pytest.approx(64 / 1.3, abs=2)
    assert white.any(axis=1).sum() == pytest.approx(64 / 1.3, abs=2)


def test_the_loose_crop_holds_twice_as_much_and_goes_on_where_the_photograph_ends():
    image = Image.open(io.BytesIO(picture(NUMBERS["1.png"])))
    crop = svhn.crop(image, (10, 5, 18, 17), 128)
    assert crop.shape == (3, 128, 128)
    assert (crop[0] > 200).any(axis=0).sum() == pytest.approx(64 / 1.3, abs=2)
    assert crop.min() == 100


def test_training_takes_two_archives_and_holds_some_out(folder):
    splits = svhn.load(64)
    assert len(splits.train) + len(splits.validation) == 6
    assert len(splits.validation) == 3
    assert len(splits.test) == 3


@pytest.mark.parametrize("damage", ["cut", "no boxes"])
def test_a_damaged_archive_is_named(folder, damage):
    path = folder / "test.tar.gz"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("test/1.png"))
    with pytest.raises(UserError, match=r"test\.tar\.gz is damaged"):
        svhn.load(64)


def test_without_files_and_network_it_says_what_to_put_where(monkeypatch, tmp_path):
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(svhn, "SOURCE", "http://127.0.0.1:9/")  # nothing listens there
    with pytest.raises(UserError, match=r"cannot be fetched.*extra\.tar\.gz.*folder 'svhn'.*STN_DATA"):
        svhn.load(64)
