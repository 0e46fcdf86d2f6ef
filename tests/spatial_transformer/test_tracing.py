"""No public function reads a tensor's value while it is traced, transformed, or has no memory."""

import pytest
import torch

import spatial_transformer as st

CONVERTERS = ["opencv", "skimage", "scipy", "kornia"]
SIZES = (8, 6), (5, 7)

AFFINE, BOUND = st.Affine(), st.guards.Bound(-1, 1)


def turned(angle):
    return st.rotation_matrix(angle)


def reading(family):
    return lambda angle: family.from_matrix(turned(angle))


def converting(name):
    return lambda angle: getattr(st.converters, name)(turned(angle), *SIZES)


def picked(angle):
    """Of two images, the second warped by each theta."""
    images = torch.arange(60.0, device=angle.device).reshape(2, 1, 6, 5)
    index = torch.ones(len(angle), dtype=torch.int64, device=angle.device)
    return st.warp(images, AFFINE, AFFINE.from_matrix(turned(angle)), index=index)


CALLS = {
    "warp with index": picked,
    **{str(family): reading(family) for family in (st.Rigid(), st.Similarity(), st.Affine(), st.Projective())},
    **{f"{way}_{name}": converting(f"{way}_{name}") for way in ("to", "from") for name in CONVERTERS},
    "inverse": lambda angle, f=AFFINE: f.inverse(f.from_matrix(turned(angle))),
    "bound": lambda angle, bound=BOUND: bound(angle, torch.zeros_like(angle[:1])),
}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


class Module(torch.nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, angle):
        return self.call(angle)


ANGLE = torch.tensor([0.3, -0.2])


def test_it_is_exported(call):
    program = torch.export.export(Module(call), (ANGLE,))
    torch.testing.assert_close(program.module()(ANGLE), call(ANGLE))


def test_vmap(call):
    batched = torch.func.vmap(lambda angle: call(angle[None])[0])(ANGLE)
    torch.testing.assert_close(batched, call(ANGLE))


def test_meta(call):
    assert call(ANGLE.to("meta")).shape == call(ANGLE).shape


def test_one_graph(call):
    torch.testing.assert_close(torch.compile(call, fullgraph=True, backend="eager")(ANGLE), call(ANGLE))
