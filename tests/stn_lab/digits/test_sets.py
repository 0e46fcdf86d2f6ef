import pytest
import torch

from stn_lab.digits.sets import load
from stn_lab.errors import UserError


def test_embedded_digits_are_28_pixels_wide_and_split_once_and_for_all():
    splits = load("digits")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1097, 200, 500]
    assert splits.train.images.shape == (1097, 28, 28)
    assert splits.train.images.dtype == torch.uint8
    again = load("digits")
    assert torch.equal(splits.test.images, again.test.images)


def test_no_digit_is_in_two_splits():
    splits = load("digits")
    parts = [part.images.flatten(1).unique(dim=0) for part in (splits.train, splits.validation, splits.test)]
    together = torch.cat(parts)
    assert len(together.unique(dim=0)) == len(together)


def test_every_class_is_in_every_split():
    splits = load("digits")
    for part in (splits.train, splits.validation, splits.test):
        assert part.labels.unique().tolist() == list(range(10))


def test_digits_are_bright_on_black_with_a_margin_to_turn_in():
    images = load("digits").train.images
    assert images.amax() == 255
    assert images[:, :3].amax() < 8  # of 255: the cubic kernel rings
    assert images[:, :, -3:].amax() < 8


def test_input_is_a_batch_of_floats_in_the_unit_interval():
    digits = load("digits").test
    images = digits.as_input(slice(0, 7))
    assert images.shape == (7, 1, 28, 28)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert 0.9 < images.max() <= 1


def test_unknown_data_is_named():
    with pytest.raises(UserError, match=r"unknown data 'letters'.*digits, mnist"):
        load("letters")
