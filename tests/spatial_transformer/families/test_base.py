"""What holds for every family."""

import copy
import io

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

ATOL = testing.TOLERANCES[torch.float64]


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_identity_leaves_points_exactly_where_they_are(family, dtype):
    points = testing.random_points(family.dims, 1, 6, 5, spread=2, dtype=dtype)
    theta = family.identity(3, dtype=dtype)
    assert theta.shape == (3, family.parameter_count)
    assert torch.equal(family.points(theta, points), points.expand(3, -1, -1, -1))


def test_derivatives_with_respect_to_theta_and_points_are_right(family):
    testing.assert_gradients(family)


def test_jacobian_is_the_derivative_with_respect_to_the_points(family):
    theta, points = testing.random_theta(family), testing.random_points(family.dims, 2, 4)
    jacobian = family.jacobian(theta, points)  # (2, 4, D, D)
    assert jacobian.shape == (2, 4, family.dims, family.dims)
    for n in range(2):
        for k in range(4):
            expected = torch.autograd.functional.jacobian(
                lambda point, n=n: family.points(theta[n : n + 1], point)[0], points[n, k]
            )
            close(jacobian[n, k], expected)


def test_jacobian_is_differentiable_in_theta(family):
    theta = testing.random_theta(family, batch=1).requires_grad_()
    points = testing.random_points(family.dims, 1, 2)
    assert torch.autograd.gradcheck(lambda t: family.jacobian(t, points), theta, fast_mode=True)


def test_points_of_any_rank_give_the_same_as_a_list_of_points(family):
    theta = testing.random_theta(family, batch=2)
    rows = testing.random_points(family.dims, 2, 6)
    expected = family.points(theta, rows)  # (2, 6, D)
    close(family.points(theta, rows.unflatten(1, (3, 1, 2))), expected.unflatten(1, (3, 1, 2)))
    close(family.points(theta, rows[:1]), family.points(theta, rows[:1].expand(2, -1, -1)))  # shared
    close(family.points(theta, rows[0]), family.points(theta, rows[:1]))  # (K, D): shared
    close(family.points(theta, rows[0, 0]), family.points(theta, rows[:1, :1])[:, 0])  # (D,): one point
    grid = testing.random_points(family.dims, 3, 4)  # a first axis that is neither 1 nor N: shared
    close(family.points(theta, grid), family.points(theta, grid[None]))
    assert family.points(theta, rows[:, :0]).shape == (2, 0, family.dims)


def test_each_image_of_a_batch_is_mapped_by_its_own_theta(family):
    theta, points = testing.random_theta(family, batch=3), testing.random_points(family.dims, 3, 5)
    together = family.points(theta, points)
    for n in range(3):
        close(together[n : n + 1], family.points(theta[n : n + 1], points[n : n + 1]))


def test_points_from_transposed_and_sliced_memory_are_the_same(family):
    theta, points = testing.random_theta(family), testing.random_points(family.dims, 2, 4, 6)
    expected = family.points(theta, points)
    scattered = points.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
    sliced = torch.stack([theta, theta.new_full(theta.shape, torch.nan)], dim=-1)[..., 0]
    assert not scattered.is_contiguous()
    assert not sliced.is_contiguous()
    close(family.points(sliced, scattered), expected)


def test_the_grid_is_where_the_target_points_go(family):
    size = (5, 4, 3)[-family.dims :]
    theta = testing.random_theta(family)
    grid = family.grid(theta, size)
    assert grid.shape == (2, *size, family.dims)
    close(grid, family.points(theta, st.target_points(size, dtype=torch.float64)))  # summed in another order


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_grid_of_the_identity_is_exact(family, dtype):
    size = (17, 11, 6)[-family.dims :]
    expected = st.target_points(size, dtype=dtype).expand(3, *size, family.dims)
    assert torch.equal(family.grid(family.identity(3, dtype=dtype), size), expected)


