"""Localisation networks: what they return, and how many weights they have."""

import pytest
import torch

import spatial_transformer as st


def weights(localiser):
    return sum(parameter.numel() for parameter in localiser.parameters())


@pytest.mark.parametrize(
    ("localiser", "size"),
    [
        (st.PaperFCNLocaliser(3, (17, 11)), (17, 11)),
        (st.PaperCNNLocaliser(3, (28, 31)), (28, 31)),
        (st.ConvLocaliser(3), (9, 8)),
        (st.ConvLocaliser(3, width=3, out_features=5), (9, 8)),
        (st.ConvLocaliser(3, dims=3, width=2), (5, 9, 8)),
    ],
    ids=["FCN", "CNN", "conv", "conv-narrow", "conv-3D"],
)
def test_features_are_as_many_as_the_localiser_says(localiser, size):
    for batch in (0, 1, 4):
        assert localiser(torch.rand(batch, 3, *size)).shape == (batch, localiser.out_features)


def test_paper_networks_have_the_weights_of_the_paper():
    assert weights(st.PaperFCNLocaliser(1, (28, 28))) == (784 + 1) * 32 + 2 * (32 + 1) * 32
    # 28 -> 14 (halved) -> 10 (conv) -> 5 (pool) -> 1 (conv)
    assert weights(st.PaperCNNLocaliser(1, (28, 28))) == (25 + 1) * 20 + (25 * 20 + 1) * 20 + (20 + 1) * 20


@pytest.mark.parametrize("size", [(28, 28), (29, 33), (42, 42), (60, 100)], ids=str)
def test_paper_cnn_fits_every_size_from_28(size):
    assert st.PaperCNNLocaliser(2, size)(torch.rand(2, 2, *size)).shape == (2, 20)


def test_paper_cnn_halves_its_input_by_averaging():
    localiser, image = st.PaperCNNLocaliser(1, (28, 28)), torch.rand(2, 1, 28, 28)
    averages = torch.nn.functional.avg_pool2d(image, 2).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(localiser(averages), localiser(image))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 11), (64, 64), (1, 1, 1), (3, 1, 9)], ids=str)
def test_conv_localiser_takes_inputs_of_any_size(size):
    localiser = st.ConvLocaliser(2, dims=len(size), width=2)
    assert localiser(torch.rand(2, 2, *size)).shape == (2, 32)


def test_conv_localiser_sees_where_things_are():
    torch.manual_seed(0)
    localiser = st.ConvLocaliser(1)
    image = torch.zeros(2, 1, 32, 32)
    image[0, 0, 4, 4] = image[1, 0, 20, 20] = 100
    left, right = localiser(image)
    assert not torch.allclose(left, right, rtol=0.1)


@pytest.mark.parametrize(
    "build",
    [lambda: st.PaperFCNLocaliser(1, (28, 28)), lambda: st.PaperCNNLocaliser(1, (28, 28)), lambda: st.ConvLocaliser(1)],
)
def test_every_weight_gets_a_gradient(build):
    torch.manual_seed(0)
    localiser = build()
    localiser(torch.rand(4, 1, 28, 28)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in localiser.parameters())


def test_sizes_that_leave_nothing_for_the_second_convolution_are_refused():
    with pytest.raises(ValueError, match=r"every entry of `size` must be at least 28; got \(28, 27\)"):
        st.PaperCNNLocaliser(1, (28, 27))
