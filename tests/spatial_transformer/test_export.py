"""What is exported does for other values, batches and sizes what it does eagerly."""

import onnxruntime
import pytest
import torch

import spatial_transformer as st
from spatial_transformer import testing

DYNAMIC = torch.export.Dim.DYNAMIC
# PyTorch's own exporters call what PyTorch has declared deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


class Averaged(torch.nn.Module):
    """Shrinks images, with as many samples as theta asks for."""

    def __init__(self, family, **how):
        super().__init__()
        self.family, self.how = family, how

    def forward(self, image, theta):
        return st.warp(image, self.family, theta, (4, 3, 3)[: self.family.dims], antialias=True, **self.how)


def inputs(family, seed):
    """Images and thetas, one of which has run away."""
    image = testing.random_image((9, 8, 6)[: family.dims], channels=1, seed=seed)
    theta = testing.random_theta(family, dtype=torch.float32, spread=0.05, seed=seed)
    theta[1] *= 1 + 10 * seed
    return image, theta


def onnx(program, *inputs):
    """What ONNX's runtime makes of an exported program."""
    model = torch.onnx.export(program, verbose=False, optimize=False)  # optimising takes as long as all else
    session = onnxruntime.InferenceSession(model.model_proto.SerializeToString())
    names = [one.name for one in session.get_inputs()]
    return torch.from_numpy(session.run(None, dict(zip(names, [value.numpy() for value in inputs], strict=True)))[0])


FAMILIES = [st.Attention(), st.Affine(3), st.Projective(), st.ThinPlateSpline((2, 2)), st.Displacement((4, 3))]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_antialiasing_is_traced(family):
    traced = torch.jit.trace(Averaged(family), inputs(family, 0))
    torch.testing.assert_close(traced(*inputs(family, 1)), Averaged(family)(*inputs(family, 1)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", ["border", 0.5])
def test_antialiasing_is_exported(padding):
    module = Averaged(st.Attention(), padding=padding)
    program = torch.export.export(module, inputs(module.family, 0))
    other = inputs(module.family, 1)
    torch.testing.assert_close(program.module()(*other), module(*other), rtol=0, atol=1e-5)
    if padding == "border":
        torch.testing.assert_close(onnx(program, *other), module(*other), rtol=0, atol=1e-5)


def test_antialiasing_without_values_has_the_shape_of_the_output():
    family = st.Affine()
    image, theta = inputs(family, 1)
    assert Averaged(family)(image.to("meta"), theta.to("meta")).shape == Averaged(family)(image, theta).shape


def test_vectorised_antialiasing_asks_for_a_number():
    family = st.Affine()
    with pytest.raises(ValueError, match=r"`antialias=True` .* `torch.vmap` .* Pass a number, such as `antialias=4`"):
        torch.vmap(lambda image, theta: Averaged(family)(image[None], theta[None]))(*inputs(family, 1))


def trained(family, **how):
    transformer = st.SpatialTransformer(st.ConvLocaliser(1, dims=family.dims, width=2), family, **how).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in (transformer.regression.weight, transformer.regression.bias):
        torch.nn.init.normal_(parameter, std=0.03, generator=generator)
    return transformer


@pytest.mark.parametrize(
    "transformer",
    [
        trained(st.Affine()),
        trained(st.Affine(3), size=(3, 4, 5), mode="bicubic", padding="reflection"),
        trained(st.BSpline((3, 4)), padding="border"),
    ],
    ids=["images", "volumes to a size", "splines"],
)
def test_a_transformer_takes_other_batches_and_sizes(transformer):
    dims = transformer.family.dims
    image = testing.random_image((19, 17, 15)[:dims], channels=1)
    open_ = {axis: DYNAMIC for axis in range(2 + dims) if axis != 1}
    program = torch.export.export(transformer, (image,), dynamic_shapes=(open_,))
    for batch, size in ((3, (12, 23, 10)), (1, (27, 13, 18))):
        other = testing.random_image(size[:dims], batch=batch, channels=1)
        torch.testing.assert_close(program.module()(other), transformer(other), rtol=0, atol=1e-5)
    if transformer.family.dims == 2 and isinstance(transformer.family, st.Affine):
        torch.testing.assert_close(onnx(program, other), transformer(other), rtol=0, atol=1e-5)
