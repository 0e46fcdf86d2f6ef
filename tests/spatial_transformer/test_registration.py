"""Registration: finds the warp between two images, for every family, alone and in a batch."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import guards, measures, testing
from spatial_transformer.registration import Descent, comparison, normal_equations, pyramid, starts, verdict

SIZE = (48, 40)


def texture(size=SIZE, batch=1, seed=0):
    """A smooth random image, with structures of about eight pixels."""
    small = testing.random_image(tuple(max(2, length // 8) for length in size), channels=1, batch=batch, seed=seed)
    mode = "bicubic" if len(size) == 2 else "trilinear"
    return torch.nn.functional.interpolate(small, size, mode=mode, align_corners=False)


def error(family, theta, truth, size=SIZE):
    """The mean distance, in pixels, between where two thetas send the pixels of an image."""
    at = st.target_points(size)
    apart = (family.points(theta, at) - family.points(truth, at)) * torch.tensor(size[::-1]) / 2
    return apart.norm(dim=-1).mean().item()


WARPS = {
    "translation": (st.Translation(), [0.3, -0.2]),
    "attention": (st.Attention(), [0.8, 0.1, 0.1]),
    "rigid": (st.Rigid(extent=(40, 48)), [0.3, 0.1, -0.2]),
    "similarity": (st.Similarity(), [1.2, 0.3, 0.1, -0.1]),
    "affine": (st.Affine(), [1.1, 0.15, 0.1, -0.1, 0.9, -0.12]),
    "projective": (st.Projective(), [1.1, 0.15, 0.1, -0.1, 0.9, -0.12, 0.1, 0.05]),
}


@pytest.mark.parametrize("name", WARPS)
def test_a_known_warp_is_recovered(name):
    family, truth = WARPS[name]
    truth = torch.tensor([truth])
    moving = texture()
    fixed = st.warp(moving, family, truth, padding="border")
    found = st.register(moving, fixed, family)
    assert error(family, family.identity(1), truth) > 2
    assert error(family, found.theta, truth) < 0.1
    torch.testing.assert_close(found.warped, fixed, rtol=0, atol=0.05)


def test_every_level_refines_what_the_one_before_found():
    family, truth = WARPS["affine"]
    moving, truth = texture((64, 64)), torch.tensor([truth])
    fixed = st.warp(moving, family, truth, padding="border")
    errors = [
        error(family, st.register(moving, fixed, family, measure="ncc", descent=descent).theta, truth)
        for descent in (Descent(steps=2), Descent())
    ]
    assert errors[1] < 0.02 < errors[0]


LOCAL = [st.ThinPlateSpline((4, 4)), st.BSpline((6, 6)), st.PiecewiseAffine((5, 5))]


@pytest.mark.parametrize("local", LOCAL, ids=str)
def test_local_families_follow_a_local_warp(local):
    moving, spline = texture((32, 32)), st.ThinPlateSpline((3, 3))
    truth = testing.random_theta(spline, batch=1, spread=0.12, dtype=torch.float32)
    fixed = st.warp(moving, spline, truth, padding="border")
    found = st.register(moving, fixed, local)
    assert measures.mse(found.warped, fixed) < 0.1 * measures.mse(moving, fixed)


def test_every_family_reduces_the_loss(family):
    size = (12, 10, 8)[: family.dims]
    truth = testing.random_theta(family, batch=1, dtype=torch.float32)
    moving = texture(size)
    fixed = st.warp(moving, family, truth, padding="border")
    found = st.register(moving, fixed, family, levels=1, descent=Descent(steps=15))
    assert found.losses[0][-1] < 0.9 * found.losses[0][0]
    assert found.theta.shape == truth.shape


def test_a_batch_gives_what_its_pairs_give_one_by_one():
    family, moving = st.Affine(), texture((24, 24), batch=3)
    truth = testing.random_theta(family, batch=3, dtype=torch.float32, spread=0.08)
    fixed = st.warp(moving, family, truth, padding="border")
    fixed[2] = moving[2]  # one pair needs no warp at all, and stops at once
    descent = Descent(steps=60, window=10)
    together = st.register(moving, fixed, family, descent=descent)
    for n in range(3):
        alone = st.register(moving[n : n + 1], fixed[n : n + 1], family, descent=descent)
        torch.testing.assert_close(together.theta[n : n + 1], alone.theta, rtol=0, atol=1e-4)
        assert together.stopped[n] == alone.stopped[0]
        for losses, own in zip(together.losses, alone.losses, strict=True):
            torch.testing.assert_close(losses[: len(own), n], own[:, 0], rtol=1e-3, atol=1e-6)
            assert (losses[len(own) :, n] == losses[len(own) - 1, n]).all()  # has stopped while others go on
    assert torch.equal(together.theta[2], family.identity(1)[0])


def test_one_image_is_registered_with_many():
    family, moving = st.Translation(), texture((24, 24))
    truth = torch.tensor([[0.2, 0.1], [-0.1, 0.2]])
    fixed = st.warp(moving, family, truth, padding="border")
    torch.testing.assert_close(st.register(moving, fixed, family).theta, truth, rtol=0, atol=0.02)
    back = st.register(fixed, moving, family)
    torch.testing.assert_close(back.theta, -truth, rtol=0, atol=0.05)


@pytest.mark.parametrize("change", ["inverted", "gain"])
def test_measures_see_through_a_change_of_contrast(change):
    family, moving = st.Similarity(), texture()
    truth = torch.tensor([[1.1, 0.2, 0.1, -0.1]])
    fixed = st.warp(moving, family, truth, padding="border")
    fixed, measure = (1 - fixed, "mi") if change == "inverted" else (3 * fixed + 2, "ncc")
    assert error(family, st.register(moving, fixed, family, measure=measure).theta, truth) < 0.2
    assert error(family, st.register(moving, fixed, family, measure="mse").theta, truth) > 1


def test_a_function_can_be_the_measure():
    moving, family = texture((24, 24)), st.Translation()
    fixed = st.warp(moving, family, torch.tensor([[0.2, -0.1]]), padding="border")
    found = st.register(moving, fixed, family, measure=lambda a, b: (a - b).abs().flatten(1).mean(dim=1))
    torch.testing.assert_close(found.theta, torch.tensor([[0.2, -0.1]]), rtol=0, atol=0.02)


def test_a_blob_that_moved_in_a_volume_is_found():
    fixed = torch.exp(-8 * st.target_points((16, 18, 20)).square().sum(dim=-1))[None]
    moving = st.warp(fixed, st.Translation(3), torch.tensor([[0.4, -0.3, 0.2]]))
    found = st.register(moving, fixed, st.Translation(3))
    torch.testing.assert_close(found.theta, torch.tensor([[-0.4, 0.3, -0.2]]), rtol=0, atol=0.02)
    assert found.warped.shape == fixed.shape


def test_images_of_two_sizes_are_laid_on_each_other():
    moving, family = texture((64, 48)), st.Affine()
    truth = torch.tensor([[0.9, 0.1, 0.1, -0.1, 1.0, -0.1]])
    fixed = st.warp(moving, family, truth, (32, 36), padding="border")
    found = st.register(moving, fixed, family)
    assert error(family, found.theta, truth) < 0.2
    assert found.warped.shape == fixed.shape


def test_the_pyramid_reaches_further():
    blob = torch.exp(-150 * st.target_points((64, 64)).square().sum(dim=-1))[None]
    moving, truth = st.warp(blob, st.Translation(), torch.tensor([[-0.3, 0.25]])), torch.tensor([[0.3, -0.25]])
    fine = st.register(moving, blob, st.Translation(), levels=1, starts=1)
    coarse = st.register(moving, blob, st.Translation(), levels=4, starts=1)
    assert error(st.Translation(), coarse.theta, truth) < 0.2 < error(st.Translation(), fine.theta, truth)
    assert len(coarse.losses) == 4


def test_a_start_saves_the_search():
    moving, family = texture(), st.Translation()
    truth = torch.tensor([[0.9, -0.8]])
    fixed = st.warp(moving, family, truth, padding="border")
    found = st.register(moving, fixed, family, start=truth + 0.05)
    assert error(family, found.theta, truth) < 0.1


def test_a_penalty_holds_theta_back():
    moving, family = texture((24, 24)), st.Translation()
    fixed = st.warp(moving, family, torch.tensor([[0.2, -0.1]]), padding="border")
    free = st.register(moving, fixed, family)
    held = st.register(moving, fixed, family, penalty=lambda theta: guards.identity_penalty(family, theta))
    assert held.theta.norm() < 0.5 * free.theta.norm()
    assert held.losses[-1].amin() > measures.mse(held.warped, fixed)  # the penalty is part of the loss


def test_the_result_is_the_best_that_was_seen():
    family, moving = st.Affine(), texture((24, 24))
    fixed = st.warp(moving, family, testing.random_theta(family, batch=1, dtype=torch.float32), padding="border")
    found = st.register(moving, fixed, family, levels=1, descent=Descent(rate=0.3, steps=30))
    torch.testing.assert_close(measures.mse(found.warped, fixed), found.losses[0].amin(dim=0))
    assert torch.equal(found.warped, st.warp(moving, family, found.theta, padding="border"))


def test_it_says_why_it_stopped():
    family, moving = st.Translation(), texture((24, 24), batch=2)
    fixed = st.warp(moving, family, torch.tensor([[0.2, -0.1]]), padding="border")
    assert st.register(moving, fixed, family, descent=Descent(steps=3)).stopped == ("step limit",) * 2
    assert st.register(moving, moving, family).stopped == ("no improvement",) * 2
    fixed[1, 0, 3, 3] = float("nan")
    broken = st.register(moving, fixed, family)
    assert broken.stopped == ("no improvement", "not finite")
    assert torch.equal(broken.theta[1], family.identity(1)[0])
    torch.testing.assert_close(broken.theta[0], torch.tensor([0.2, -0.1]), rtol=0, atol=0.02)


def test_a_pair_that_breaks_on_the_way_returns_the_best_before():
    moving, family = texture((24, 24), batch=2), st.Translation()
    truth = torch.tensor([[0.3, -0.1], [-0.3, 0.1]])
    fixed = st.warp(moving, family, truth, padding="border")
    seen = []

    def trap(theta):
        seen.append(theta.detach().clone())
        return theta[:, 0] * torch.where(theta.detach()[:, 0] > 0.1, torch.nan, 0.0)  # NaN, and so is its gradient

    found = st.register(moving, fixed, family, penalty=trap, levels=1)
    assert found.stopped == ("not finite", "no improvement")
    assert 0.03 < found.theta[0, 0] <= 0.1
    assert found.losses[0].isfinite().all()
    assert torch.stack(seen).isfinite().all()
    torch.testing.assert_close(found.theta[1], truth[1], rtol=0, atol=0.01)


def test_nothing_is_left_of_the_graph_and_inference_mode_does_not_matter():
    family, moving = st.Translation(), texture((16, 16)).requires_grad_()
    fixed = st.warp(moving.detach(), family, torch.tensor([[0.2, -0.1]]), padding="border")
    with torch.no_grad():
        found = st.register(moving, fixed, family)
    assert not found.theta.requires_grad
    assert not found.warped.requires_grad
    assert moving.grad is None
    torch.testing.assert_close(found.theta, torch.tensor([[0.2, -0.1]]), rtol=0, atol=0.03)


def test_double_and_half_precision():
    family, moving = st.Translation(), texture((16, 16))
    fixed = st.warp(moving, family, torch.tensor([[0.2, -0.1]]), padding="border")
    assert st.register(moving.double(), fixed.double(), family).theta.dtype == torch.float64
    half = st.register(moving.half(), fixed.half(), family)
    assert (half.theta.dtype, half.warped.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(half.theta, torch.tensor([[0.2, -0.1]]), rtol=0, atol=0.03)


def test_an_empty_batch_gives_an_empty_result():
    found = st.register(torch.rand(0, 1, 8, 8), torch.rand(0, 1, 8, 8), st.Affine())
    assert (found.theta.shape, found.warped.shape, found.stopped) == ((0, 6), (0, 1, 8, 8), ())


def square(at, size=64, side=16):
    image = torch.zeros(1, 1, size, size)
    image[..., at : at + side, at : at + side] = 1
    return image


@pytest.mark.parametrize("unit", [1e-8, 1e-5, 1.0, 1e8])
def test_the_unit_of_intensity_does_not_matter(unit):
    fixed = torch.exp(-8 * st.target_points((32, 32)).square().sum(dim=-1))[None]
    moving = st.warp(fixed, st.Translation(), torch.tensor([[0.3, -0.2]]))
    found = st.register(unit * moving, unit * fixed, st.Translation())
    torch.testing.assert_close(found.theta, torch.tensor([[-0.3, 0.2]]), rtol=0, atol=1e-3)


def test_a_pair_swapped_and_mirrored_is_found_as_well():
    a, b = square(24), square(28)
    moving, fixed = torch.cat([b, a, b.flip(3), a.flip(3)]), torch.cat([a, b, a.flip(3), b.flip(3)])
    found = st.register(moving, fixed, st.Translation()).theta * 32  # pixels
    expected = torch.tensor([[4.0, 4.0], [-4.0, -4.0], [-4.0, 4.0], [4.0, -4.0]])
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


def test_every_family_finds_a_pair_and_its_mirror_image_as_well(family):
    """Mirrored along all axes, which sends a warp to one of the same family, if its points or basis are symmetric."""
    moving = texture((20, 24) if family.dims == 2 else (6, 6, 6))
    axes = tuple(range(2, 2 + family.dims))
    fixed = moving.roll((1,) * family.dims, dims=axes)
    found = [
        st.register(a, b, family, levels=1 + (family.dims == 2), descent=Descent(steps=8)).losses[-1]
        for a, b in ((moving, fixed), (moving.flip(axes), fixed.flip(axes)))
    ]
    both = [losses.amin() for losses in found]
    if isinstance(family, st.Structured) or "points" in str(family):  # whose basis is not symmetric
        assert all(least < losses[0] for least, losses in zip(both, found, strict=True))
    else:
        torch.testing.assert_close(both[0], both[1], rtol=0.1, atol=1e-5)


@pytest.mark.parametrize("size", [(15, 17), (64, 63), (9, 14, 21)])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_pyramid_of_a_mirrored_image_is_mirrored(size, level):
    image = torch.rand(1, 1, *size, dtype=torch.float64)
    axes = tuple(range(2, image.ndim))
    mirrored = pyramid.shrink(image.flip(axes), level).flip(axes)
    torch.testing.assert_close(mirrored, pyramid.shrink(image, level))


@pytest.mark.parametrize("picture", ["texture", "blob"])
@pytest.mark.parametrize("pixels", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("levels", [1, None])
def test_a_start_near_the_truth_is_improved(picture, pixels, levels):
    family, truth = st.Translation(), torch.tensor([[0.2, -0.1]])
    blob = torch.exp(-20 * st.target_points((32, 32)).square().sum(dim=-1))[None]
    moving = texture((32, 32)) if picture == "texture" else blob
    fixed = st.warp(moving, family, truth, padding="border")
    away = torch.tensor([[1.0, 0.0], [-0.6, 0.8], [-0.7, -0.7], [0.0, 1.0]]) * pixels / 16
    found = st.register(moving, fixed.expand(4, 1, 32, 32), family, start=truth + away, levels=levels)
    assert ((found.theta - truth).norm(dim=1) * 16 < 0.1 * pixels).all()


def correlation_loss(moving, fixed, family, theta):
    """Where the moving image shows something: `measures.ncc` of samples within the centres of its border pixels."""
    points = family.grid(theta, fixed.shape[2:])
    pixels = st.normalised_to_pixel(points, moving.shape[2:])
    outside = torch.maximum(-pixels, pixels - torch.tensor(moving.shape[:1:-1]) + 1).clamp_min(0)
    weight = (1 - 2 * outside).clamp_min(0).prod(dim=-1)[:, None]
    return measures.ncc(st.sample(moving, points, padding="border"), fixed, weight=weight)


@pytest.mark.parametrize("size", [(4, 24, 24), (64, 8, 8), (1, 16, 16)])
def test_no_volume_ends_worse_than_its_start(size):
    family, batch = st.Affine(3), 3
    moving, fixed = texture(size, batch), texture(size, batch, seed=1)  # nothing in common
    start = testing.random_theta(family, batch=batch, dtype=torch.float32, spread=0.1)
    found = st.register(moving, fixed, family, start=start, levels=3, descent=Descent(rate=0.5, steps=25))
    begun, ended = (correlation_loss(moving, fixed, family, theta) for theta in (start, found.theta))
    assert (ended <= begun + 1e-6).all()
    torch.testing.assert_close(found.losses[-1].amin(dim=0), ended)


def load_tool(name, monkeypatch):
    tools = Path(__file__).parents[2] / "tools"
    monkeypatch.setattr(sys, "path", [str(tools), *sys.path])
    spec = importlib.util.spec_from_file_location(name, tools / f"{name}.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_mirror_table_is_that_in_results(monkeypatch):
    tool = load_tool("mirror_table", monkeypatch)
    rows = json.loads(tool.RESULTS.read_text())
    assert tool.PAGE.read_text().split(tool.BEGIN)[1].split(tool.END)[0] == tool.table(rows)
    assert {row["picture"] for row in rows} == set(tool.PICTURES)
    assert max(tool.asymmetry(row) for row in rows) <= 0.05
    assert max(max(row["forth"] + row["back"]) for row in rows) < tool.REACHED


def test_the_rates_of_the_verdict_are_those_in_results(monkeypatch):
    tool = load_tool("alignment_verdict", monkeypatch)
    rows = json.loads(tool.RESULTS.read_text())
    assert tool.PAGE.read_text().split(tool.BEGIN)[1].split(tool.END)[0] == tool.table(rows)
    assert len(rows) >= 500
    for row in rows:  # what was judged then is judged so now
        above = row["correlation"] > verdict.LEAST_CORRELATION and row["overlap"] > verdict.LEAST_OVERLAP
        assert row["success"] == (above and row["folded"] == 0)


@pytest.mark.parametrize("fitted", [st.Affine(), st.Rigid(), st.ThinPlateSpline((3, 3)), st.Affine(3)], ids=str)
def test_landmarks_are_fitted(fitted):
    truth = testing.random_theta(fitted, batch=2)
    target = testing.random_points(fitted.dims, 2, 30)
    theta = st.fit_points(fitted, target, fitted.points(truth, target))
    torch.testing.assert_close(theta, truth, rtol=0, atol=1e-4)


IMAGE = torch.rand(2, 1, 8, 8)
BAD = {
    "integers": (lambda: st.register(IMAGE.int(), IMAGE, st.Affine()), "`moving` must be floating point"),
    "channels": (lambda: st.register(IMAGE, IMAGE.expand(2, 3, 8, 8), st.Affine()), "must have as many channels"),
    "batches": (lambda: st.register(IMAGE, IMAGE[[0, 1, 0]], st.Affine()), "must hold as many images, or one for all"),
    "a volume": (lambda: st.register(IMAGE, IMAGE[..., None], st.Affine()), "`image` must have shape"),
    "measure": (
        lambda: st.register(IMAGE, IMAGE, st.Affine(), measure="ssim"),
        "`measure` must be one of 'mse', 'ncc'",
    ),
    "levels": (lambda: st.register(IMAGE, IMAGE, st.Affine(), levels=0), "`levels` must be a whole number, 1 or more"),
    "start": (lambda: st.register(IMAGE, IMAGE, st.Affine(), start=torch.zeros(3, 6)), "`start` must have 2 rows"),
    "rate": (lambda: Descent(rate=0), "`rate` must be a positive number"),
    "steps": (lambda: Descent(steps=0), "`steps` must be a whole number"),
    "landmarks": (lambda: st.fit_points(st.Affine(), torch.zeros(1, 3, 2), torch.zeros(1, 4, 2)), "one shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call()


# --- the overlap, masks, several starts, the verdict ------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["mse", "ncc", "local_ncc", "mi"])
def test_new_ground_at_the_edges_does_not_count(measure):
    """Windows of one picture, so the truth is exact, and each shows what the other does not."""
    picture = texture((56, 56), seed=3)
    moving, fixed, truth = picture[..., 4:44, 2:42], picture[..., 9:49, 8:48], torch.tensor([[6.0, 5.0]]) / 20
    start = truth + 0.03
    found = st.register(moving, fixed, st.Translation(), measure=measure, start=start, levels=1)
    within = {"mse": 1e-3, "ncc": 1e-3, "local_ncc": 0.5, "mi": 0.3}[measure]  # pixels
    assert (found.theta - truth).norm() * 20 < within


@pytest.mark.parametrize("measure", ["mse", "ncc", "local_ncc"])
@pytest.mark.parametrize("garbage", [100.0, float("nan")])
@pytest.mark.parametrize("which", ["moving_mask", "fixed_mask"])
def test_what_a_mask_excludes_does_not_count(measure, garbage, which):
    moving, truth = texture((40, 40), seed=3), torch.tensor([[0.1, -0.05]])
    fixed = st.warp(moving, st.Translation(), truth, padding="border")
    images = {"moving_mask": moving.clone(), "fixed_mask": fixed.clone()}
    images[which][..., 8:20, 22:30] = garbage
    mask = torch.ones(1, 1, 40, 40, dtype=torch.bool)
    mask[..., 8:20, 22:30] = False
    options = {"measure": measure, "levels": 2}
    masked = st.register(*images.values(), st.Translation(), **{which: mask}, **options)
    assert (masked.theta - truth).norm() * 20 < (0.5 if measure == "local_ncc" else 0.05)
    bare = st.register(*images.values(), st.Translation(), **options)
    assert bare.stopped == ("not finite",) or (bare.theta - truth).norm() * 20 > 0.5


def test_models_have_the_values_and_gradients_of_their_measures(family):
    size = (9, 8, 7)[: family.dims]
    moving, fixed = (testing.random_image(size, batch=2, channels=2, dtype=torch.float64, seed=s) for s in (1, 2))
    theta = testing.random_theta(family, batch=2, spread=0.05).requires_grad_()
    level = pyramid.Level(moving, fixed, None, None, "bicubic")
    total = normal_equations.sums(level, family, theta.detach())
    weight = comparison.overlap(level, family, theta.detach())
    warped = st.warp(moving, family, theta, size, mode="bicubic", padding="border")
    for measure, model in ((measures.mse, normal_equations.mse_model), (measures.ncc, normal_equations.ncc_model)):
        value = measure(warped, fixed, weight=weight)
        (slope,) = torch.autograd.grad(value.sum(), theta, retain_graph=True)
        found = model(total, fixed[0].numel())
        torch.testing.assert_close(found.loss, value.detach())
        torch.testing.assert_close(found.gradient, slope, rtol=1e-5, atol=1e-7)
        assert (torch.linalg.eigvalsh(found.hessian) > -1e-9).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_starts_are_spread_in_mirror_images(dims):
    family = st.Similarity(dims)
    count = 1 + 2 * 2**dims
    thetas = starts.spread(family, family.identity(1), count)
    assert thetas.shape == (1, count, family.parameter_count)
    assert torch.equal(thetas[0, 0], family.identity(1)[0])
    matrix = family.matrix(thetas[0])
    for axis in range(dims):
        mirror = torch.eye(dims + 1)
        mirror[axis, axis] = -1
        mirrored = mirror @ matrix @ mirror
        assert (torch.cdist(mirrored.flatten(1), matrix.flatten(1)).amin(dim=1) < 1e-5).all()


def test_several_starts_find_what_one_does_not():
    blob = torch.exp(-300 * st.target_points((64, 64)).square().sum(dim=-1))[None]
    truth = torch.tensor([[0.4, -0.5]])
    moving = st.warp(blob, st.Translation(), -truth)
    one, many = (st.register(moving, blob, st.Translation(), starts=count) for count in (1, 17))
    assert error(st.Translation(), many.theta, truth) < 0.05
    assert (one.success.item(), many.success.item()) == (False, True)


def test_it_says_whether_it_succeeded():
    """A pair, two strangers, an image of one colour, and one that is not finite."""
    moving, family = texture((48, 48), batch=4), st.Affine()
    fixed = st.warp(moving, family, torch.tensor([[1.0, 0.1, 0.1, -0.1, 1.0, -0.05]]), padding="border")
    fixed[1] = torch.randn(1, 48, 48, generator=torch.Generator().manual_seed(0))
    fixed[2] = 0.5
    fixed[3, 0, 20, 20] = float("nan")
    found = st.register(moving, fixed, family)
    assert found.success.tolist() == [True, False, False, False]
    assert found.verdict.correlation[0] > 0.9 > 0.5 > found.verdict.correlation[1]
    assert found.theta.isfinite().all()


def test_thin_volumes_shrink_towards_cubes():
    volume = torch.rand(1, 1, 10, 64, 64)
    assert [pyramid.shrunk_size(volume, level) for level in (1, 2, 3)] == [[10, 32, 32], [10, 16, 16], [8, 8, 8]]
    slices = torch.rand(1, 1, 64, 256, 8)
    assert [pyramid.shrunk_size(slices, level) for level in (1, 2, 3, 4)] == [
        *([64, 128, 8], [64, 64, 8]),
        *([32, 32, 8], [16, 16, 8]),
    ]
    assert pyramid.level_count(volume, volume) == 3


@pytest.mark.parametrize("detector", ["sift", "orb"])
@pytest.mark.parametrize("name", WARPS)
def test_features_find_a_large_warp(detector, name):
    family, _ = WARPS[name]
    noise = testing.random_image((40, 40), channels=1, batch=1)
    fixed = torch.nn.functional.interpolate(noise, (160, 160), mode="bicubic")
    truth = fit_similarity(family)
    moving = st.warp(fixed, family, family.inverse(truth), padding="border")
    found = st.feature_start(moving, fixed, family, detector=detector)
    assert found.inliers.item() > 20
    assert error(family, found.theta, truth, (160, 160)) < 1.5


def fit_similarity(family):
    """What the family has of a turn by 0.6 and a shift."""
    points = st.target_points((3, 3)).flatten(1, 2)
    moved = points @ st.rotation_matrix(torch.tensor([0.6]))[0, :2, :2].mT + torch.tensor([0.3, -0.2])
    return st.fit_points(
        family, points, points + torch.tensor([0.3, -0.2]) if family.parameter_count < 4 else moved
    ).float()


def test_images_without_features_have_none():
    flat = torch.zeros(2, 1, 64, 64)
    found = st.feature_start(flat, flat, st.Affine())
    assert found.inliers.tolist() == [0, 0]
    assert torch.equal(found.theta, st.Affine().identity(2))


def test_features_are_a_start_among_others():
    """A turn that the others do not reach; and images without features still have those."""
    noise = testing.random_image((40, 40), channels=1, batch=1)
    fixed = torch.nn.functional.interpolate(noise, (160, 160), mode="bicubic")
    truth = torch.tensor([[-1.0, 0.2, 0.1, 0.0]])  # upside down
    moving = st.warp(fixed, st.Similarity(), st.Similarity().inverse(truth), padding="border")
    assert not st.register(moving, fixed, st.Similarity()).success
    found = st.register(moving, fixed, st.Similarity(), starts="features")
    assert found.success
    assert error(st.Similarity(), found.theta, truth, (160, 160)) < 0.1
    blob = torch.exp(-8 * st.target_points((24, 24)).square().sum(dim=-1))[None]
    moved = st.warp(blob, st.Translation(), torch.tensor([[0.2, -0.1]]))
    assert st.register(moved, blob, st.Translation(), starts="features").success


def test_a_volume_of_many_voxels_is_found_from_some(monkeypatch):
    monkeypatch.setattr(pyramid, "MANY", 1000)
    fixed = texture((16, 18, 20))
    truth = torch.tensor([[0.1, -0.15, 0.2]])
    moving = st.warp(fixed, st.Translation(3), -truth, padding="border")
    for axis in range(3):  # as is, and mirrored
        found = st.register(moving.flip(2 + axis), fixed.flip(2 + axis), st.Translation(3))
        mirrored = torch.ones(3).index_fill(0, torch.tensor([2 - axis]), -1)
        torch.testing.assert_close(found.theta, truth * mirrored, rtol=0, atol=0.02)
    start = torch.zeros(1, 3)
    odd = fixed + 5 * torch.randn(fixed.shape, generator=torch.Generator().manual_seed(0))  # noise: others would go on
    kept = st.register(fixed, odd, st.Translation(3), start=start, levels=1)
    assert measures.ncc(kept.warped, odd) <= measures.ncc(fixed, odd) + 1e-6
    level = pyramid.pyramid(moving, fixed, (None, None), 1, "bilinear")[0]
    chosen = torch.zeros(16 * 18 * 20).index_fill(0, level.chosen(), 1).view(16, 18, 20)
    assert 0.2 < chosen.mean() < 0.3
    assert all(torch.equal(chosen, chosen.flip(axis)) for axis in range(3))


def test_features_without_opencv_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"spatial-transformer\[align\]"):
        st.feature_start(IMAGE, IMAGE, st.Affine())


def test_a_chain_is_composed():
    family, first = st.Similarity(), texture((40, 40))
    truth = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.05, 0.05, 0.1, 0.0], [1.1, 0.1, 0.15, 0.05]])
    images = st.warp(first, family, family.inverse(truth), padding="border")
    chain = st.register_chain(images, family)
    assert all(chain.steps.success)
    assert error(family, chain.theta, truth, (40, 40)) < 0.3


def test_the_way_back_tells_what_is_inconsistent():
    size = torch.rand(2, 1, 20, 30)
    forth = torch.tensor([[0.2, 0.0], [0.2, 0.0]])
    back = torch.tensor([[-0.2, 0.0], [0.0, 0.1]])  # 0.2 half-widths of 15 pixels, and 0.1 half-heights of 10
    apart = st.inconsistency(st.Translation(), forth, back, size)
    torch.testing.assert_close(apart, torch.tensor([0.0, 10**0.5]))


MORE_BAD = {
    "mask size": (
        lambda: st.register(IMAGE, IMAGE, st.Affine(), moving_mask=IMAGE[..., :4]),
        "`moving_mask` must have",
    ),
    "mask values": (lambda: st.register(IMAGE, IMAGE, st.Affine(), fixed_mask=2 + IMAGE), "`fixed_mask` must hold"),
    "starts": (lambda: st.register(IMAGE, IMAGE, st.Affine(), starts=0), "`starts` must be a whole number"),
    "starts by name": (
        lambda: st.register(IMAGE, IMAGE, st.Affine(), starts="many"),
        '`starts` must be a number or "features"',
    ),
    "features of splines": (
        lambda: st.register(IMAGE, IMAGE, st.BSpline(), starts="features"),
        "`starts` must be 1 for",
    ),
    "starts of splines": (lambda: st.register(IMAGE, IMAGE, st.BSpline(), starts=4), "`starts` must be 1 for"),
    "detector": (lambda: st.feature_start(IMAGE, IMAGE, st.Affine(), detector="surf"), "`detector` must be"),
    "volumes": (
        lambda: st.feature_start(IMAGE[..., None], IMAGE[..., None], st.Affine(3)),
        "`family` must be of images",
    ),
    "chain of splines": (lambda: st.register_chain(IMAGE, st.BSpline()), "`family` must be one of matrices"),
    "weight": (lambda: measures.mse(IMAGE, IMAGE, weight=IMAGE[:1]), "`weight` must have shape"),
}


@pytest.mark.parametrize("case", MORE_BAD)
def test_more_bad_input(case):
    call, message = MORE_BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call()
