import pytest
import torch

from stn_lab.digits.sets import load
from stn_paper.birds import two_parts
from stn_paper.birds.two_parts import SinglePart, SyntheticParts


@pytest.fixture(scope="module")
def digits():
    return load("digits").test


def compose(digits, side=64, scraps=4, seed=0):
    return SyntheticParts(side, scraps).compose(digits, torch.arange(200), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [32, 64])
def test_images_and_the_pair_of_digits(digits, side):
    images, labels = compose(digits, side)
    assert images.shape == (200, 3, side, side)
    assert images.min() >= 0
    assert images.max() <= 1
    light, dark = labels // 10, labels % 10
    assert torch.equal(light, digits.labels[:200])
    assert set(dark.tolist()) == set(range(10))
    assert not torch.equal(dark, light)


def centres(digits):
    """(200, 2) each: where the light part is and where the dark one, x first; of images without scraps."""
    grey = compose(digits, scraps=0)[0].mean(dim=1)
    at = torch.arange(64.0)
    found = []
    for ink in ((grey - 0.68).clamp(min=0), (0.32 - grey).clamp(min=0)):
        total = ink.sum(dim=(1, 2))
        found.append(torch.stack([(ink.sum(dim=1) * at).sum(dim=1), (ink.sum(dim=2) * at).sum(dim=1)], dim=1))
        found[-1] /= total[:, None]
    return found


def test_each_part_is_anywhere_in_its_half(digits):
    light, dark = centres(digits)
    for part, edge in ((light, 0), (dark, 32)):
        assert part[:, 0].min() < edge + 8
        assert part[:, 0].max() > edge + 24
        assert part[:, 0].min() > edge
        assert part[:, 0].max() < edge + 32
        assert part[:, 1].min() < 12
        assert part[:, 1].max() > 52
        assert part.std(dim=0).min() > 5


def test_the_lower_resolution_shows_the_same_images(digits):
    fine, coarse = compose(digits, 64), compose(digits, 32)
    assert torch.equal(fine[1], coarse[1])
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(fine[0], 2), coarse[0])


def test_the_generator_alone_decides(digits):
    assert torch.equal(compose(digits)[0], compose(digits)[0])
    assert not torch.equal(compose(digits)[0], compose(digits, seed=1)[0])


def test_a_single_part_is_light_or_dark_and_of_any_digit(digits):
    images, labels = SinglePart().compose(digits, torch.arange(400), torch.Generator().manual_seed(0))
    assert images.shape == (400, 3, 32, 32)
    assert torch.equal(labels % 10, digits.labels[:400])
    is_dark = labels >= 10
    assert 0.4 < is_dark.float().mean() < 0.6


def test_a_single_part_is_the_only_one_of_its_tone_but_for_scraps(digits, monkeypatch):
    monkeypatch.setattr(two_parts, "SCRAP", 1)  # as good as none
    images, labels = SinglePart().compose(digits, torch.arange(400), torch.Generator().manual_seed(0))
    grey = images.mean(dim=1).flatten(1)
    light, dark = (grey > 0.72).sum(dim=1), (grey < 0.28).sum(dim=1)  # pixels; scraps have one
    is_dark = labels >= 10
    assert (light[~is_dark] > 1).float().mean() > 0.9
    assert (dark[is_dark] > 1).float().mean() > 0.9
    assert light[is_dark].max() <= 1
    assert dark[~is_dark].max() <= 1
