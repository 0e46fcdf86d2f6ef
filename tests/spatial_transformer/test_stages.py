"""Registration in stages: a matrix, then what bends; and what bending and folding cost."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.registration import Staged, lbfgs, smoothness

SIZE = (40, 44)
AFFINE = torch.tensor([[1.05, 0.08, 0.06, -0.06, 0.97, -0.05]])


def texture(size=SIZE, seed=0):
    small = testing.random_image(tuple(max(3, length // 6) for length in size), channels=1, batch=1, seed=seed)
    mode = "bicubic" if len(size) == 2 else "trilinear"
    return torch.nn.functional.interpolate(small, size, mode=mode, align_corners=False)


def known_warp(size=SIZE, amplitude=0.05):
    """(1, *size, 2) where each pixel is read: a smooth wave, then an affine map."""
    at = st.target_points(size)
    wave = torch.stack([torch.sin(2.5 * at[..., 1] + 0.5), torch.cos(2.2 * at[..., 0] - 0.3)], dim=-1)
    return st.Affine().points(AFFINE, at + amplitude * wave)


DEFORMATIONS = [st.BSpline((6, 6)), st.Velocity((6, 6)), st.Displacement(SIZE), st.ThinPlateSpline((5, 5))]


@pytest.mark.parametrize("family", DEFORMATIONS, ids=str)
def test_a_smooth_warp_is_found_by_a_matrix_and_a_deformation(family):
    moving, points = texture(), known_warp()
    fixed = st.sample(moving, points, mode="bicubic", padding="border")
    found = st.register(moving, fixed, stages=[st.Affine(), family])
    apart = (found.family.grid(found.theta, SIZE) - points) * torch.tensor([22.0, 20.0])
    off = apart.norm(dim=-1)[found.valid[:, 0]]
    affine = st.register(moving, fixed, st.Affine())
    bare = ((st.Affine().grid(affine.theta, SIZE) - points) * torch.tensor([22.0, 20.0])).norm(dim=-1)
    assert off.mean() < 0.15 < bare[affine.valid[:, 0]].mean()  # pixels
    assert found.success
    assert found.verdict.folds == 0
    assert torch.equal(found.warped, st.warp(moving, found.family, found.theta, padding="border"))


def test_a_volume_in_stages():
    size = (12, 14, 16)
    moving, truth = texture(size), 0.2 * testing.random_theta(st.BSpline((3, 3, 3)), batch=1, dtype=torch.float32)
    fixed = st.warp(moving, st.BSpline((3, 3, 3)), truth, padding="border", mode="bicubic")
    found = st.register(moving, fixed, stages=[st.Rigid(3), st.Affine(3), st.Velocity((3, 3, 3), steps=4)])
    assert found.losses[-1].amin() < 0.5 * st.register(moving, fixed, st.Affine(3)).losses[-1].amin()
    assert [type(stage).__name__ for stage in found.family.stages] == ["Affine", "Velocity"]


@pytest.mark.parametrize("family", DEFORMATIONS, ids=str)
def test_no_stage_makes_it_worse(family):
    """Images that have nothing in common: what the affine stage found stays the least that there is."""
    moving, fixed = texture(), texture(seed=1)
    start = torch.tensor([[1.0, 0.1, 0.1, -0.1, 1.0, 0.0]])
    affine = st.register(moving, fixed, st.Affine(), start=start)
    found = st.register(moving, fixed, stages=[st.Affine(), family], start=start)
    assert found.losses[-1][-1] <= affine.losses[-1].amin() + 1e-6
    assert (found.losses[-1].diff(dim=0) <= 1e-7).all()


def test_a_deformation_without_a_matrix_begins_at_its_start():
    family, moving = st.BSpline((4, 4)), texture()
    truth = 0.3 * testing.random_theta(family, batch=1, dtype=torch.float32)
    fixed = st.warp(moving, family, truth, padding="border")
    found = st.register(moving, fixed, stages=[family], start=truth, levels=1)
    assert found.losses[0][0] < 1e-3
    assert found.losses[0][-1] <= found.losses[0][0]
    with pytest.raises(ValueError, match="`theta` must have shape"):
        st.register(moving, fixed, stages=[family], start=truth[:, 1:])


def test_rows_of_stages_are_independent():
    moving, points = texture(), torch.cat([known_warp(), known_warp(amplitude=0.02)])
    fixed = st.sample(moving, points, mode="bicubic", padding="border")
    stages = [st.Translation(), st.BSpline((4, 4))]
    both = st.register(moving, fixed, stages=stages, levels=2)
    for n in range(2):
        alone = st.register(moving, fixed[n : n + 1], stages=stages, levels=2)
        torch.testing.assert_close(both.theta[n : n + 1], alone.theta, rtol=0, atol=2e-3)


def test_more_bending_costs_smoothness_less():
    moving, points = texture(), known_warp()
    fixed = st.sample(moving, points, mode="bicubic", padding="border")
    soft, stiff = (
        st.register(moving, fixed, stages=[st.BSpline((6, 6))], smoothness=st.Smoothness(bending=weight))
        for weight in (1e-5, 1.0)
    )
    energies = [smoothness.bending_energy(found.family.grid(found.theta, SIZE)) for found in (soft, stiff)]
    assert energies[1] < 0.2 * energies[0]


def test_the_bending_energy_is_that_of_algebra():
    """x + 0.3 x^2 + 0.2 x y has second derivatives 0.6 and, twice, 0.2; affine maps have none."""
    at = st.target_points((9, 12), dtype=torch.float64)
    x, y = at.unbind(dim=-1)
    bent = torch.stack([x + 0.3 * x**2 + 0.2 * x * y, y], dim=-1)
    expected = torch.tensor([0.6**2 + 2 * 0.2**2], dtype=torch.float64)
    torch.testing.assert_close(smoothness.bending_energy(bent), expected)
    flat = st.Affine().points(AFFINE.double(), at)
    assert smoothness.bending_energy(flat) < 1e-20


@pytest.mark.parametrize("size", [(7, 9), (4, 5, 6), (1, 6)])
def test_determinants_are_those_of_the_matrix(size):
    family = st.Affine(len(size))
    theta = testing.random_theta(family, batch=2, spread=0.3)
    found = smoothness.determinants(family.grid(theta, size))
    matrix = family.matrix(theta)[:, : len(size), : len(size)].clone()
    if size[0] == 1:  # nothing changes along an axis of one pixel
        matrix[:, :, 1] = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(found, torch.linalg.det(matrix).view(2, *(1,) * len(size)).expand_as(found))


def test_folds_are_counted():
    family = st.Displacement((1, 8))
    flow = torch.zeros(1, 2, 1, 8)
    flow[0, 0, 0, 3], flow[0, 0, 0, 4] = 0.3, -0.3  # the two pixels in the middle change places
    moving = texture((1, 8))
    found = st.register(moving, moving, family, start=family.from_flow(flow), descent=st.Descent(steps=1), levels=1)
    assert (found.verdict.folds.item(), found.verdict.folded.item()) == (1, pytest.approx(1 / 7))
    assert not found.success


def test_folding_is_paid_for():
    at = st.target_points((6, 6))
    assert smoothness.folding(at) == 0
    torch.testing.assert_close(smoothness.folding(-at[..., :1] * torch.tensor([1.0, -1.0])), torch.tensor([0.05]))


def test_a_staged_family_is_its_stages_in_a_row():
    stages = [st.Affine(), st.BSpline((3, 3)), st.Velocity((3, 3))]
    family, points = Staged(stages), testing.random_points(2, 2, 5)
    theta = torch.cat([testing.random_theta(stage, batch=2) for stage in stages], dim=1)
    parts = family.split(theta)
    expected = points
    for stage, own in reversed(list(zip(stages, parts, strict=True))):
        expected = stage.points(own, expected)
    torch.testing.assert_close(family.points(theta, points), expected)
    torch.testing.assert_close(family.grid(theta, (4, 5)), family.points(theta, st.target_points((4, 5)).double()))
    testing.assert_identity_returns_input(family, (6, 7))


def test_lbfgs_finds_the_least_of_a_valley_in_few_steps():
    """Rosenbrock's, whose least is at (1, 1); and a row that is not a number."""
    start = torch.tensor([[-1.2, 1.0], [0.5, 2.0], [torch.nan, 0.0]], dtype=torch.float64)
    found = lbfgs.lbfgs(lambda x: 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2, start, 200, 1e-14, 1e-3)
    torch.testing.assert_close(found.theta[:2], torch.ones(2, 2, dtype=torch.float64), rtol=0, atol=1e-4)
    assert found.broken.tolist() == [False, False, True]
    assert (found.curve[:, :2].diff(dim=0) <= 0).all()


BAD = {
    "both": (lambda a: st.register(a, a, st.Affine(), stages=[st.Affine()]), "a family or `stages`"),
    "neither": (lambda a: st.register(a, a), "a family or `stages`"),
    "none": (lambda a: st.register(a, a, stages=[]), "`stages` must have one family or more"),
    "dimensions": (lambda a: st.register(a, a, stages=[st.Affine(), st.BSpline((2, 2, 2))]), "all be of images"),
    "order": (lambda a: st.register(a, a, stages=[st.BSpline(), st.Affine()]), "must begin with those of matrices"),
    "penalty": (lambda a: st.register(a, a, stages=[st.Affine()], penalty=lambda t: t[:, 0]), "`penalty` is an"),
    "smoothness": (lambda a: st.register(a, a, st.Affine(), smoothness=st.Smoothness()), "`smoothness` is an argument"),
    "bending": (lambda a: st.Smoothness(bending=-1), "`bending` must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_stages(case):
    call, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        call(torch.rand(1, 1, 8, 8))
