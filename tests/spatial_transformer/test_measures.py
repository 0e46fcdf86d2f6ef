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


# --- flat ground, units of intensity, outliers ------------------------------------------------------------------------


def object_on_flat_ground(dims, dtype, channels=1):
    """Two images that are nearly proportional on an object, and flat around it."""
    x = torch.zeros(1, channels, *(24,) * dims, dtype=torch.float64)
    inner = (..., *(slice(9, 15),) * dims)
    noise = [testing.random_image((6,) * dims, batch=1, channels=channels, dtype=torch.float64, seed=s) for s in (3, 4)]
    x[inner] = noise[0]
    y = 0.7 * x
    y[inner] += 0.02 * noise[1]
    return x.to(dtype), y.to(dtype)


def correlation_of_windows_that_vary(x, y, window):
    """One minus the mean of numpy's correlation, over all windows of one-channel images that vary in either."""
    half, found = window // 2, []
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            part = slice(max(0, i - half), i + half + 1), slice(max(0, j - half), j + half + 1)
            a, b = x[part].flatten(), y[part].flatten()
            if a.std() > 0 or b.std() > 0:
                found.append(float(torch.corrcoef(torch.stack([a, b]))[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0)
    return 1 - sum(found) / len(found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("window", [3, 9, 21])
def test_flat_windows_do_not_count(dtype, window):
    x, y = object_on_flat_ground(2, dtype)
    expected = correlation_of_windows_that_vary(x[0, 0].double(), y[0, 0].double(), window)
    assert measures.local_ncc(x, y, window=window).item() == pytest.approx(expected, abs=1e-4)
    assert measures.local_ncc(x, x, window=window).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_flat_windows_have_no_gradient(dims, offset):
    gradients = []
    for dtype in (torch.float32, torch.float64):
        x, y = object_on_flat_ground(dims, dtype, channels=2)
        x = (x + offset).requires_grad_()
        measures.local_ncc(x, y, window=5).sum().backward()
        assert (x.grad[..., :5, :5] == 0).all()
        gradients.append(x.grad.double())
    scale = gradients[1].abs().max()
    assert scale > 0
    torch.testing.assert_close(gradients[0] / scale, gradients[1] / scale, rtol=0, atol=2e-3 * max(1, offset / 10))


def test_a_window_that_is_flat_in_one_image_is_unrelated():
    x, _ = object_on_flat_ground(2, torch.float64)
    noise = testing.random_image((24, 24), batch=1, channels=1, dtype=torch.float64)
    assert measures.local_ncc(x, noise).item() == pytest.approx(
        correlation_of_windows_that_vary(x[0, 0], noise[0, 0], 9)
    )
    flat = torch.full_like(x, 0.3).requires_grad_()
    value = measures.local_ncc(flat, flat.detach())
    value.sum().backward()
    assert value.item() == 1
    assert (flat.grad == 0).all()


@pytest.mark.parametrize("scale", [1e-8, 1e-5, 1.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["ncc", "local_ncc", "mi"])
def test_the_unit_of_intensity_means_nothing(name, scale, dtype):
    """The same value in every unit, and a gradient in one over that unit."""
    values, gradients = [], []
    for unit in (1.0, scale):
        x, y = (unit * image for image in object_on_flat_ground(2, dtype))
        x.requires_grad_()
        value = MEASURES[name](x, y + 0.5 * unit)
        value.sum().backward()
        values.append(value.detach())
        gradients.append(unit * x.grad)
    torch.testing.assert_close(values[1], values[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("name", ["ncc", "local_ncc", "mi"])
def test_an_offset_means_nothing_and_both_precisions_agree(name):
    """Multiples of 1/1024 below 1, which 100 can be added to without rounding."""
    x, y = ((1024 * image).round() / 1024 for image in object_on_flat_ground(2, torch.float64))
    expected = MEASURES[name](x, y)
    for dtype in (torch.float32, torch.float64):
        for offset in (0.0, 100.0, -100.0):
            found = MEASURES[name]((x + offset).to(dtype), y.to(dtype))
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MEASURES)
def test_half_precision_is_computed_in_float32(name):
    x, y = (60000 * image for image in object_on_flat_ground(2, torch.float32))
    value = MEASURES[name](x.half(), y.half())
    torch.testing.assert_close(value, MEASURES[name](x.half().float(), y.half().float()))
    assert value.isfinite().all()


def test_the_range_of_intensities_leaves_outliers_out():
    """Of a ramp with hot and dead pixels what the ramp's hundredths reach; of images without, all of it."""
    ramp = torch.linspace(0, 1, 4096, dtype=torch.float64).reshape(1, 1, 64, 64)
    assert [end.item() for end in measures.intensity_range(ramp)] == [0, 1]
    broken = ramp.clone()
    broken[..., 5, 60:63], broken[..., 7, 8] = 65535, -65535
    low, high = measures.intensity_range(broken)
    assert -0.6 < low.item() <= 0
    assert 1 <= high.item() < 1.6


@pytest.mark.parametrize(("share", "hot"), [(0.3, False), (0.005, False), (0.005, True), (0.0, False)])
def test_the_range_of_a_mask_is_that_of_its_two_values(share, hot):
    mask = torch.zeros(1, 1, 64, 64)
    mask.view(-1)[: int(share * 4096)] = 1
    if hot:
        mask[..., 60, 60] = 65535
    low, high = measures.intensity_range(mask)
    assert low.item() == 0
    assert high.item() == pytest.approx((1.5 if hot else 1) * (share > 0))


@pytest.mark.parametrize("hot", [65535.0, -65535.0])
@pytest.mark.parametrize("which", [0, 1])
def test_a_hot_pixel_hardly_changes_mutual_information(hot, which):
    pair = [testing.random_image((32, 32), batch=1, channels=1, seed=1)] * 2
    expected = measures.mutual_information(*pair).item()
    pair[which] = pair[which].clone()
    pair[which][..., 3, 4] = hot
    assert measures.mutual_information(*pair).item() == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("scale", [1e-8, 1e-7, 3e5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_windows_on_flat_ground_do_not_count_in_any_unit(scale, dtype):
    x, y = object_on_flat_ground(2, dtype)
    expected = measures.local_ncc(x, y, window=21)
    torch.testing.assert_close(measures.local_ncc(scale * x, scale * y, window=21), expected, rtol=0, atol=1e-4)


def test_local_ncc_of_a_volume_that_is_thinner_than_its_window():
    x, y = (image[:, :, 8:12] for image in object_on_flat_ground(3, torch.float64))
    assert measures.local_ncc(x, x).item() == pytest.approx(0, abs=1e-6)
    # Windows of nine reach over all four slices, so that their order means nothing.
    torch.testing.assert_close(measures.local_ncc(x.flip(2), y.flip(2)), measures.local_ncc(x, y))
