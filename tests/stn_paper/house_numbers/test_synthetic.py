import pytest
import torch

from stn_lab.digits.sets import load
from stn_paper.house_numbers import synthetic as house_numbers
from stn_paper.house_numbers.synthetic import NOTHING, SyntheticHouseNumbers


@pytest.fixture(scope="module")
def digits():
    return load("digits").test


def compose(digits, side=64, loose=False, count=200, seed=0):
    scene = SyntheticHouseNumbers(side, loose)
    return scene.compose(digits, torch.arange(count), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("side", "loose"), [(64, False), (128, True)])
def test_images_and_five_places_each(digits, side, loose):
    images, labels = compose(digits, side, loose)
    assert images.shape == (200, 3, side, side)
    assert images.min() >= 0
    assert images.max() <= 1
    assert labels.shape == (200, 5)
    assert torch.equal(labels[:, 0], digits.labels[:200])


def test_numbers_have_one_to_five_digits_and_nothing_after_them(digits):
    labels = compose(digits)[1]
    length = (labels != NOTHING).sum(dim=1)
    assert set(length.tolist()) == {1, 2, 3, 4, 5}
    written = torch.arange(5) < length[:, None]
    assert torch.equal(labels != NOTHING, written)


def ink(images):
    """(N, H, W): how far a pixel is from the mean colour of its column, which the ground has."""
    return (images - images.median(dim=2, keepdim=True).values).abs().amax(dim=1)


@pytest.mark.parametrize(("side", "loose", "low", "high"), [(64, False, 0.7, 0.85), (128, True, 0.35, 0.55)])
def test_the_number_fills_a_tight_crop_and_is_small_in_a_loose_one(side, loose, low, high, monkeypatch):
    monkeypatch.setattr(house_numbers, "SLANT", 0.0)
    row = torch.zeros(300, 1, 28, 88)
    row[..., 4:69] = 1  # the boxes of four digits, the outer edges of the first and the last
    written = SyntheticHouseNumbers(side, loose)._write(row, torch.full((300, 1), 4), torch.Generator().manual_seed(0))
    columns = (written > 0.5).any(dim=2)[:, 0]  # (N, side)
    width = columns.sum(dim=1) / side
    assert width.min() == pytest.approx(low, abs=0.02)
    assert width.max() == pytest.approx(high, abs=0.02)
    assert not columns[:, [0, -1]].any(), "a number leaves the image"


def test_the_digit_stands_out_from_the_ground(digits):
    assert (ink(compose(digits)[0]).flatten(1).quantile(0.97, dim=1) > 0.2).float().mean() > 0.95


def test_digits_contrast_with_light_grounds_as_with_dark_ones():
    tone = torch.linspace(0, 1, 101)
    colours = house_numbers._contrasting(
        tone[:, None, None, None].expand(-1, 3, 4, 4), torch.Generator().manual_seed(0)
    )
    away = (colours[:, :, 0, 0] - tone[:, None]).abs()  # (101, 3)
    assert away.min() > 0.35
    assert (colours[:50].mean(dim=1).flatten() > tone[:50]).all()
    assert (colours[51:].mean(dim=1).flatten() < tone[51:]).all()


def test_the_generator_alone_decides(digits):
    assert torch.equal(compose(digits)[0], compose(digits)[0])
    assert not torch.equal(compose(digits)[0], compose(digits, seed=1)[0])