# PyTorch's forward mode itself calls what it has declared deprecated.
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_the_grid_has_the_derivatives_of_the_points(family):
    size = (5, 4, 3)[-family.dims :]
    theta = testing.random_theta(family)
    gradient, target = testing.random_points(family.dims, 2, *size), st.target_points(size, dtype=torch.float64)
    moves = [lambda theta: family.grid(theta, size), lambda theta: family.points(theta, target)]
    close(*(torch.func.vjp(move, theta)[1](gradient)[0] for move in moves))
    close(*(torch.func.jvp(move, (theta,), (torch.ones_like(theta),))[1] for move in moves))
    close(torch.func.vmap(lambda row: family.grid(row[None], size)[0])(theta), family.grid(theta, size))


def test_an_empty_batch_gives_empty_points(family):
    theta, points = family.identity(0), testing.random_points(family.dims, 1, 4)
    assert theta.shape == (0, family.parameter_count)
    assert family.points(theta, points).shape == (0, 4, family.dims)
    assert family.jacobian(theta, points).shape == (0, 4, family.dims, family.dims)


def test_the_wider_dtype_of_theta_and_points_wins(family):
    theta, points = testing.random_theta(family), testing.random_points(family.dims, 1, 4)
    assert family.points(theta, points.float()).dtype == torch.float64
    assert family.points(theta.float(), points).dtype == torch.float64
    assert family.points(theta.float(), points.float()).dtype == torch.float32


def test_autocast_leaves_coordinates_in_full_precision(family):
    theta, points = testing.random_theta(family, dtype=torch.float32), st.target_points((9, 8, 7)[-family.dims :])
    expected = family.points(theta, points), family.jacobian(theta, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = family.points(theta, points), family.jacobian(theta, points)
    assert actual[0].dtype == torch.float32
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


def test_what_is_kept_of_a_grid_is_in_full_precision(family):
    theta, size = testing.random_theta(family, dtype=torch.float32), (9, 8, 7)[-family.dims :]
    expected, again = family.grid(theta, size), copy.deepcopy(family)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(again.grid(theta, size), expected)  # the first call of this one


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_conversion_to_another_dtype_loses_nothing(family, dtype):
    converted = copy.deepcopy(family).to(dtype)
    theta, points = testing.random_theta(family), testing.random_points(family.dims, 1, 4)
    assert torch.equal(converted.points(theta, points), family.points(theta, points))
    assert torch.equal(converted.identity(1, dtype=torch.float64), family.identity(1, dtype=torch.float64))


def test_constants_follow_the_family_to_its_device(family):
    moved = copy.deepcopy(family).to("meta")
    assert moved.identity(2).device.type == "meta"
    assert family.identity(2).device.type == "cpu"
    assert family.identity(2, device="meta").device.type == "meta"


def test_a_family_has_no_weights(family):
    assert list(family.parameters()) == []
    assert family.state_dict() == {}


def test_a_family_can_be_copied_and_saved(family):
    theta, points = testing.random_theta(family), testing.random_points(family.dims, 1, 4)
    file = io.BytesIO()
    torch.save(family, file)
    file.seek(0)
    for again in (copy.deepcopy(family), torch.load(file, weights_only=False)):
        assert str(again) == str(family)
        assert torch.equal(again.points(theta, points), family.points(theta, points))


def test_a_family_prints_its_arguments():
    assert str(st.Affine(dims=3)) == "Affine(dims=3)"
    assert str(st.Similarity(extent=(4, 3))) == "Similarity(dims=2, extent=(4.0, 3.0))"
    assert str(st.ThinPlateSpline((3, 5), stiffness=0.1)) == "ThinPlateSpline(control=(3, 5), stiffness=0.1)"


# PyTorch's forward mode itself calls what it has declared deprecated.
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_function_transforms_work(family):
    theta, points = testing.random_theta(family, batch=3), testing.random_points(family.dims, 3, 4)
    expected = family.points(theta, points)

    def of_one(row, own):
        return family.points(row[None], own[None])[0]

    close(torch.func.vmap(of_one)(theta, points), expected)
    derivative = torch.func.vmap(torch.func.jacfwd(of_one))(theta, points)  # (3, 4, D, P)
    close(derivative, torch.func.vmap(torch.func.jacrev(of_one))(theta, points))
    value, change = torch.func.jvp(lambda t: family.points(t, points), (theta,), (torch.ones_like(theta),))
    close(value, expected)
    close(change, derivative.sum(dim=-1))
