"""M thetas over N images, and rules for each axis."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

INDEX = torch.tensor([1, 0, 1, 1, 2])


def test_an_index_reads_the_images_it_names(family, mode):
    image = testing.random_image((5, 6, 4)[: family.dims], channels=1, batch=3, dtype=torch.float64)
    theta = testing.random_theta(family, batch=5, spread=0.05)
    got = st.warp(image, family, theta, index=INDEX, mode=mode)
    torch.testing.assert_close(got, st.warp(image[INDEX], family, theta, mode=mode), atol=1e-12, rtol=0)


def test_gradients_are_those_of_copied_images():
    image = testing.random_image((5, 4), channels=1, batch=3, dtype=torch.float64).requires_grad_()
    theta = testing.random_theta(st.Affine(), batch=5).requires_grad_()
    for indexed, copied in zip(
        torch.autograd.grad(st.warp(image, st.Affine(), theta, index=INDEX).square().sum(), (image, theta)),
        torch.autograd.grad(st.warp(image[INDEX], st.Affine(), theta).square().sum(), (image, theta)),
        strict=True,
    ):
        torch.testing.assert_close(indexed, copied)


def test_labels_and_linearised_and_antialias_take_an_index():
    labels = torch.randint(0, 9, (3, 1, 6, 6))
    theta = testing.random_theta(st.Affine(), batch=5)
    warped = st.warp(labels, st.Affine(), theta, index=INDEX, mode="nearest")
    assert torch.equal(warped, st.warp(labels[INDEX], st.Affine(), theta, mode="nearest"))
    image = testing.random_image((6, 6), channels=1, batch=3, dtype=torch.float64)
    for how in ({"mode": st.Linearised()}, {"antialias": True, "size": (2, 2)}):
        torch.testing.assert_close(
            st.warp(image, st.Affine(), theta, index=INDEX, **how), st.warp(image[INDEX], st.Affine(), theta, **how)
        )


def test_an_empty_index_gives_an_empty_batch():
    warped = st.warp(torch.rand(3, 2, 5, 5), st.Affine(), torch.zeros(0, 6), index=torch.zeros(0, dtype=torch.long))
    assert warped.shape == (0, 2, 5, 5)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (torch.tensor([0, 1]), ValueError, r"`index` must have one entry for each row of `theta`, shape \(5,\)"),
        (torch.tensor([0, 1, 2, 3, 0]), ValueError, r"`index` must name images 0 to 2; got 0 to 3"),
        (torch.tensor([0, 1, 2, -1, 0]), ValueError, r"`index` must name images 0 to 2; got -1 to 2"),
        (torch.tensor([0.0] * 5), TypeError, r"`index` must hold whole numbers, int64; got torch.float32"),
        ([0, 1, 2, 0, 1], TypeError, r"`index` must be a torch.Tensor; got list"),
    ],
)
def test_an_index_that_does_not_fit_is_named(index, error, message):
    with pytest.raises(error, match=message):
        st.warp(torch.rand(3, 1, 4, 4), st.Affine(), torch.rand(5, 6), index=index)


def test_each_axis_may_have_its_own_padding(mode):
    image = testing.random_image((5, 4), channels=1, dtype=torch.float64)
    points = testing.random_points(2, 2, 40, spread=2.0)
    got = st.sample(image, points, mode=mode, padding=("wrap", "border"))
    tiled = torch.cat([image] * 7, dim=2)  # what wraps along the rows, made by hand
    wide = torch.cat([tiled[..., :1]] * 30 + [tiled] + [tiled[..., -1:]] * 30, dim=3)
    inside = torch.stack([points[..., 0] * 4 / 64, points[..., 1] / 7], dim=-1)
    by_hand = st.sample(wide, inside, mode=mode, padding="border")
    torch.testing.assert_close(got, by_hand, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("padding", "error", "message"),
    [
        (("wrap",), ValueError, r"one for each of 2 axes; got 1"),
        (("wrap", "mirror"), ValueError, r"got 'mirror'"),
        (("zeros", 0.5), ValueError, r"can fill with one value only"),
        (("zeros", None), TypeError, r"must be a name or a number; got NoneType"),
    ],
)
def test_rules_that_do_not_fit_are_named(padding, error, message):
    with pytest.raises(error, match=message):
        st.sample(torch.rand(1, 1, 4, 4), torch.zeros(1, 1, 2), padding=padding)


def test_complex_images_are_read_part_by_part(mode):
    real, imaginary = (testing.random_image((5, 4), channels=1, dtype=torch.float64, seed=seed) for seed in (0, 1))
    points = testing.random_points(2, 2, 10, spread=1.3)
    got = st.sample(torch.complex(real, imaginary), points, mode=mode)
    torch.testing.assert_close(got.real, st.sample(real, points, mode=mode))
    torch.testing.assert_close(got.imag, st.sample(imaginary, points, mode=mode))
