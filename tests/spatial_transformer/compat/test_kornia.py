"""Kornia's own functions as the oracle."""

import sys

import pytest
import torch
from kornia.geometry import transform

import spatial_transformer as st
from spatial_transformer import compat, converters, testing
from spatial_transformer.compat import speed

SOURCE, TARGET = (17, 11), (13, 19)
PAIRS = {
    "affine": (compat.kornia.warp_affine, transform.warp_affine),
    "perspective": (compat.kornia.warp_perspective, transform.warp_perspective),
}


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    monkeypatch.setattr(speed, "FEWEST_VALUES_OF_KORNIA", 0)
    monkeypatch.setattr(speed, "FEWEST_VALUES", dict.fromkeys(speed.FEWEST_VALUES, 0))


@pytest.fixture
def warps(monkeypatch):
    """How often this library warps by itself."""
    counted, warp = [], st.warp
    monkeypatch.setattr(compat.kornia, "warp", lambda *a, **b: counted.append(1) or warp(*a, **b))
    return counted


def matrices(kind, dtype=torch.float64, batch=2):
    family = st.Affine() if kind == "affine" else st.Projective()
    theta = testing.random_theta(family, spread=0.2, batch=batch)
    matrix = converters.to_kornia(family.matrix(theta), SOURCE, TARGET).to(dtype)
    return matrix[:, :2] if kind == "affine" else matrix


def image(dtype=torch.float64):
    return testing.random_image(SOURCE, dtype=dtype)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "fill"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("kind", PAIRS)
def test_values_and_gradients_of_the_image(kind, mode, padding, warps):
    ours, theirs = PAIRS[kind]
    for align_corners in (False, True):
        found = []
        for function in (ours, theirs):
            pixels = image().requires_grad_()
            value = function(pixels, matrices(kind), TARGET, mode, padding, align_corners)
            found.append((value, *torch.autograd.grad(value.square().sum(), pixels)))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert len(warps) == 2 * (mode != "nearest" and padding in ("zeros", "border"))


@pytest.mark.parametrize("kind", PAIRS)
def test_gradients_of_the_matrix_are_those_of_kornia_also_where_cells_meet(kind):
    ours, theirs = PAIRS[kind]
    for start in (matrices(kind), torch.eye(3, dtype=torch.float64)[: 2 if kind == "affine" else 3].repeat(2, 1, 1)):
        found = []
        for function in (ours, theirs):
            matrix = start.clone().requires_grad_()
            value = function(image(), matrix, SOURCE)
            found.append(torch.autograd.grad(value.square().sum(), matrix)[0])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", PAIRS)
def test_one_matrix_for_all(kind, warps):
    ours, theirs = PAIRS[kind]
    if kind == "affine":
        torch.testing.assert_close(
            ours(image(), matrices(kind)[:1], TARGET), theirs(image(), matrices(kind)[:1], TARGET)
        )
        assert warps
    pixels = testing.random_image(SOURCE, batch=1)
    with pytest.raises(RuntimeError) as expected:
        theirs(pixels, matrices(kind, torch.float32), TARGET)
    with pytest.raises(RuntimeError) as found:
        ours(pixels, matrices(kind, torch.float32), TARGET)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("kind", PAIRS)
def test_float32_is_as_near_to_the_exact_picture(kind):
    _, theirs = PAIRS[kind]
    exact = theirs(image(torch.float32).double(), matrices(kind, torch.float32).double(), TARGET)
    errors = [
        (function(image(torch.float32), matrices(kind, torch.float32), TARGET) - exact).abs().max()
        for function in PAIRS[kind]
    ]
    assert errors[0] <= max(errors[1], 2e-6)


def test_behind_the_horizon_as_kornia_shows_it(warps):
    matrix = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 1.0]]], dtype=torch.float64)
    matrix = matrix.expand(2, -1, -1)
    ours, theirs = (function(image(), matrix, TARGET) for function in PAIRS["perspective"])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype, warps):
    for ours, theirs in PAIRS.values():
        matrix = matrices("affine" if ours is compat.kornia.warp_affine else "perspective", dtype)
        assert torch.equal(ours(image(dtype), matrix, TARGET), theirs(image(dtype), matrix, TARGET))
    assert not warps


MISTAKES = {
    "no tensor": (None, torch.eye(3)[None], TARGET),
    "no batch": (torch.ones(1, 4, 4), torch.eye(3)[None], TARGET),
    "matrix": (torch.ones(1, 1, 4, 4), torch.eye(4)[None], TARGET),
    "size": (torch.ones(1, 1, 4, 4), torch.eye(3)[None], (-1, 4)),
}


@pytest.mark.parametrize("arguments", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_refused_as_kornia_refuses_them(arguments):
    for ours, theirs in PAIRS.values():
        with pytest.raises((TypeError, ValueError, RuntimeError)) as expected:
            theirs(*arguments)
        with pytest.raises(expected.type) as found:
            ours(*arguments)
        assert str(found.value) == str(expected.value)


def test_a_singular_matrix_and_no_pixels_are_left_to_kornia(warps):
    for ours, theirs in PAIRS.values():
        rows = 2 if ours is compat.kornia.warp_affine else 3
        nothing = torch.zeros(2, rows, 3, dtype=torch.float64)
        torch.testing.assert_close(ours(image(), nothing, TARGET), theirs(image(), nothing, TARGET), equal_nan=True)
        assert ours(image(), nothing + torch.eye(rows, 3), (0, 4)).shape == (2, 3, 0, 4)
    assert not warps


def test_without_kornia(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", None)
    monkeypatch.setitem(sys.modules, "kornia.geometry", None)
    with pytest.raises(ModuleNotFoundError, match="pip install kornia"):
        compat.kornia.warp_affine(image(), matrices("affine"), TARGET, "nearest")
