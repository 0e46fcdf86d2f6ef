"""Thin plate splines: agreement with scikit-image and SciPy, interpolation, bending."""

import concurrent.futures
import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator
from skimage.transform import ThinPlateSplineTransform

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]
LATTICES = [(4, 4), (2, 2), (3, 5), (3, 2, 4)]
lattices = pytest.mark.parametrize("control", LATTICES, ids=str)
stiffnesses = pytest.mark.parametrize("stiffness", [0.0, 0.1, 10.0], ids=str)


def control_points(family):
    return family.identity(1, dtype=torch.float64)[0].unflatten(0, (-1, family.dims))  # (K, D)


@pytest.mark.parametrize("control", [(4, 4), (2, 2), (3, 5)], ids=str)
def test_points_agree_with_scikit_image(control):
    family = st.ThinPlateSpline(control)
    theta, points = testing.random_theta(family, batch=1, spread=0.2), testing.random_points(2, 1, 50, spread=1.5)
    oracle = ThinPlateSplineTransform.from_estimate(
        control_points(family).numpy(), theta[0].unflatten(0, (-1, 2)).numpy()
    )
    # scikit-image adds 1e-8 under the logarithm.
    np.testing.assert_allclose(family.points(theta, points)[0].numpy(), oracle(points[0].numpy()), rtol=0, atol=1e-6)


@stiffnesses
@lattices
def test_points_agree_with_scipy(control, stiffness):
    family = st.ThinPlateSpline(control, stiffness=stiffness)
    theta, points = (
        testing.random_theta(family, batch=1, spread=0.2),
        testing.random_points(family.dims, 1, 50, spread=1.5),
    )
    oracle = RBFInterpolator(
        control_points(family).numpy(),
        theta[0].unflatten(0, (-1, family.dims)).numpy(),
        kernel="thin_plate_spline" if family.dims == 2 else "linear",  # r^2 log r, or -r
        degree=1,
        smoothing=stiffness,
    )
    np.testing.assert_allclose(family.points(theta, points)[0].numpy(), oracle(points[0].numpy()), rtol=0, atol=ATOL)


@lattices
def test_control_points_arrive_where_theta_says(control):
    family = st.ThinPlateSpline(control)
    theta = testing.random_theta(family, batch=3)
    arrived = family.points(theta, control_points(family)[None])
    torch.testing.assert_close(arrived, theta.unflatten(1, (-1, family.dims)), rtol=0, atol=ATOL)


def test_theta_lists_the_lattice_row_by_row_x_first():
    assert st.ThinPlateSpline((2, 3)).identity(1)[0].tolist() == [-1, -1, 0, -1, 1, -1, -1, 1, 0, 1, 1, 1]
    assert st.ThinPlateSpline((2, 3, 4)).identity(1)[0, :6].tolist() == pytest.approx([-1, -1, -1, -1 / 3, -1, -1])


@stiffnesses
@lattices
def test_identity_is_exact_whatever_the_stiffness(control, stiffness):
    family = st.ThinPlateSpline(control, stiffness=stiffness)
    points = testing.random_points(family.dims, 1, 20, spread=2, dtype=torch.float32)
    assert torch.equal(family.points(family.identity(1), points), points)


def test_points_are_linear_in_theta():
    family = st.ThinPlateSpline((3, 4), stiffness=0.1)
    one, two = (testing.random_theta(family, spread=1, seed=seed) for seed in (1, 2))
    points = testing.random_points(2, 1, 20)
    mixed = 0.3 * family.points(one, points) + 0.7 * family.points(two, points)
    torch.testing.assert_close(family.points(0.3 * one + 0.7 * two, points), mixed, rtol=0, atol=ATOL)


def affine_theta(family):
    """Control points moved by a random affine map, the same for every family of one dimension."""
    affine = st.Affine(family.dims)
    return affine.points(testing.random_theta(affine), control_points(family)[None]).flatten(1), affine


