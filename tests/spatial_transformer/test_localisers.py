"""Localisation networks: what they return, and how many weights they have."""

import copy

import onnxruntime
import pytest
import torch
from torch import nn

import spatial_transformer as st
from spatial_transformer import testing
from spatial_transformer.localisers import AveragedTo, averaging_matrix


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
        (st.KeypointLocaliser(3), (9, 8)),
        (st.KeypointLocaliser(3, dims=3, width=2), (5, 9, 8)),
    ],
    ids=["FCN", "CNN", "conv", "conv-narrow", "conv-3D", "keypoint", "keypoint-3D"],
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
    [
        lambda: st.PaperFCNLocaliser(1, (28, 28)),
        lambda: st.PaperCNNLocaliser(1, (28, 28)),
        lambda: st.ConvLocaliser(1),
        lambda: st.KeypointLocaliser(1),
    ],
)
def test_every_weight_gets_a_gradient(build):
    torch.manual_seed(0)
    localiser = build()
    localiser(torch.rand(4, 1, 28, 28)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in localiser.parameters())


def test_sizes_that_leave_nothing_for_the_second_convolution_are_refused():
    with pytest.raises(ValueError, match=r"every entry of `size` must be at least 28; got \(28, 27\)"):
        st.PaperCNNLocaliser(1, (28, 27))


def keypoints_of(maps, localiser):
    """What a localiser returns whose convolutions are replaced by given maps, as (N, 2, K, D): means and spreads."""
    localiser.maps = nn.Identity()
    features = localiser(maps)
    return features.unflatten(1, (maps.shape[1], 2, -1)).movedim(2, 1)


def test_a_feature_in_one_place_is_a_point_there_and_one_everywhere_is_in_the_middle():
    maps = torch.zeros(1, 32, 4, 8)
    maps[0, 0, 1, 6] = 100
    mean, spread = keypoints_of(maps, st.KeypointLocaliser(1))[0]
    torch.testing.assert_close(mean[0], torch.tensor([0.625, -0.25]))  # the centre of column 6 of 8, row 1 of 4
    torch.testing.assert_close(spread[0], torch.tensor([-(3**-0.5)] * 2), rtol=0, atol=1e-3)
    torch.testing.assert_close(mean[1:], torch.zeros(31, 2), rtol=0, atol=1e-6)
    of_columns = (torch.arange(-7, 8, 2) / 8).std(correction=0) - 3**-0.5
    torch.testing.assert_close(spread[1:, 0], of_columns.expand(31), rtol=0, atol=1e-6)


def test_keypoints_move_as_what_is_seen_moves():
    torch.manual_seed(0)
    localiser, image = st.KeypointLocaliser(1).eval(), torch.zeros(1, 1, 64, 64)
    image[..., 20:28, 20:28] = 5
    moved = image.roll((8, 16), (2, 3))  # whole places of the maps, which are a quarter of the size
    seen = [localiser.maps(i).flatten(2).softmax(2).unflatten(2, (16, 16)) for i in (image, moved)]
    torch.testing.assert_close(seen[0].roll((2, 4), (2, 3))[..., 4:12, 6:14], seen[1][..., 4:12, 6:14])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_keypoints_are_never_computed_in_half_precision(dtype):
    localiser, image = st.KeypointLocaliser(1).eval(), torch.rand(2, 1, 32, 32)
    localiser.maps = nn.Identity()
    localiser.sharpness = nn.Parameter(torch.ones(1))
    with torch.autocast("cpu", dtype):
        torch.testing.assert_close(localiser(image), localiser(image.double()).float(), rtol=0, atol=1e-6)


def averaged_by_pytorch(features, bins):
    pool = {4: nn.functional.adaptive_avg_pool2d, 5: nn.functional.adaptive_avg_pool3d}[features.ndim]
    return pool(features, bins)


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 5, 7])
def test_a_matrix_averages_as_pytorch_does(bins):
    for length in range(1, 41):
        line = testing.random_image((length, 1), dtype=torch.float64)
        ours = averaging_matrix(length, bins, line) @ line
        torch.testing.assert_close(ours, averaged_by_pytorch(line, (bins, 1)), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("size", "strict"), [((9, 17), True), ((6, 5, 7), False)], ids=["2D", "3D"])
