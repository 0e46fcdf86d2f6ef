import pytest
import torch

from stn_lab.digits.sets import load
from stn_paper.addition.data import Addition


@pytest.fixture(scope="module")
def digits():
    return load("digits").test


def compose(digits, seed=0):
    return Addition().compose(digits, torch.arange(200), torch.Generator().manual_seed(seed))


def test_two_channels_and_the_sum_of_two_digits(digits):
    images, sums = compose(digits)
    assert images.shape == (200, 2, 42, 42)
    assert (images.amax(dim=(2, 3)) > 0.3).all()
    others = sums - digits.labels[:200]
    assert set(others.tolist()) == set(range(10)), "the second digit is not any digit"


def test_the_two_digits_move_independently(digits):
    images, _ = compose(digits)
    at = torch.arange(42.0)
    mass = images.sum(dim=2)  # (N, 2, 42)
    x = (mass * at).sum(dim=2) / mass.sum(dim=2)  # (N, 2): the centres
    assert torch.corrcoef(x.T)[0, 1].abs() < 0.2
    assert x.std(dim=0).min() > 2


def test_the_generator_alone_decides(digits):
    for first, second in zip(compose(digits), compose(digits), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(compose(digits)[1], compose(digits, seed=1)[1])
