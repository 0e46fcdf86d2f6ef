"""Right values from NumPy and from geometry."""

import math

import numpy as np
import pytest
import torch

from stn_lab.errors import UserError
from stn_lab.images import Augmentation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_nothing_by_default():
    images = torch.rand(3, 1, 5, 7)
    assert Augmentation()(images, seeded()) is images


def test_flipped_images_are_those_of_numpy():
    images = torch.rand(16, 2, 5, 7)
    flipped = Augmentation(flip=True)(images, seeded())
    kinds = set()
    for before, after in zip(images.numpy(), flipped.numpy(), strict=True):
        mirrored = np.allclose(after, before[:, :, ::-1], atol=1e-6)
        assert mirrored or np.allclose(after, before, atol=1e-6)
        kinds.add(mirrored)
    assert kinds == {True, False}


@pytest.mark.parametrize("size", [(20, 20), (20, 50)])
def test_turns_keep_right_angles_and_stay_in_their_range(size):
    """In pixels the matrix is a rotation times a scale, whatever the aspect."""
    matrices = Augmentation(degrees=30, scale=1.5).matrix(500, size, seeded()).double()
    extent = torch.tensor([size[1], size[0]], dtype=torch.float64)
    in_pixels = matrices[:, :2, :2] * extent[:, None] / extent  # D A D^-1
    zoom = torch.linalg.det(in_pixels).sqrt()
    rotation = in_pixels / zoom[:, None, None]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(2).double().expand(500, 2, 2), atol=1e-5, rtol=0)
    degrees = torch.rad2deg(torch.atan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    assert 25 < degrees.abs().max() <= 30.001
    assert 1.4 < zoom.max() <= 1.501
    assert 1.4 < (1 / zoom).max() <= 1.501
    assert abs(zoom.log().mean()) < 0.05 * math.log(1.5) * 3


def test_shifts_are_parts_of_the_frame():
    matrices = Augmentation(shift=0.25).matrix(500, (10, 30), seeded())
    assert 0.45 < matrices[:, :2, 2].abs().max() <= 0.5  # of a frame that is 2 wide
    torch.testing.assert_close(matrices[:, :2, :2], torch.eye(2).expand(500, 2, 2))


def test_light():
    images = torch.full((200, 1, 4, 4), 0.5)
    lit = Augmentation(brightness=0.2)(images, seeded())[:, 0, 0, 0]
    assert 0.3 <= lit.min() < 0.33
    assert 0.67 < lit.max() <= 0.7
    assert torch.equal(Augmentation(contrast=0.5)(images, seeded()), images)
    ramp = torch.linspace(0.25, 0.75, 16).reshape(1, 1, 4, 4).expand(200, 1, 4, 4)
    spread = Augmentation(contrast=0.5)(ramp, seeded()).flatten(1)
    ratio = (spread.amax(1) - spread.amin(1)) / 0.5
    assert 0.5 <= ratio.min() < 0.55
    assert 1.45 < ratio.max() <= 1.5 + 1e-6
    torch.testing.assert_close(spread.mean(1), torch.full((200,), 0.5))


def test_the_result_stays_in_range():
    result = Augmentation(degrees=45, scale=2, shift=0.5, brightness=0.5, contrast=2)(torch.rand(50, 3, 8, 8), seeded())
    assert result.min() == 0
    assert result.max() == 1


@pytest.mark.parametrize(
    "wrong", [{"scale": 0.9}, {"degrees": -1}, {"shift": math.nan}, {"brightness": math.inf}, {"contrast": -0.1}]
)
def test_refusals(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Augmentation(**wrong)
