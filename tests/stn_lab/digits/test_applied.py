"""How digits were distorted, against the law as it is written, drawn with the same numbers."""

import math

import pytest
import torch

from stn_lab.digits.applied import applied_poses
from stn_lab.digits.distortions import DISTORTIONS
from stn_lab.tasks.stream import TEST_SEED, draws

COUNT = 520  # two batches of a frozen set


def drawn(*ranges):
    """Uniform numbers as the laws draw them: (count,) or (count, n) for each low, high and shape."""
    parts = [[] for _ in ranges]
    for index, generator in draws(COUNT, TEST_SEED):
        for part, (low, high, *shape) in zip(parts, ranges, strict=True):
            part.append(low + (high - low) * torch.rand(len(index), *shape, generator=generator))
    return [torch.cat(part).double() for part in parts]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_rotation_is_clockwise_and_all_there_is():
    pose = applied_poses(DISTORTIONS["R"], COUNT, TEST_SEED)
    (degrees,) = drawn((-90, 90))
    close(pose.rotation[:, 0], degrees.deg2rad())
    close(pose.scale, torch.zeros(COUNT, 1).double())
    close(pose.shift, torch.zeros(COUNT, 2).double())


def test_rotation_translation_and_scale():
    pose = applied_poses(DISTORTIONS["RTS"], COUNT, TEST_SEED)
    degrees, scale, shift = drawn((-45, 45), (0.7, 1.2), (-7, 7, 2))
    close(pose.rotation[:, 0], degrees.deg2rad())
    close(pose.scale[:, 0], (scale * 28 / 42).log())
    close(pose.shift, shift / 21)


@pytest.mark.parametrize("name", ["T", "TC"])
def test_places_on_a_canvas(name):
    pose = applied_poses(DISTORTIONS[name], COUNT, TEST_SEED)
    corners = [torch.randint(33, (len(index), 2), generator=generator) for index, generator in draws(COUNT, TEST_SEED)]
    close(pose.shift, (torch.cat(corners).double() - 16) / 30)
    close(pose.scale, torch.full((COUNT, 1), math.log(28 / 60)).double())


@pytest.mark.parametrize("name", ["P", "E"])
def test_a_bent_digit_is_as_large_as_it_was_scaled_but_for_the_noise(name):
    pose = applied_poses(DISTORTIONS[name], COUNT, TEST_SEED)
    (scale,) = drawn((0.75, 1.0))
    apart = pose.scale[:, 0] - scale.log()
    assert apart.mean().abs() < 0.02
    assert torch.corrcoef(torch.stack([apart, scale]))[0, 1].abs() < 0.2
    assert pose.rotation.mean().abs() < 0.02
    assert pose.shift.mean(dim=0).abs().max() < 0.02