def test_exported_the_map_may_have_another_size(size, strict):
    like = torch.rand(2, 3, *size)
    program = torch.export.export(AveragedTo(4), (like,), dynamic_shapes=(dynamic(like),), strict=strict).module()
    for length in (2, 3, 4, 5, 8, 11):
        features = testing.random_image((length, *size[1:]), dtype=torch.float32)
        torch.testing.assert_close(program(features), averaged_by_pytorch(features, 4), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_takes_batches_and_volumes_of_other_sizes():
    torch.manual_seed(0)
    localiser, like = st.ConvLocaliser(3, dims=3, width=2).eval(), torch.rand(2, 3, 17, 19, 9)
    options = {"dynamo": True, "verbose": False, "optimize": False}  # optimising takes as long as all else
    program = torch.onnx.export(localiser, (like,), dynamic_shapes=(dynamic(like),), **options)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for batch, *size in ((1, 17, 19, 9), (3, 10, 64, 30), (2, 9, 9, 9)):
        volumes = torch.rand(batch, 3, *size)
        (ours,) = session.run(None, {session.get_inputs()[0].name: volumes.numpy()})
        torch.testing.assert_close(torch.from_numpy(ours), localiser(volumes).detach(), rtol=0, atol=1e-6)


def dynamic(tensor):
    """Every axis but that of the channels may have another length than the exporter sees."""
    return {axis: torch.export.Dim.DYNAMIC for axis in range(tensor.ndim) if axis != 1}


def test_the_state_dict_is_that_of_pytorchs_layers():
    assert list(st.ConvLocaliser(1).state_dict()) == [
        f"{i}.{kind}" for i in (0, 2, 4, 6, 10) for kind in ("weight", "bias")
    ]


def mirrored(localiser):
    """The same network for images that are turned by half: kernels, and the map that the last layer reads, turned."""
    mirror = copy.deepcopy(localiser)
    for layer in mirror:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.flip(-1, -2)
        elif isinstance(layer, nn.Linear):
            layer.weight.data = layer.weight.data.unflatten(1, (-1, 4, 4)).flip(-1, -2).flatten(1)
    return mirror


@pytest.mark.parametrize("size", [(9, 17), (25, 33), (1, 41)], ids=str)
def test_conv_localiser_has_no_side_at_sizes_of_a_multiple_of_8_and_1(size):
    localiser, image = st.ConvLocaliser(2, width=2).double(), torch.rand(2, 2, *size, dtype=torch.float64)
    torch.testing.assert_close(mirrored(localiser)(image.flip(-1, -2)), localiser(image), rtol=0, atol=1e-14)


FAMILIES = [
    *(st.Translation(), st.Attention(), st.Rigid(), st.Similarity(), st.Affine(), st.Projective()),
    *(st.ThinPlateSpline((3, 3)), st.BSpline((3, 3)), st.Displacement((3, 3)), st.Velocity((3, 3))),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_training_on_mirrored_images_is_the_mirrored_training(family):
    """Objects lie to the upper left, or to the lower right, and are to be brought to the middle."""
    torch.manual_seed(0)
    size, goal = (17, 17), torch.zeros(1, 1, 17, 17, dtype=torch.float64)
    goal[..., 6:11, 6:11] = 1
    images = torch.cat([goal.roll((-dy, -dx), (-2, -1)) for dy in (1, 2, 3) for dx in (2, 4)])
    localiser = st.ConvLocaliser(1, width=2)
    ends = []
    for network, seen in ((localiser, images), (mirrored(localiser), images.flip(-1, -2))):
        model = st.SpatialTransformer(network, family, size, padding="border").double()
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(8):
            optimiser.zero_grad()
            (model(seen) - goal).square().mean().backward()
            optimiser.step()
        ends.append(model(seen).detach())
    assert (ends[0] - images).abs().max() > 0.01  # it has moved
    torch.testing.assert_close(ends[1].flip(-1, -2), ends[0], rtol=0, atol=1e-7)
