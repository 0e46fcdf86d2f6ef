import torch
from matplotlib.image import imread

import spatial_transformer as st
from stn_paper.attention import draw, first_transformer, pixels_read


def looking(*theta):
    """A transformer that looks at one place, or a set of them at several."""
    if len(theta) > 1:
        return st.ParallelTransformers(st.ConvLocaliser(1), st.Attention(), torch.tensor(theta), (8, 8))
    transformer = st.SpatialTransformer(st.ConvLocaliser(1), st.Attention(), (8, 8))
    with torch.no_grad():
        transformer.regression.bias.copy_(torch.tensor(theta[0]) - transformer.family.identity()[0])
    return transformer


def read(images, *theta):
    transformer = looking(*theta)
    return pixels_read(images, transformer.family, transformer.theta(images))


def test_the_identity_reads_everything_and_half_a_window_a_quarter():
    images = torch.rand(3, 1, 40, 40)
    assert read(images, (1.0, 0.0, 0.0)) == 100
    assert read(images, (0.5, 0.5, -0.5)) == 25


def test_what_lies_outside_is_not_read_and_what_is_read_twice_counts_once():
    images = torch.rand(3, 1, 40, 40)
    assert read(images, (0.5, 1.0, 0.0)) == 12.5
    assert read(images, (0.5, 0.5, 0.5), (0.5, 0.5, 0.0)) == 37.5


def test_a_picture_is_drawn_of_one_and_of_several(tmp_path):
    for name, transformer in {"one": looking((0.5, 0.5, 0.5)), "two": looking((0.5, 0.5, 0.5), (0.5, 0, 0))}.items():
        images = torch.rand(12, 1, 40, 40)
        with torch.inference_mode():
            warped, theta = transformer(images, return_theta=True)
        draw(images, transformer.family, theta, warped, tmp_path / f"{name}.png")
    heights = [len(imread(tmp_path / f"{name}.png")) for name in ("one", "two")]
    assert heights[1] > heights[0]


def test_the_first_transformer_is_found():
    transformer = looking((1.0, 0.0, 0.0))
    assert first_transformer(torch.nn.Sequential(torch.nn.ReLU(), transformer)) is transformer
    assert first_transformer(torch.nn.ReLU()) is None
