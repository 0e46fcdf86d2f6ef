"""Similarity measures: what each sees, what it is blind to, and their gradients."""

import math

import pytest
import torch

from spatial_transformer import measures, testing

MEASURES = {
    "mse": measures.mse,
    "ncc": measures.ncc,
    "local_ncc": lambda warped, fixed: measures.local_ncc(warped, fixed, window=3),
    "mi": lambda warped, fixed: measures.mutual_information(warped, fixed, bins=8),
}


@pytest.fixture(params=MEASURES)
def measure(request):
    return MEASURES[request.param]


def images(dims=2, **options):
    options = {"channels": 1, "dtype": torch.float64} | options
    return [testing.random_image((9, 8, 7)[:dims], seed=seed, **options) for seed in (1, 2)]


def test_each_pair_has_a_value_of_its_own(measure, dims):
    warped, fixed = images(dims, batch=3)
    values = measure(warped, fixed)
    assert values.shape == (3,)
    alone = torch.cat([measure(a[None], b[None]) for a, b in zip(warped, fixed, strict=True)])
    torch.testing.assert_close(values, alone)


def test_the_same_image_is_the_best_match(measure, dims):
    warped, fixed = images(dims)
    assert (measure(fixed, fixed) < measure(warped, fixed)).all()


def test_both_arguments_count_alike(measure):
    warped, fixed = images()
    torch.testing.assert_close(measure(warped, fixed), measure(fixed, warped))


def test_gradients_are_right(measure):
    warped, fixed = (image[:, :, :4, :5].clone() for image in images())
    # The least and the greatest value of an image set its bins and are no part of the gradient: keep them fixed.
    warped[..., 0, 0], warped[..., 0, 1] = -1, 2
    inner = warped.clone().requires_grad_()
    edge = torch.zeros_like(warped, dtype=torch.bool)
    edge[..., 0, :2] = True
    assert torch.autograd.gradcheck(lambda value: measure(torch.where(edge, warped, value), fixed), inner)


def test_images_of_one_colour_have_a_finite_value_and_gradient(measure):
    flat, image = torch.full((1, 1, 6, 6), 0.3, requires_grad=True), torch.rand(1, 1, 6, 6)
    for value in (measure(flat, image), measure(flat, flat.detach())):
        assert value.isfinite().all()
        (gradient,) = torch.autograd.grad(value.sum(), flat)
        assert gradient.isfinite().all()


def test_mse_is_the_mean_squared_difference():
    warped, fixed = images(channels=3)
    torch.testing.assert_close(measures.mse(warped, fixed), ((warped - fixed) ** 2).mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("name", ["ncc", "local_ncc"])
def test_correlation_is_blind_to_gain_and_offset_and_not_to_inversion(name):
    warped, fixed = images()
    measure = MEASURES[name]
    torch.testing.assert_close(measure(5 * warped - 3, fixed), measure(warped, fixed))
    torch.testing.assert_close(measure(2 * fixed + 1, fixed), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(measure(-fixed, fixed), torch.full((2,), 2.0, dtype=torch.float64))


def test_ncc_is_one_minus_pearsons_correlation():
    warped, fixed = images(channels=2)
    expected = [1 - torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in zip(warped, fixed)]  # noqa: B905
    torch.testing.assert_close(measures.ncc(warped, fixed), torch.stack(expected))


def test_ncc_of_a_flat_image_is_that_of_a_stranger():
    image = torch.rand(1, 1, 6, 6)
    assert measures.ncc(torch.ones(1, 1, 6, 6), image).item() == 1


def test_small_contrasts_count_as_large_ones_do():
    warped, fixed = (image.float() for image in images())
    torch.testing.assert_close(
        measures.ncc(1e-3 * warped, 1e-3 * fixed), measures.ncc(warped, fixed), rtol=1e-3, atol=0
    )


def test_local_ncc_is_ncc_in_a_window_and_sees_through_a_shadow():
    warped, fixed = (image[:1, :, :5, :5] for image in images())
    whole = measures.local_ncc(warped, fixed, window=3)
    patches = [
        measures.ncc(
            warped[..., max(0, y - 1) : y + 2, max(0, x - 1) : x + 2],
            fixed[..., max(0, y - 1) : y + 2, max(0, x - 1) : x + 2],
        )
        for y in range(5)
        for x in range(5)
    ]
    torch.testing.assert_close(whole, torch.stack(patches).mean(dim=0))
    image = testing.random_image((32, 32), channels=1)
    shaded = image * torch.linspace(0.1, 3, 32) + torch.linspace(0, 5, 32)
    assert (measures.local_ncc(shaded, image, window=5) < 0.4 * measures.ncc(shaded, image)).all()


def test_mutual_information_is_blind_to_inversion():
    warped, fixed = images()
    torch.testing.assert_close(
        measures.mutual_information(1 - warped, fixed), measures.mutual_information(warped, fixed)
    )
    torch.testing.assert_close(
        measures.mutual_information(7 * warped + 2, fixed), measures.mutual_information(warped, fixed)
    )


def test_mutual_information_sees_a_relation_that_correlation_does_not():
    image = torch.linspace(-1, 1, 400, dtype=torch.float64).reshape(1, 1, 20, 20)
    assert measures.ncc(image.square(), image).item() > 0.99
    assert measures.mutual_information(image.square(), image).item() < -1


def test_mutual_information_of_separate_values_is_that_of_the_counts():
    """Four colours, far apart in bins and independent: the windows spread each, and do not mix them."""
    a = torch.tensor([0.0, 0, 1, 1] * 16, dtype=torch.float64).reshape(1, 1, 8, 8)
    b = torch.tensor([0.0, 1, 0, 1] * 16, dtype=torch.float64).reshape(1, 1, 8, 8)
    assert measures.mutual_information(a, b).item() == pytest.approx(0, abs=1e-12)
    assert measures.mutual_information(a, a).item() == pytest.approx(-math.log(2))
    mixed = torch.where(torch.arange(64).reshape(8, 8) < 32, a, b)
    assert -math.log(2) < measures.mutual_information(mixed, a).item() < -0.05


def test_soft_bins_share_each_pixel_out():
    weights = measures._soft_bins(images()[0], 8)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 72, dtype=torch.float64))
    assert (weights >= 0).all()


BAD = {
    "two shapes": (lambda: measures.mse(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3)), "must have one shape"),
    "no image": (lambda: measures.ncc(torch.zeros(2, 2), torch.zeros(2, 2)), "`image` must have shape"),
    "even window": (lambda: measures.local_ncc(*images(), window=4), "`window` must be odd"),
    "few bins": (lambda: measures.mutual_information(*images(), bins=4), "`bins` must be a whole number, 5 or more"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
