"""The loader on a small archive that this test writes in the layout of the real one."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from stn_lab.errors import UserError
from stn_paper.birds import cub
from stn_paper.photographs import Photographs, RandomCrops

# Path of each photograph, its species and whether it is for training; (width, height) differ as in the real ones.
BIRDS = [
    ("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg", 1, 0, (90, 60)),
    ("001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg", 1, 1, (60, 90)),
    ("002.Laysan_Albatross/Laysan_Albatross_0002_1027.jpg", 2, 1, (60, 60)),
    ("200.Common_Yellowthroat/Common_Yellowthroat_0003_190521.jpg", 200, 0, (70, 50)),
] + [(f"003.Sooty_Albatross/Sooty_Albatross_{i:04}_1.jpg", 3, 1, (64, 64)) for i in range(18)]


def photograph(size, species):
    """Grey as the species says, red in the left quarter and blue in the right one, when it is wide."""
    pixels = np.full((size[1], size[0], 3), species, np.uint8)
    if size[0] > size[1]:
        edge = (size[0] - size[1]) // 2 - 2
        pixels[:, :edge], pixels[:, -edge:] = (255, 0, 0), (0, 0, 255)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")  # without loss, whatever the name says
    return data.getvalue()


def files():
    numbered = list(enumerate(BIRDS, start=1))
    yield "attributes.txt", b"1 has_bill_shape::curved\n"
    for name, column in (("images.txt", 0), ("image_class_labels.txt", 1), ("train_test_split.txt", 2)):
        yield f"CUB_200_2011/{name}", "".join(f"{n} {bird[column]}\n" for n, bird in numbered).encode()
    yield "CUB_200_2011/bounding_boxes.txt", b"1 60.0 27.0 325.0 304.0\n"
    for path, species, _, size in BIRDS:
        yield f"CUB_200_2011/images/{path}", photograph(size, species)


def write(path, entries):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "cub").mkdir()
    write(tmp_path / "cub" / cub.ARCHIVE, files())
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    return tmp_path / "cub"


def test_photographs_are_square_labelled_from_zero_and_split_as_listed(folder):
    train, test = cub.read_archive(folder / cub.ARCHIVE, 32)
    assert train.images.shape == (20, 3, 32, 32)
    assert train.images.dtype == torch.uint8
    assert train.labels.tolist() == [0, 1] + 18 * [2]
    assert test.labels.tolist() == [0, 199]
    for images, labels in ((train.images, train.labels), (test.images, test.labels)):
        assert torch.equal(images[:, 0, 16, 16], (labels + 1).to(torch.uint8)), "pictures and labels are mixed up"


def test_the_middle_of_a_wide_photograph_is_kept(folder):
    _, test = cub.read_archive(folder / cub.ARCHIVE, 32)
    assert torch.equal(test.images[1], torch.full((3, 32, 32), 200, dtype=torch.uint8))


@pytest.mark.parametrize(("side", "larger"), [(224, 256), (448, 512)])
def test_training_photographs_leave_room_for_crops_and_the_others_are_cropped(folder, side, larger):
    splits = cub.load(side)
    assert splits.train.images.shape == (18, 3, larger, larger)
    assert splits.validation.images.shape == (2, 3, side, side)
    assert splits.test.images.shape == (2, 3, side, side)


def ramp():
    """Photographs of 9x9 pixels whose channels tell the column, the row and the number of the photograph."""
    at, number = torch.arange(9), torch.arange(4)
    parts = (at.expand(4, 9, 9), at[:, None].expand(4, 9, 9), number[:, None, None].expand(4, 9, 9))
    return Photographs(torch.stack(parts, dim=1).to(torch.uint8), number)


def test_crops_are_whole_pieces_and_half_of_them_mirrored():
    index = torch.arange(4).repeat(100)
    crops, labels = RandomCrops(6, 4).compose(ramp(), index, torch.Generator().manual_seed(0))
    column, row, number = (crops * 255).round().long().unbind(dim=1)  # (400, 6, 6)
    assert torch.equal(labels, index)
    assert torch.equal(number, index[:, None, None].expand(400, 6, 6))
    assert torch.equal(row - row[:, :1, :1], torch.arange(6)[:, None].expand(400, 6, 6))
    direction = column[:, 0, 1] - column[:, 0, 0]  # 1, or -1 where it is mirrored
    assert torch.equal(column - column[:, :1, :1], direction[:, None, None] * torch.arange(6).expand(400, 6, 6))
    assert 0.4 < (direction == 1).float().mean() < 0.6
    assert set(column.amin(dim=(1, 2)).tolist()) == set(row.amin(dim=(1, 2)).tolist()) == {0, 1, 2, 3}


def test_photographs_of_the_size_of_a_crop_are_left_alone():
    crops, _ = RandomCrops(9, 4).compose(ramp(), torch.arange(4), torch.Generator().manual_seed(0))
    assert torch.equal(crops, ramp().as_input(torch.arange(4)))


@pytest.mark.parametrize("damage", ["cut", "no split", "no photograph"])
def test_a_damaged_archive_is_named(folder, damage):
    path = folder / cub.ARCHIVE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    else:
        missing = "train_test_split.txt" if damage == "no split" else "0002_1027.jpg"
        write(path, [(name, data) for name, data in files() if not name.endswith(missing)])
    with pytest.raises(UserError, match=r"CUB_200_2011\.tgz is damaged"):
        cub.load(224)


def test_without_file_and_network_it_says_what_to_put_where(monkeypatch, tmp_path):
    monkeypatch.setenv("STN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cub, "SOURCE", "http://127.0.0.1:9/")  # nothing listens there
    with pytest.raises(UserError, match=r"cannot be fetched.*CUB_200_2011\.tgz.*folder 'cub'.*STN_DATA"):
        cub.load(224)
