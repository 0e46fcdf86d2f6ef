"""Every library at every row, at a small size: they compute the same. How fast is not looked at here."""

import pytest
import torch

from stn_bench.agreement import disagreement, output
from stn_bench.passes import PASSES
from stn_bench.peers import PEERS, Differentiable, Opaque
from stn_bench.problem import problem
from stn_bench.rows import MATRIX, SECOND_ORDER

ROWS = {row.name: row.small() for row in (*MATRIX, *SECOND_ORDER)}
LIBRARIES = {peer.name: peer for peer in PEERS}
OTHERS = [name for name, peer in LIBRARIES.items() if name != "torch" and not peer.optional and not peer.is_floor]
# torch-interpol 0.3 has backslashes in its docstrings that Python does not know, and uses TorchScript.
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")


def calls(row, name):
    """The problem of a row, and what a library and torch do with it; skips what does not apply."""
    peer = LIBRARIES[name]
    if peer.missing():
        pytest.skip(peer.missing())
    given = problem(ROWS[row])
    call = peer.prepare(given)
    if call is None:
        pytest.skip(f"{name} does not do {row}")
    return given, call, LIBRARIES["torch"].prepare(given)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("row", ROWS)
def test_libraries_agree(row, name):
    given, call, reference = calls(row, name)
    assert output(call).shape == given.row.shape
    assert disagreement(given, call, reference) <= min(call.tolerance, 0.1)


def test_what_differs_is_noticed():
    given, call, reference = calls("16x3x224x224", "ours")
    turned = Differentiable(call.function, call.image, call.parameter + 0.05)
    assert disagreement(given, turned, reference) > call.tolerance


@pytest.mark.parametrize("name", ["ours", "Kornia", "torch-interpol"])
@pytest.mark.parametrize("row", ROWS)
def test_gradients_of_the_image_agree(row, name):
    """Well inside, where every library reads the same pixels."""
    given, call, reference = calls(row, name)
    inner = (slice(None), slice(None), *(slice(n // 3, -(n // 3)) for n in given.row.size))
    theirs, torchs = (PASSES["both"].of(one, given.cotangent)()[1][inner] for one in (call, reference))
    if given.row.warp == "tps" and name == "Kornia":
        return  # another spline
    assert torchs.abs().max() > 0.1
    assert (theirs - torchs).abs().max() < 1e-4


@pytest.mark.parametrize("row", ROWS)
def test_gradients_of_theta_and_points_agree_with_torch(row):
    given, ours, reference = calls(row, "ours")
    mine, torchs = (PASSES["theta"].of(call, given.cotangent)()[1] for call in (ours, reference))
    assert mine.shape == torchs.shape
    assert (mine - torchs).abs().mean() < 1e-3 * torchs.abs().mean()


@pytest.mark.parametrize("row", [row.name for row in SECOND_ORDER])
def test_gradients_of_gradients_agree_with_torch(row):
    given, ours, reference = calls(row, "ours")
    for mine, torchs in zip(*(PASSES["double"].of(c, given.cotangent)()[1:] for c in (ours, reference)), strict=True):
        assert (mine - torchs).abs().mean() < 1e-3 * torchs.abs().mean()


@pytest.mark.parametrize("pass_", PASSES)
def test_a_pass_returns_the_output_and_the_gradients_it_is_named_after(pass_):
    given, call, _ = calls("256x1x42x42", "ours")
    shapes = {"forward": [], "theta": [(2, 6)]}.get(pass_, [given.row.shape, (2, 6)])
    assert [tuple(x.shape) for x in PASSES[pass_].of(call, given.cotangent)()] == [given.row.shape, *shapes]


def test_libraries_without_gradients_have_one_pass():
    given, call, _ = calls("256x1x42x42", "OpenCV")
    assert isinstance(call, Opaque)
    assert [name for name, one in PASSES.items() if one.of(call, given.cotangent)] == ["forward"]


def test_the_floor_copies_the_image():
    given = problem(ROWS["256x1x42x42"])
    for name in ("memcpy", "clone"):
        copy = output(LIBRARIES[name].prepare(given))
        assert torch.equal(copy, given.image)
        assert copy.data_ptr() != given.image.data_ptr()


@pytest.mark.parametrize("row", ROWS)
def test_images_lie_in_memory_as_the_row_says(row):
    given = problem(ROWS[row])
    layout = torch.channels_last if given.row.channels_last else torch.contiguous_format
    assert given.image.is_contiguous(memory_format=layout)
    assert given.cotangent.is_contiguous(memory_format=layout)


def test_names_of_rows_differ():
    for rows in (MATRIX, SECOND_ORDER):
        assert len({row.name for row in rows}) == len(rows)
