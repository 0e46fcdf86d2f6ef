"""Folds, and inversion point by point, for every family."""

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

TOLERANCE = 1e-4


def small(family, **options):
    """Parameters that do not fold."""
    return testing.random_theta(family, spread=0.03, **options)


def test_inverse_points_undoes(family):
    theta, points = small(family), testing.random_points(family.dims, 1, 5, 4, spread=0.9)
    found = family.inverse_points(theta, points)
    assert found.shape == (2, 5, 4, family.dims)
    assert (family.points(theta, found) - points).abs().max() < TOLERANCE
    there_and_back = family.inverse_points(theta, family.points(theta, points))
    torch.testing.assert_close(there_and_back, points.expand(2, -1, -1, -1), rtol=0, atol=2 * TOLERANCE)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
def test_the_image_is_as_near_as_the_tolerance_says(family, tolerance):
    theta, points = small(family, seed=1), testing.random_points(family.dims, 2, 10)
    found = family.inverse_points(theta, points, tolerance=tolerance)
    assert (family.points(theta, found) - points).abs().max() < tolerance


def test_inverse_points_of_the_identity_are_the_points(family):
    points = testing.random_points(family.dims, 1, 7, dtype=torch.float32)
    assert torch.equal(family.inverse_points(family.identity(1), points), points)


def test_groups_invert_to_the_same_points(matrix_family):
    theta, points = small(matrix_family), testing.random_points(matrix_family.dims, 1, 7)
    exact = matrix_family.points(matrix_family.inverse(theta), points)
    torch.testing.assert_close(matrix_family.inverse_points(theta, points), exact, rtol=0, atol=TOLERANCE)


def test_inverse_points_take_points_of_any_rank(family):
    theta, points = small(family), testing.random_points(family.dims, 2, 6, spread=0.9)
    expected = family.inverse_points(theta, points)
    again = family.inverse_points(theta, points.unflatten(1, (3, 1, 2)))
    torch.testing.assert_close(again, expected.unflatten(1, (3, 1, 2)), rtol=0, atol=TOLERANCE)
    assert family.inverse_points(theta, points[0, 0]).shape == (2, family.dims)
    assert family.inverse_points(theta, points[:, :0]).shape == (2, 0, family.dims)
    assert family.inverse_points(family.identity(0), points[:1]).shape == (0, 6, family.dims)


@pytest.mark.parametrize(
    "family", [st.Affine(), st.BSpline((2, 2)), st.Velocity((2, 2), steps=1, resolution=(3, 3))], ids=str
)
def test_inverse_points_carry_first_derivatives(family):
    theta, points = small(family).requires_grad_(), testing.random_points(2, 2, 2, spread=0.8).requires_grad_()
    assert torch.autograd.gradcheck(lambda t, p: family.inverse_points(t, p, tolerance=1e-12), (theta, points))


def test_strong_warps_are_inverted_too():
    for family, spread in (
        (st.ThinPlateSpline((4, 4)), 0.12),
        (st.PiecewiseAffine((4, 4)), 0.12),
        (st.BSpline((6, 6)), 0.2),
        (st.Velocity((4, 4)), 0.3),
        (st.Affine(), 0.4),
        (st.Projective(), 0.15),
    ):
        theta = testing.random_theta(family, batch=20, spread=spread, seed=5)
        grid = st.target_points((12, 12), dtype=torch.float64)
        everywhere = 1.6 * st.target_points((60, 60), dtype=torch.float64)
        sound = ~family.folds(theta, everywhere).flatten(1).any(dim=1)  # of those that do not fold
        assert sound.sum() >= 4
        source = family.points(theta[sound], 0.9 * grid)
        found = family.inverse_points(theta[sound], source)
        torch.testing.assert_close(found, 0.9 * grid.expand_as(found), rtol=0, atol=0.01)


def test_a_mirror_has_an_inverse_though_it_turns_the_image_over():
    theta = torch.tensor([[-1.0, 0.0, 0.25, 0.0, 1.0, 0.0]])
    points = torch.tensor([[0.5, 0.5], [-0.5, 0.0]])
    assert st.Affine().folds(theta, points).all()
    torch.testing.assert_close(st.Affine().inverse_points(theta, points)[0], torch.tensor([[-0.25, 0.5], [0.75, 0.0]]))


def test_identity_does_not_fold(family):
    points = testing.random_points(family.dims, 1, 3, 5)
    folds = family.folds(family.identity(2, dtype=torch.float64), points)
    assert folds.shape == (2, 3, 5)
    assert folds.dtype == torch.bool
    assert not folds.any()
    assert family.folds(family.identity(0), points).shape == (0, 3, 5)


