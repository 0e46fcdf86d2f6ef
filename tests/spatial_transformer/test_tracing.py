"""No public function reads a tensor's value while it is traced, transformed, or has no memory."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import spatial_transformer as st
from spatial_transformer import converters, guards, measures

# PyTorch's own compiler and exporter call what PyTorch has declared deprecated.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]

SIZES = (8, 6), (5, 7)
HERE, THERE = (converters.ImageGeometry(size, spacing=(0.5, 2.0)) for size in SIZES)
SPLINE, MESH, VOLUME = st.ThinPlateSpline((2, 3)), st.PiecewiseAffine((3, 3)), st.Rigid(3)
BOUND = guards.Bound(-1, 1)
AFFINE, ATTENTION = st.Affine(), st.Attention()

LOCALISER = st.ConvLocaliser(1, width=2)
KEYPOINTS = st.KeypointLocaliser(1, width=2).eval()
TRANSFORMER = st.SpatialTransformer(LOCALISER, AFFINE, (4, 5))
PARALLEL = st.ParallelTransformers(LOCALISER, ATTENTION, st.tile_starts(ATTENTION, (1, 2)), (3, 4))
PADDING = guards.ChannelPadding(st.SpatialTransformer(LOCALISER, AFFINE), (0.5,))
FCN, CNN = st.PaperFCNLocaliser(1, (6, 5)), st.PaperCNNLocaliser(1, (28, 28))


def turned(angle):
    return st.rotation_matrix(angle)


def vectors(angle):
    """(N, 2)."""
    return torch.stack([angle + 1, 1 - angle], dim=1)


def image(angle, *size):
    """(N, 1, *size), smooth."""
    size = size or (6, 5)
    return (
        (angle[:, None] * torch.arange(1.0, 1 + torch.Size(size).numel(), device=angle.device))
        .sin()
        .unflatten(1, (1, *size))
    )


def corners(angle):
    """(N, 4, 2)."""
    square = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=angle.device)
    return square * (1 + 0.1 * angle[:, None, None])


def moved(family):
    """(N, P) thetas a little off the identity."""
    return lambda angle: (
        family.identity(1, device=angle.device)
        + 0.1 * (angle[:, None] * torch.arange(1.0, 1 + family.parameter_count, device=angle.device)).sin()
    )


def points(angle):
    """(N, 3, 2)."""
    return corners(angle)[:, :3] / 2


def of(family, method, **how):
    return lambda angle: getattr(family, method)(moved(family)(angle), points(angle), **how)


def reading(family):
    return lambda angle: family.from_matrix(turned(angle))


def warped(family, **how):
    size = (6, 5, 4)[: family.dims]
    return lambda angle: st.warp(image(angle, *size), family, moved(family)(angle), **how)


def read(**how):
    return lambda angle: st.sample(image(angle), points(angle), **how)


def picked(angle):
    """Of two images, the second warped by each theta."""
    images = torch.arange(60.0, device=angle.device).reshape(2, 1, 6, 5)
    index = torch.ones_like(angle, dtype=torch.int64)
    return st.warp(images, AFFINE, AFFINE.from_matrix(turned(angle)), index=index)


def converting(name, **more):
    sizes = (HERE, THERE) if "simpleitk" in name else SIZES
    return lambda angle: getattr(converters, name)(turned(angle), *sizes, **more)


def compared(name):
    return lambda angle: getattr(measures, name)(image(angle, 12, 12), image(1.3 * angle, 12, 12))


def penalised(name, family):
    return lambda angle: getattr(guards, name)(family, moved(family)(angle))


# By public name, then what is tried of it.
CALLS = {
    "SpatialTransformer": lambda angle: TRANSFORMER(image(angle, 9, 8)),
    "ParallelTransformers": lambda angle: PARALLEL(image(angle, 9, 8)),
    "ConvLocaliser": lambda angle: LOCALISER(image(angle, 9, 8)),
    "KeypointLocaliser": lambda angle: KEYPOINTS(image(angle, 9, 8)),
    "PaperFCNLocaliser": lambda angle: FCN(image(angle)),
    "PaperCNNLocaliser": lambda angle: CNN(image(angle, 28, 28)),
    "Translation matrix": lambda angle: st.Translation().matrix(vectors(angle)),
    "Attention inverse": lambda angle: ATTENTION.inverse(moved(ATTENTION)(angle)),
    "Rigid from_matrix": reading(st.Rigid()),
    "Rigid in volumes": lambda angle: VOLUME.compose(*(moved(VOLUME)(angle),) * 2),
    "Similarity from_matrix": reading(st.Similarity()),
    "Affine from_matrix": reading(AFFINE),
    "Affine inverse": lambda angle: AFFINE.inverse(reading(AFFINE)(angle)),
    "Affine jacobian": of(AFFINE, "jacobian"),
    "Affine inverse_points": of(AFFINE, "inverse_points"),
    "Projective from_matrix": reading(st.Projective()),
    "Projective inverse_points": of(st.Projective(), "inverse_points"),
    "ThinPlateSpline bending_energy": lambda angle: SPLINE.bending_energy(moved(SPLINE)(angle)),
    "ThinPlateSpline folds": of(SPLINE, "folds"),
    "PiecewiseAffine inverse_points": of(MESH, "inverse_points", steps=2),  # all that is needed, and a smaller graph
    "PiecewiseAffine grid": lambda angle: MESH.grid(moved(MESH)(angle), (3, 4)),
    "BSpline jacobian": of(st.BSpline((3, 2)), "jacobian"),
    "Velocity inverse": lambda angle: st.Velocity((2, 2)).inverse(moved(st.Velocity((2, 2)))(angle)),
    "Displacement points": of(st.Displacement((3, 2)), "points"),
    "Structured points": of(st.Structured(torch.sin), "points"),
    "Kernel": read(mode=st.kernels.Lanczos(2)),
    "Linearised": read(mode=st.Linearised(2)),
    "sample": read(mode="bspline3", padding="reflection"),
    "warp": warped(AFFINE, mode="bicubic"),
    "warp with index": picked,
    "warp and average": warped(ATTENTION, antialias=2, size=(3, 2)),
    "fit_points": lambda angle: st.fit_points(AFFINE, corners(angle), 0.8 * corners(angle)),  # one step, not many
    "from_align_corners": lambda angle: st.from_align_corners(vectors(angle), (6, 5)),
    "to_align_corners": lambda angle: st.to_align_corners(vectors(angle), (6, 5)),
    "normalised_to_pixel": lambda angle: st.normalised_to_pixel(vectors(angle), (6, 5)),
    "pixel_to_normalised": lambda angle: st.pixel_to_normalised(vectors(angle), (6, 5)),
    "target_points": lambda angle: angle[:, None, None, None] * st.target_points((2, 3), device=angle.device),
    "rotation_matrix": turned,
    "scale_matrix": lambda angle: st.scale_matrix(vectors(angle)),
    "translation_matrix": lambda angle: st.translation_matrix(vectors(angle)),
    "perspective_matrix": lambda angle: st.perspective_matrix(corners(angle), 0.5 * corners(-angle)),
    "Region": lambda angle: AFFINE.region(moved(AFFINE)(angle), (6, 5)).box,
    "inconsistency": lambda angle: st.inconsistency(AFFINE, moved(AFFINE)(angle), moved(AFFINE)(-angle), image(angle)),
    "guards.Bound": lambda angle: BOUND(angle, torch.zeros_like(angle[:1])),
    "guards.ChannelPadding": lambda angle: PADDING(image(angle)),
    **{
        f"guards.{name} of {type(family).__name__}": penalised(name, family)
        for name in ("area_penalty", "scale_penalty", "fold_penalty", "identity_penalty")
        for family in (AFFINE, SPLINE)
    },
    "guards.outside_penalty": lambda angle: guards.outside_penalty(4 * corners(angle)),
    "guards.outside_fraction": lambda angle: guards.outside_fraction(4 * corners(angle)),
    **{f"measures.{name}": compared(name) for name in ("mse", "ncc", "local_ncc", "mutual_information")},
    **{
        f"converters.{way}_{name}": converting(f"{way}_{name}")
        for way in ("to", "from")
        for name in ("opencv", "skimage", "scipy", "kornia", "pixel_matrix", "simpleitk")
    },
    **{
        f"converters.{way}_{name}": converting(f"{way}_{name}", align_corners=True)
        for way in ("to", "from")
        for name in ("torch", "kornia_homography")
    },
    "converters.to_simpleitk about a center": converting("to_simpleitk", center=(1.0, 2.0)),
}

# What takes no tensor, or is an optimisation that goes on until it is good, and is never part of a forward.
NOT_TRACED = {
    *("Descent", "Registration", "Smoothness", "Verdict", "register", "register_chain", "feature_start"),
    *("Family", "backends", "compat", "converters", "guards", "kernels", "measures"),
    *("insert", "remove", "parameter_groups", "record_thetas", "tile_starts"),
    *("guards.CollapseMonitor", "guards.CollapseWarning", "guards.normalised_padding", "converters.ImageGeometry"),
}


def test_every_public_name_is_tried():
    public = {*st.__all__}
    public |= {f"{room.__name__.split('.')[-1]}.{name}" for room in (converters, guards) for name in room.__all__}
    public |= {f"measures.{measure.__name__}" for measure in (*measures.MEASURES.values(), measures.local_ncc)}
    assert public == {name.split()[0] for name in CALLS} | NOT_TRACED


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


# Networks have weights, which `.to("meta")` moves: test_devices does so.
WITHOUT_WEIGHTS = {name: call for name, call in CALLS.items() if "Transformer" not in name and "Localiser" not in name}


class Module(torch.nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, angle):
        return self.call(angle)


ANGLE, OTHER = torch.tensor([0.3, -0.2]), torch.tensor([-0.25, 0.4])


@torch.no_grad()
def test_it_is_exported(call):
    program = torch.export.export(Module(call), (ANGLE,))
    close(program.module()(OTHER), call(OTHER))


def test_vmap(call):
    close(torch.func.vmap(lambda angle: call(angle[None])[0])(ANGLE), call(ANGLE))


@pytest.mark.parametrize("name", [name for name in WITHOUT_WEIGHTS if "ChannelPadding" not in name])
def test_meta(name):
    call = CALLS[name]
    assert call(ANGLE.to("meta")).shape == call(ANGLE).shape


def test_fake(call):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert call(mode.from_tensor(ANGLE)).shape == call(ANGLE).shape


def test_one_graph(call):
    torch.compiler.reset()
    close(torch.compile(call, fullgraph=True, backend="eager")(OTHER), call(OTHER))


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
