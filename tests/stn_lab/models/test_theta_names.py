"""A parameter's name says what it does."""

import pytest
import torch

from stn_lab.models.build import FAMILIES
from stn_lab.models.theta_names import theta_names


@pytest.mark.parametrize("name", FAMILIES)
def test_each_parameter_has_a_name_of_its_own(name):
    family = FAMILIES[name]()
    assert len(set(theta_names(family))) == len(theta_names(family)) == family.parameter_count


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_named_after_an_axis_moves_points_along_it_only(name):
    family = FAMILIES[name]()
    grid = torch.cartesian_prod(*2 * [torch.linspace(-0.9, 0.9, 7)])  # (49, 2)
    for p, called in enumerate(theta_names(family)):
        theta = family.identity(1)
        theta[0, p] += 0.1
        moved = (family.points(theta, grid)[0] - grid).abs().amax(dim=0) > 1e-5  # (2,)
        along_x = "x" in called.split() or called.startswith("θ1")
        along_y = "y" in called.split() or called.startswith("θ2")
        assert moved.tolist() == ([along_x, along_y] if along_x or along_y else [True, True]), called


def test_points_are_numbered_row_by_row():
    family = FAMILIES["tps"]()
    lattice = dict(zip(theta_names(family), family.identity(1)[0].tolist(), strict=True))
    assert [lattice[f"x of point {k}"] for k in (1, 4, 5)] == [-1, 1, -1]
    assert lattice["y of point 4"] == -1 < lattice["y of point 5"]