def test_folds_are_where_the_determinant_is_not_positive(family):
    theta, points = testing.random_theta(family, spread=1), testing.random_points(family.dims, 2, 30)
    expected = torch.linalg.det(family.jacobian(theta, points)) <= 0
    assert torch.equal(family.folds(theta, points), expected)


def folded_flow():
    """A flow that turns the middle third over."""
    family = st.Displacement((1, 6))
    flow = torch.zeros(2, 2, 1, 6)
    flow[1, 0, 0] = torch.tensor([0, 0, 1.0, -1.0, 0, 0])
    return family, family.from_flow(flow)


def test_a_warp_that_folds_is_seen_and_refused():
    family, theta = folded_flow()
    points = torch.tensor([[-0.9, 0.0], [0.0, 0.0], [0.1, 0.0], [0.9, 0.0], [0.4, 0.0], [-0.4, 0.0]])
    assert family.folds(theta, points)[:, 1].tolist() == [False, True]
    assert not family.folds(theta, points)[0].any()
    with pytest.raises(ValueError, match=r"^theta\[1\] has no inverse: its `Displacement.* folds.*both sides of"):
        family.inverse_points(theta, points)


def test_a_warp_that_reaches_nothing_there_is_refused():
    family = st.ThinPlateSpline((2, 2))
    theta = family.identity(3)
    theta[1] = 0.0  # everything in one point
    with pytest.raises(ValueError, match=r"^theta\[1\] has no inverse at 2 of 2 points.*to within 0.0001.*`folds`"):
        family.inverse_points(theta, torch.tensor([[0.5, 0.5], [0.2, -0.3]]))
    assert family.folds(theta, torch.tensor([[0.5, 0.5]])).flatten().tolist() == [False, True, False]


def test_nan_in_theta_gives_nan_points_and_folds_and_no_inverse(family):
    theta, points = family.identity(2), testing.random_points(family.dims, 1, 4, dtype=torch.float32)
    theta[1] = torch.nan
    mapped = family.points(theta, points)
    assert torch.equal(mapped[0], points[0])
    assert mapped[1].isnan().all()
    assert family.jacobian(theta, points)[0].isfinite().all()
    depends = not isinstance(family, st.Translation)  # the derivative of a shift does not depend on it
    assert family.folds(theta, points)[:, 0].tolist() == [False, depends]
    with pytest.raises(ValueError, match=r"^theta\[1\] has no inverse at 4 of 4 points"):
        family.inverse_points(theta, points)


def test_nan_and_infinite_points_raise_nothing(family):
    points = torch.full((1, 3, family.dims), torch.nan)
    points[0, 1:] = torch.tensor([[torch.inf], [-torch.inf]])
    mapped = family.points(testing.random_theta(family, dtype=torch.float32), points)
    assert mapped[:, 0].isnan().all()
    assert not (mapped[:, 1:].abs() < 1).any()


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
def test_a_tolerance_is_positive(tolerance):
    with pytest.raises(ValueError, match="`tolerance` must be a positive number"):
        st.Affine().inverse_points(st.Affine().identity(1), torch.zeros(1, 2), tolerance=tolerance)


@pytest.mark.parametrize("build", [st.Attention, st.Similarity, st.Affine, st.Projective])
def test_singular_rows_are_named_and_the_others_stay_right(build, dims):
    family = build(dims=dims)
    theta, points = small(family, batch=4), testing.random_points(dims, 1, 5)
    singular = theta.clone()
    singular[[0, 2]] = 0
    for call in (lambda: family.inverse(singular), lambda: family.inverse_points(singular, points)):
        with pytest.raises(ValueError, match=r"theta\[0\], theta\[2\] have no inverse: .* leave these rows out"):
            call()
    answered = torch.func.vmap(lambda row: family.inverse(row[None])[0])(singular)  # nothing is read in there
    assert answered[[0, 2]].isnan().any(dim=1).all()
    torch.testing.assert_close(answered[[1, 3]], family.inverse(theta[[1, 3]]), rtol=0, atol=1e-12)


def test_many_rows_are_counted():
    with pytest.raises(ValueError, match=r"theta\[7\] and 92 more have no inverse"):
        st.Attention().inverse(torch.zeros(100, 3))


def test_all_rows_are_named_that_fold():
    family = st.BSpline((4, 4))
    theta = torch.stack([torch.zeros(32), 3 * torch.ones(32).cumsum(0).sin(), 3 * torch.ones(32).cumsum(0).sin()])
    with pytest.raises(ValueError, match=r"theta\[1\], theta\[2\] have no inverse"):
        family.inverse_points(theta, testing.random_points(2, 1, 20, dtype=torch.float32))
