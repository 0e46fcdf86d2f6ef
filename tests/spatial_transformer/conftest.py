"""The one test matrix: every family, mode, padding and backend that the tests run with."""

import itertools

import pytest
import torch

import spatial_transformer as st
from spatial_transformer import backends, testing

FAMILIES = [
    st.Translation(),
    st.Translation(dims=3),
    st.Attention(),
    st.Attention(dims=3),
    st.Rigid(),
    st.Rigid(extent=(640, 480)),
    st.Rigid(dims=3),
    st.Rigid(dims=3, extent=(4, 3, 2)),
    st.Similarity(),
    st.Similarity(extent=(640, 480)),
    st.Similarity(dims=3),
    st.Similarity(dims=3, extent=(4, 3, 2)),
    st.Affine(),
    st.Affine(dims=3),
    st.Projective(),
    st.Projective(dims=3),
    st.ThinPlateSpline((4, 4)),
    st.ThinPlateSpline((2, 2)),
    st.ThinPlateSpline((3, 5), stiffness=0.1),
    st.ThinPlateSpline((2, 3, 2)),
    st.ThinPlateSpline((2, 2, 2), stiffness=0.1),
    st.ThinPlateSpline(testing.random_points(2, 5, seed=9)),
    st.ThinPlateSpline(testing.random_points(3, 6, seed=9), stiffness=0.1),
    st.PiecewiseAffine((3, 4)),
    st.PiecewiseAffine((2, 3, 2)),
    st.BSpline((3, 4)),
    st.BSpline((2, 3, 2)),
    st.Velocity((3, 2), steps=2, resolution=(6, 5)),
    st.Velocity((2, 2, 2), steps=1, resolution=(3, 4, 3)),
    st.Displacement((4, 3)),
    st.Displacement((2, 1, 3)),
    st.Structured(testing.random_image((4, 5), batch=1, channels=2)[0]),
    st.Structured(testing.random_image((3, 2, 4), batch=1, channels=3)[0]),
    st.Structured(torch.sin),
]
CPU = torch.device("cpu")

# The tensors here are so small that a second thread only costs time.
torch.set_num_threads(1)


@pytest.fixture(params=FAMILIES, ids=str)
def family(request):
    return request.param


@pytest.fixture(params=[family for family in FAMILIES if isinstance(family, st.families.MatrixFamily)], ids=str)
def matrix_family(request):
    return request.param


@pytest.fixture
def tested_families():
    return FAMILIES


@pytest.fixture(params=testing.MODES)
def mode(request):
    return request.param


@pytest.fixture(params=testing.PADDINGS)
def padding(request):
    return request.param


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def dims(request):
    return request.param


@pytest.fixture(params=[backend.name for backend in backends.BACKENDS if backend.unavailable(CPU) is None])
def backend(request):
    with backends.use(request.param):
        yield request.param


def pytest_collection_modifyitems(config, items):
    """Of the cases of a test marked `pairwise`, run so many that any two values still meet in one, on each backend.

    What goes wrong for one value, or for two together, is still seen; there are far fewer cases than in the product.
    """
    tests = {}
    for item in items:
        if item.get_closest_marker("pairwise"):
            tests.setdefault((item.nodeid.split("[")[0], item.callspec.params.get("backend")), []).append(item)
    left_out = {item for cases in tests.values() for item in set(cases) - set(covering(cases))}
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=list(left_out))


def covering(cases):
    """Cases in which all pairs of values occur: the next is always the first of those with most pairs not seen yet."""
    values = {case: [(name, repr(value)) for name, value in case.callspec.params.items()] for case in cases}
    pairs = {case: set(itertools.combinations(values[case], 2)) for case in cases}
    missing, chosen = set().union(*pairs.values()), []
    while missing:
        chosen.append(max(cases, key=lambda case: len(pairs[case] & missing)))
        missing -= pairs[chosen[-1]]
    return chosen