@stiffnesses
@lattices
def test_an_affine_move_of_the_control_points_is_that_affine_warp(control, stiffness):
    family = st.ThinPlateSpline(control, stiffness=stiffness)
    theta, affine = affine_theta(family)
    points = testing.random_points(family.dims, 1, 20, spread=2)
    expected = affine.points(testing.random_theta(affine), points)
    torch.testing.assert_close(family.points(theta, points), expected, rtol=0, atol=ATOL)


@lattices
def test_bending_energy_is_zero_for_affine_warps_and_positive_for_others(control):
    family = st.ThinPlateSpline(control)
    assert family.bending_energy(affine_theta(family)[0]).abs().max() < ATOL
    energy = family.bending_energy(testing.random_theta(family, batch=5))
    assert energy.shape == (5,)
    assert (energy > 1e-3).all()


def test_bending_energy_grows_with_the_square_of_the_displacement():
    family = st.ThinPlateSpline()
    identity, theta = family.identity(2, dtype=torch.float64), testing.random_theta(family)
    energy = family.bending_energy(theta)
    torch.testing.assert_close(family.bending_energy(identity + 3 * (theta - identity)), 9 * energy)


def test_bending_energy_is_the_integral_of_the_squared_second_derivatives():
    # Bookstein (1989): the integral over the plane is 8 pi times w . K w, for the kernel r^2 log r.
    family = st.ThinPlateSpline((2, 2))
    theta = testing.random_theta(family, batch=1)
    cells, reach = 400, 12.0
    points = st.target_points((cells, cells), dtype=torch.float64) * reach
    step = 2 * reach / cells
    mapped = family.points(theta, points)[0]  # (rows, columns, 2)
    xx = mapped.diff(n=2, dim=1)[1:-1] / step**2
    yy = mapped.diff(n=2, dim=0)[:, 1:-1] / step**2
    xy = (mapped[2:, 2:] - mapped[2:, :-2] - mapped[:-2, 2:] + mapped[:-2, :-2]) / (4 * step**2)
    integral = (xx.square() + 2 * xy.square() + yy.square()).sum() * step**2
    assert integral.item() == pytest.approx(8 * torch.pi * family.bending_energy(theta).item(), rel=0.02)


@lattices
def test_a_stiffer_spline_bends_less(control):
    theta = testing.random_theta(st.ThinPlateSpline(control), batch=3)
    energies = [st.ThinPlateSpline(control, stiffness=s).bending_energy(theta) for s in (0.0, 0.01, 0.1, 1.0, 10.0)]
    for softer, stiffer in itertools.pairwise(energies):
        assert (stiffer < softer).all()


def test_bending_energy_is_differentiable():
    theta = testing.random_theta(st.ThinPlateSpline((3, 2))).requires_grad_()
    assert torch.autograd.gradcheck(st.ThinPlateSpline((3, 2)).bending_energy, theta)


def test_bending_energy_is_not_touched_by_autocast():
    family = st.ThinPlateSpline()
    theta = testing.random_theta(family, dtype=torch.float32)
    expected = family.bending_energy(theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(family.bending_energy(theta), expected)


def test_derivatives_at_a_control_point_are_finite():
    for control in ((3, 3), (2, 2, 2)):
        family = st.ThinPlateSpline(control)
        theta = testing.random_theta(family).requires_grad_()
        points = control_points(family)[None].clone().requires_grad_()
        (first,) = torch.autograd.grad(family.points(theta, points).sum(), points, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), theta)
        assert first.isfinite().all()
        assert second.isfinite().all()
        assert family.jacobian(theta, points).isfinite().all()


def test_the_warp_solves_no_linear_system(monkeypatch):
    family = st.ThinPlateSpline()

    def refuse(*args, **kwargs):
        raise AssertionError("a warp must not need linear algebra")

    for name in ("inv", "inv_ex", "lstsq", "lu_factor", "lu_solve", "pinv", "solve", "solve_ex", "solve_triangular"):
        monkeypatch.setattr(torch.linalg, name, refuse)
    for name in ("inverse", "pinverse"):
        monkeypatch.setattr(torch, name, refuse)
    theta = testing.random_theta(family).requires_grad_()
    st.warp(testing.random_image((9, 8), channels=1, dtype=torch.float64), family, theta).sum().backward()
    assert theta.grad.abs().sum() > 0
    with pytest.raises(AssertionError, match="linear algebra"):
        st.ThinPlateSpline()


