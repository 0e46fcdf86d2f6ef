import pytest
import torch
from torch.nn.functional import avg_pool2d, avg_pool3d

import spatial_transformer as st
from spatial_transformer import testing

DOUBLE = torch.float64


def zone_plate(size=256):
    """(1, 1, size, size): circles that become finer outwards, up to the finest that pixels hold."""
    axis = torch.arange(size, dtype=DOUBLE) - size / 2
    return (0.5 + 0.5 * torch.cos(torch.pi * (axis**2 + axis[:, None] ** 2) / size))[None, None]


def rms(a, b):
    return (a - b).square().mean().sqrt().item()


def test_shrinking_a_zone_plate_is_within_a_percent_of_the_area_average_and_bilinear_is_far_off():
    image, family = zone_plate(), st.Affine()
    theta = family.identity(1, dtype=DOUBLE)
    reference = avg_pool2d(image, 4)
    assert rms(st.warp(image, family, theta, (64, 64), antialias=True), reference) < 0.01
    assert rms(st.warp(image, family, theta, (64, 64)), reference) > 0.1


def test_a_turned_zone_plate_is_shrunk_as_well():
    image, family = zone_plate(), st.Similarity()
    theta = torch.tensor([[1.0, 0.5, 0.0, 0.0]], dtype=DOUBLE)
    fine = st.warp(image, family, theta, (1024, 1024), mode="bicubic")  # 4 x 4 samples to a source pixel
    reference = avg_pool2d(fine, 16)
    assert rms(st.warp(image, family, theta, (64, 64), antialias=True), reference) < 0.01
    assert rms(st.warp(image, family, theta, (64, 64)), reference) > 0.1


def test_shrinking_along_one_axis_averages_along_that_axis_only():
    image, family = testing.random_image((24, 24), channels=2, dtype=DOUBLE), st.Affine()
    theta = family.identity(1, dtype=DOUBLE)
    shrunk = st.warp(image, family, theta, (24, 6), antialias=True)
    torch.testing.assert_close(shrunk, avg_pool2d(image, (1, 4)), atol=1e-9, rtol=0)


def test_a_volume_is_averaged_too():
    image, family = testing.random_image((8, 12, 4), channels=1, dtype=DOUBLE), st.Affine(dims=3)
    shrunk = st.warp(image, family, family.identity(1, dtype=DOUBLE), (4, 3, 2), antialias=True)
    torch.testing.assert_close(shrunk, avg_pool3d(image, (2, 4, 2)), atol=1e-9, rtol=0)


@pytest.mark.parametrize("theta", [[0.3, 0.4, 0.1, 0.0], [1.0, 0.0, 0.05, 0.0]])
def test_magnifying_is_exactly_bilinear(theta):
    image, family = testing.random_image((17, 17), channels=1), st.Similarity()
    theta = torch.tensor([theta])
    assert torch.equal(st.warp(image, family, theta, antialias=True), st.warp(image, family, theta))


def test_every_image_of_a_batch_has_its_own_footprint():
    image, family = testing.random_image((16, 16), channels=1, dtype=DOUBLE), st.Attention()
    theta = torch.tensor([[1.0, 0, 0], [0.2, 0, 0]], dtype=DOUBLE)
    both = st.warp(image, family, theta, (4, 4), antialias=True)
    torch.testing.assert_close(both[0], avg_pool2d(image[:1], 4)[0], atol=1e-9, rtol=0)
    torch.testing.assert_close(both[1], st.warp(image[1:], family, theta[1:], (4, 4))[0], atol=1e-12, rtol=0)


def test_it_works_with_every_family(family):
    size = (5, 6, 4)[: family.dims]
    image = testing.random_image(size, channels=1, dtype=DOUBLE)
    theta = testing.random_theta(family, spread=0.02)
    small = tuple(max(1, length // 2) for length in size)
    averaged = st.warp(image, family, theta, small, antialias=True, padding="border")
    plain = st.warp(image, family, theta, small, padding="border")
    assert averaged.shape == plain.shape
    assert averaged.isfinite().all()
    assert 0 < rms(averaged, plain) < 0.5


def test_it_is_differentiable_in_the_image_and_in_the_footprint():
    image = testing.random_image((6, 5), batch=1, channels=1, dtype=DOUBLE).requires_grad_()
    theta = torch.tensor([[1.03, 0.11, -0.2, 0.05]], dtype=DOUBLE, requires_grad=True)

    def shrink(image, theta):
        return st.warp(image, st.Similarity(), theta, (4, 3), antialias=3, padding="border")

    assert torch.autograd.gradcheck(shrink, (image, theta))


def test_a_number_fixes_the_samples_along_an_axis():
    image, family = testing.random_image((16, 16), channels=1, dtype=DOUBLE), st.Affine()
    theta = family.identity(1, dtype=DOUBLE)
    automatic, fixed = (st.warp(image, family, theta, (4, 4), antialias=taps) for taps in (True, 4))
    assert torch.equal(automatic, fixed)
    one = st.warp(image, family, theta, (4, 4), antialias=1)
    torch.testing.assert_close(one, st.warp(image, family, theta, (4, 4)))


def test_padding_is_averaged_in():
    image, family = torch.ones(1, 1, 4, 4), st.Translation()
    shrunk = st.warp(image, family, torch.tensor([[1.0, 0.0]]), (1, 1), antialias=True)
    assert shrunk.item() == pytest.approx(0.5)


@pytest.mark.parametrize("value", [-1, 0.5, "yes"])
def test_other_values_are_refused(value):
    family = st.Affine()
    with pytest.raises(ValueError, match=r"`antialias` must be True, False or a number of samples"):
        st.warp(torch.rand(1, 1, 4, 4), family, family.identity(1), antialias=value)


def test_label_maps_cannot_be_averaged():
    family = st.Affine()
    labels = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"uint8, which `antialias` cannot average"):
        st.warp(labels, family, family.identity(1), mode="nearest", antialias=True)