SCATTERED = [testing.random_points(2, 9, seed=4), testing.random_points(3, 8, seed=4)]
scattered = pytest.mark.parametrize("control", SCATTERED, ids=["2D", "3D"])


def test_scattered_control_points_agree_with_scikit_image():
    family = st.ThinPlateSpline(SCATTERED[0])
    theta, points = testing.random_theta(family, batch=1, spread=0.2), testing.random_points(2, 1, 50, spread=1.5)
    oracle = ThinPlateSplineTransform.from_estimate(SCATTERED[0].numpy(), theta[0].unflatten(0, (-1, 2)).numpy())
    np.testing.assert_allclose(family.points(theta, points)[0], oracle(points[0].numpy()), rtol=0, atol=1e-6)


@scattered
@stiffnesses
def test_scattered_control_points_agree_with_a_solved_system(control, stiffness):
    family = st.ThinPlateSpline(control, stiffness=stiffness)
    theta, points = testing.random_theta(family, batch=1), testing.random_points(family.dims, 40, spread=1.5).numpy()
    c, count = control.numpy(), len(control)

    def kernel(p):
        r = np.linalg.norm(p[:, None] - c, axis=-1)
        return np.where(r > 0, r**2 * np.log(np.where(r > 0, r, 1)), 0) if family.dims == 2 else -r

    sides = np.hstack([np.ones((count, 1)), c])
    corner = np.zeros((family.dims + 1, family.dims + 1))
    system = np.block([[kernel(c) + stiffness * np.eye(count), sides], [sides.T, corner]])
    right = np.vstack([theta[0].unflatten(0, (-1, family.dims)).numpy(), np.zeros((family.dims + 1, family.dims))])
    expected = np.hstack([kernel(points), np.ones((len(points), 1)), points]) @ np.linalg.solve(system, right)
    np.testing.assert_allclose(family.points(theta, torch.from_numpy(points))[0], expected, rtol=0, atol=1e-9)


def test_a_lattice_given_as_points_is_that_lattice():
    lattice = st.ThinPlateSpline((3, 4), stiffness=0.1)
    for points in (control_points(lattice), control_points(lattice).numpy(), control_points(lattice).float()):
        family = st.ThinPlateSpline(points, stiffness=0.1)
        theta, where = testing.random_theta(lattice), testing.random_points(2, 1, 10)
        torch.testing.assert_close(family.points(theta, where), lattice.points(theta, where), rtol=0, atol=1e-5)
        torch.testing.assert_close(family.bending_energy(theta), lattice.bending_energy(theta), rtol=1e-4, atol=1e-5)
    assert str(family) == "ThinPlateSpline(control=12 points, stiffness=0.1)"


@scattered
def test_the_fewest_control_points_make_an_affine_warp(control):
    family = st.ThinPlateSpline(control[: control.shape[1] + 1])
    theta, points = testing.random_theta(family, batch=1), testing.random_points(family.dims, 1, 3)
    jacobian = family.jacobian(theta, points)
    torch.testing.assert_close(jacobian, jacobian[:, :1].expand_as(jacobian), rtol=0, atol=1e-9)


PLANE = [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [0.5, 0.25]]
BAD = {
    "too few": (PLANE[:2], "`control` must hold at least 3 points in 2D; got 2, which is too few"),
    "coincident": ([*PLANE, PLANE[1]], r"`control` points 1 and 4 are coincident, 0 apart: \[1.0, -1.0\]"),
    "collinear": ([[0.1 * k, 1 - 0.3 * k] for k in range(5)], "the `control` points are collinear.*that line"),
    "all the same": ([[0.0, 0.0]] * 3, "`control` points 0 and 1 are coincident"),
    "collinear in space": ([[0.1 * k] * 3 for k in range(5)], "the `control` points are collinear"),
    "coplanar": ([[x, y, x + y] for x, y in PLANE], "the `control` points are coplanar.*that plane"),
    "of four dimensions": ([[0.0] * 4] * 9, r"`control` points must have shape \(K, 2\) or \(K, 3\)"),
    "not a number": ([*PLANE, [float("nan"), 0.0]], "`control` points must be finite"),
}


@pytest.mark.parametrize("kind", [torch.tensor, np.array], ids=["tensor", "array"])
@pytest.mark.parametrize(("points", "message"), BAD.values(), ids=BAD)
def test_control_points_that_leave_the_spline_undefined_are_refused(points, message, kind):
    with pytest.raises(ValueError, match=message):
        st.ThinPlateSpline(kind(points))


# PyTorch itself uses what it deprecates when it differentiates forwards.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_what_is_kept_of_a_grid_is_of_use_everywhere():
    """The first call with a size may be in any mode or transformation, in any thread; all later ones must not know."""
    theta, sizes = st.ThinPlateSpline((3, 3)).identity(2, dtype=torch.float64) + 0.1, [(4, 5), (3, 7), (6, 2)]

    def total(family, size):
        return lambda theta: family.grid(theta, size).square().sum()

    for size in sizes:
        expected = st.ThinPlateSpline((3, 3)).points(theta, st.target_points(size, dtype=theta.dtype))
        firsts = {
            "hessian": lambda family, size=size: torch.func.hessian(total(family, size))(theta),
            "vmap": lambda family, size=size: torch.func.vmap(lambda t: family.grid(t[None], size))(theta),
            "inference": lambda family, size=size: torch.inference_mode()(family.grid)(theta, size),
        }
        for first in firsts.values():
            family = st.ThinPlateSpline((3, 3))
            first(family)
            wanted = theta.clone().requires_grad_()
            grid = family.grid(wanted, size)
            torch.testing.assert_close(grid, expected, rtol=0, atol=ATOL)
            assert torch.autograd.grad(grid.sum(), wanted)[0].isfinite().all()
            torch.func.hessian(total(family, size))(theta)


def test_many_sizes_in_many_threads():
    family, theta = st.ThinPlateSpline((3, 3)), st.ThinPlateSpline((3, 3)).identity(1)
    sizes = [(height, width) for height in range(2, 8) for width in range(2, 8)] * 3
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        grids = list(pool.map(lambda size: family.grid(theta, size), sizes))
    for size, grid in zip(sizes, grids, strict=True):
        torch.testing.assert_close(grid, st.target_points(size), rtol=0, atol=1e-6)


@pytest.mark.parametrize("apart", [1e-2, 1e-3, 1e-4, 1e-5])
def test_landmarks_close_together_are_as_exact_in_float32(apart, dims):
    corners = torch.cartesian_prod(*[torch.tensor([-0.9, 0.9], dtype=torch.float64)] * dims)
    middle = torch.zeros(2, dims, dtype=torch.float64)
    middle[1, 0] = apart
    control = torch.cat([corners, middle])
    family, size = st.ThinPlateSpline(control), (9,) * dims
    theta = (control + 0.05 * (3 * control + 1).sin()).reshape(1, -1).float()
    points = testing.random_points(dims, 1, 20, dtype=torch.float32)
    for read in (lambda t: family.grid(t, size), lambda t: family.points(t, points.to(t.dtype))):
        torch.testing.assert_close(read(theta).double(), read(theta.double()), rtol=0, atol=0.05 / 128)
    slopes = [family.jacobian(t, points.to(t.dtype)).double() for t in (theta, theta.double())]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-3)


def test_landmarks_too_close_are_named_with_their_distance():
    with pytest.raises(ValueError, match=r"`control` points 1 and 4 are coincident, 1e-07 apart"):
        st.ThinPlateSpline(torch.tensor([[-1.0, -1], [0, 0], [-1, 1], [1, 1], [1e-7, 0]]))
