"""Bad input: the message names the argument, what was expected and what came, and the repair where there is one."""

import re

import pytest
import torch
from torch import nn

import spatial_transformer as st

IMAGE = torch.rand(2, 3, 5, 4)
VOLUME = torch.rand(2, 3, 5, 4, 3)
LABELS = torch.ones(2, 1, 5, 4, dtype=torch.uint8)
POINTS = torch.zeros(2, 6, 2)
AFFINE = st.Affine()
THETA = AFFINE.identity(2)
LOCALISER = st.ConvLocaliser(3, width=2)
INF, NAN = float("inf"), float("nan")


def transformer(**options):
    return st.SpatialTransformer(**({"localiser": LOCALISER, "family": AFFINE} | options))


class Talkative(nn.Module):
    """Says that it returns 5 features, and returns 6."""

    out_features = 5

    def forward(self, image):
        return image.flatten(1)[:, :6]


# What is called, the error and its message, in which " … " stands for any text.
BAD = {
    # Images
    "image is no tensor": (
        lambda: st.sample([[1.0]], POINTS),
        "TypeError: `image` must be a torch.Tensor; got list. Wrap it: `torch.as_tensor(image)`",
    ),
    "image without batch": (
        lambda: st.sample(IMAGE[0], POINTS),
        "ValueError: `image` must have shape (N, C, H, W) or (N, C, D, H, W); got (3, 5, 4) … `image[None]`",
    ),
    "image with too many axes": (
        lambda: st.sample(VOLUME[None], POINTS),
        "ValueError: `image` must have shape … ; got (1, 2, 3, 5, 4, 3).",
    ),
    "image without pixels": (
        lambda: st.sample(IMAGE[..., :0], POINTS),
        "ValueError: `image` must have at least one pixel along every axis; got (2, 3, 5, 0)",
    ),
    "padding that is no number": (
        lambda: st.sample(IMAGE, POINTS, padding=float("nan")),
        "ValueError: `padding` must be a finite number, as it is blended with pixels; got nan",
    ),
    "target points in half precision": (
        lambda: st.target_points((4, 4), dtype=torch.float16),
        "TypeError: `dtype` must be float32 or float64, because coordinates in less would be off; got torch.float16",
    ),
    "identity in half precision": (
        lambda: AFFINE.identity(1, dtype=torch.bfloat16),
        "TypeError: `dtype` must be float32 or float64, because coordinates in less would be off; got torch.bfloat16",
    ),
    "image of a storage dtype": (
        lambda: st.sample(LABELS.to(torch.uint16), POINTS, mode="nearest"),
        "TypeError: `image` must be one of float16, … complex128; got torch.uint16. Convert it to the next wider one",
    ),
    "volume for a 2D family": (
        lambda: st.warp(VOLUME, AFFINE, THETA),
        "ValueError: `image` must have shape (N, C, H, W); got (2, 3, 5, 4, 3)",
    ),
    "image for a 3D family": (
        lambda: st.warp(IMAGE, st.Affine(3), st.Affine(3).identity(2)),
        "ValueError: `image` must have shape (N, C, D, H, W); got (2, 3, 5, 4)",
    ),
    "volume for a 2D transformer": (
        lambda: transformer()(VOLUME),
        "ValueError: `image` must have shape (N, C, H, W); got (2, 3, 5, 4, 3)",
    ),
    # Integer images
    "labels blended": (
        lambda: st.sample(LABELS, POINTS),
        'TypeError: `image` is torch.uint8, which `mode="bilinear"` cannot blend. Pass `image.float()`, or '
        '`mode="nearest"`',
    ),
    "labels blended by a warp": (
        lambda: st.warp(LABELS, AFFINE, THETA, mode="bicubic"),
        'TypeError: `image` is torch.uint8, which `mode="bicubic"` cannot blend',
    ),
    "gradient through labels": (
        lambda: st.warp(LABELS, AFFINE, THETA.clone().requires_grad_(), mode="nearest"),
        "TypeError: `image` is torch.uint8, through which no gradient can flow … detach theta",
    ),
    "fill that labels cannot hold": (
        lambda: st.sample(LABELS, POINTS, mode="nearest", padding=256),
        "ValueError: `padding` must be a value that torch.uint8 holds, 0 to 255; got 256",
    ),
    "fill between two labels": (
        lambda: st.sample(LABELS, POINTS, mode="nearest", padding=0.5),
        "ValueError: `padding` must be a value that torch.uint8 holds, 0 to 255; got 0.5",
    ),
    "fill of a mask": (
        lambda: st.sample(LABELS.bool(), POINTS, mode="nearest", padding=2),
        "ValueError: `padding` must be a value that torch.bool holds, 0 to 1; got 2",
    ),
    "infinite label": (
        lambda: st.sample(LABELS, POINTS, mode="nearest", padding=INF),
        "ValueError: `padding` must be a value that torch.uint8 holds, 0 to 255; got inf",
    ),
    # Points
    "points are no tensor": (
        lambda: st.sample(IMAGE, [0.0, 0.0]),
        "TypeError: `points` must be a torch.Tensor; got list",
    ),
    "points with three coordinates": (
        lambda: st.sample(IMAGE, torch.zeros(2, 6, 3)),
        "ValueError: the last axis of `points` must hold 2 coordinates (x, y); got shape (2, 6, 3)",
    ),
    "points with two coordinates": (
        lambda: st.sample(VOLUME, POINTS),
        "ValueError: the last axis of `points` must hold 3 coordinates (x, y, z); got shape (2, 6, 2)",
    ),
    "a number for points": (
        lambda: st.sample(IMAGE, torch.tensor(0.0)),
        "ValueError: the last axis of `points` must hold 2 coordinates (x, y); got shape ()",
    ),
    "one point without batch": (
        lambda: st.sample(IMAGE, torch.zeros(2)),
        "ValueError: `points` must have shape (N, ..., 2); got (2,). Pass `points[None]`",
    ),
    "points of another batch": (
        lambda: st.sample(IMAGE, torch.zeros(3, 6, 2)),
        "ValueError: `points` must have as many rows as `image` has images, 2, or one for all; got 3 (shape (3, 6, 2))",
    ),
    "half points": (
        lambda: st.sample(IMAGE.half(), POINTS.half()),
        "TypeError: `points` must be float32 or float64 … ; got torch.float16. Pass `points.float()`",
    ),
    "bfloat16 points of a family": (
        lambda: AFFINE.points(THETA, POINTS.bfloat16()),
        "TypeError: `points` must be float32 or float64 … ; got torch.bfloat16",
    ),
    "whole points": (
        lambda: AFFINE.points(THETA, POINTS.long()),
        "TypeError: `points` must be float32 or float64 … ; got torch.int64",
    ),
    "points of a family with three coordinates": (
        lambda: AFFINE.points(THETA, torch.zeros(6, 3)),
        "ValueError: the last axis of `points` must hold 2 coordinates (x, y); got shape (6, 3)",
    ),
    "points of a jacobian": (
        lambda: AFFINE.jacobian(THETA, torch.zeros(6, 3)),
        "ValueError: the last axis of `points` must hold 2 coordinates",
    ),
    "points on another device": (
        lambda: st.sample(IMAGE, POINTS.to("meta")),
        "ValueError: `image` and `points` must be on one device; got cpu and meta. Pass `points.to(image.device)`",
    ),
    "points to convert": (
        lambda: st.normalised_to_pixel(POINTS, (4, 5, 6)),
        "ValueError: the last axis of `points` must hold 3 coordinates (x, y, z); got shape (2, 6, 2)",
    ),
    "pixels to convert": (
        lambda: st.pixel_to_normalised(POINTS, (4, 5, 6)),
        "ValueError: the last axis of `pixels` must hold 3 coordinates",
    ),
    # theta
    "theta is no tensor": (
        lambda: st.warp(IMAGE, AFFINE, [1.0] * 6),
        "TypeError: `theta` must be a torch.Tensor; got list",
    ),
    "theta as a matrix": (
        lambda: st.warp(IMAGE, AFFINE, torch.zeros(2, 2, 3)),
        "ValueError: `theta` must have shape (N, 6) for `Affine(dims=2)`; got (2, 2, 3). Pass "
        "`family.from_matrix(theta)`",
    ),
    "theta without batch": (
        lambda: AFFINE.points(THETA[0], POINTS),
        "ValueError: `theta` must have shape (N, 6) for `Affine(dims=2)`; got (6,). Pass `theta[None]`",
    ),
    "theta too long": (
        lambda: st.ThinPlateSpline((2, 2)).points(torch.zeros(2, 32), POINTS),
        "ValueError: `theta` must have shape (N, 8) for `ThinPlateSpline(control=(2, 2), stiffness=0.0)`; got (2, 32).",
    ),
    "theta of a grid": (lambda: AFFINE.grid(torch.zeros(2, 5), (4, 4)), "ValueError: `theta` must have shape (N, 6)"),
    "theta of a jacobian": (
        lambda: AFFINE.jacobian(torch.zeros(2, 5), POINTS),
        "ValueError: `theta` must have shape (N, 6)",
    ),
    "theta of a matrix": (lambda: AFFINE.matrix(torch.zeros(2, 5)), "ValueError: `theta` must have shape (N, 6)"),
    "theta to compose": (
        lambda: AFFINE.compose(THETA, torch.zeros(2, 5)),
        "ValueError: `theta` must have shape (N, 6) … got (2, 5)",
    ),
    "theta of a bending energy": (
        lambda: st.ThinPlateSpline().bending_energy(torch.zeros(2, 6)),
        "ValueError: `theta` must have shape (N, 32)",
    ),
    "half theta": (
        lambda: st.warp(IMAGE.half(), AFFINE, THETA.half()),
        "TypeError: `theta` must be float32 or float64, because coordinates in less would be off by pixels; got "
        "torch.float16. Pass `theta.float()`",
    ),
    "theta of another batch": (
        lambda: st.warp(IMAGE, AFFINE, AFFINE.identity(3)),
        "ValueError: `theta` must have as many rows as `image` has images, 2, or one for all; got 3 (shape (3, 6))",
    ),
    "theta on another device": (
        lambda: st.warp(IMAGE, AFFINE, THETA.to("meta")),
        "ValueError: `image` and `theta` must be on one device; got cpu and meta",
    ),
    "negative batch": (lambda: AFFINE.identity(-1), "ValueError: `batch` must be a whole number, zero or more; got -1"),
    "broken batch": (lambda: AFFINE.identity(1.5), "ValueError: `batch` must be a whole number, zero or more; got 1.5"),
    # Modes and paddings
    "unknown mode": (
        lambda: st.sample(IMAGE, POINTS, mode="cubic"),
        "ValueError: `mode` must be one of 'nearest', 'bilinear', 'bicubic' … ; got 'cubic'",
    ),
    "unknown padding": (
        lambda: st.sample(IMAGE, POINTS, padding="mirror"),
        "ValueError: `padding` must be one of 'zeros', 'border', 'reflection', 'wrap' or a number to fill with; got "
        "'mirror'",
    ),
    "padding of another type": (
        lambda: st.sample(IMAGE, POINTS, padding=None),
        "TypeError: `padding` must be a name or a number; got NoneType",
    ),
    "padding is a truth value": (
        lambda: st.sample(IMAGE, POINTS, padding=True),
        "TypeError: `padding` must be a name or a number; got bool",
    ),
    "unknown mode of a warp": (
        lambda: st.warp(IMAGE, AFFINE, THETA, mode="cubic"),
        "ValueError: `mode` must be one of",
    ),
    "unknown mode of a transformer": (lambda: transformer(mode="cubic"), "ValueError: `mode` must be one of"),
    "unknown padding of a transformer": (lambda: transformer(padding="mirror"), "ValueError: `padding` must be one of"),
    # Sizes
    "size is a number": (
        lambda: st.target_points(5),
        "TypeError: `size` must be a tuple (H, W) or (D, H, W); got 5. For equal sides write (5, 5)",
    ),
    "size of a warp is a number": (
        lambda: st.warp(IMAGE, AFFINE, THETA, 5),
        "TypeError: `size` must be a tuple (H, W); got 5",
    ),
    "size is a text": (lambda: st.target_points("ab"), "TypeError: `size` must be a tuple … ; got 'ab'"),
    "size with a zero": (
        lambda: st.warp(IMAGE, AFFINE, THETA, (0, 4)),
        "ValueError: every entry of `size` must be at least 1; got (0, 4)",
    ),
    "negative size": (
        lambda: AFFINE.grid(THETA, (4, -1)),
        "ValueError: every entry of `size` must be at least 1; got (4, -1)",
    ),
    "size of a volume": (
        lambda: AFFINE.grid(THETA, (4, 4, 4)),
        "ValueError: `size` must be (H, W); got (4, 4, 4), which has 3 entries",
    ),
    "size with four entries": (
        lambda: st.target_points((1, 2, 3, 4)),
        "ValueError: `size` must be (H, W) or (D, H, W); got (1, 2, 3, 4), which has 4 entries",
    ),
    "broken size": (
        lambda: st.target_points((4, 2.5)),
        "TypeError: `size` must hold whole numbers (H, W) or (D, H, W); got (4, 2.5)",
    ),
    "size of a transformer": (lambda: transformer(size=(4, 4, 4)), "ValueError: `size` must be (H, W); got (4, 4, 4)"),
    "size of a localiser": (lambda: st.PaperFCNLocaliser(1, 28), "TypeError: `size` must be a tuple (H, W); got 28"),
    "one pixel with corners aligned": (
        lambda: st.to_align_corners(POINTS, (1, 4)),
        "ValueError: every entry of `size` must be at least 2; got (1, 4)",
    ),
    # Families
    "family class for a warp": (
        lambda: st.warp(IMAGE, st.Affine, THETA),
        "TypeError: `family` must be a family of transformations, such as `Affine()`; got Affine. Write `Affine()`",
    ),
    "family class for a transformer": (
        lambda: transformer(family=st.ThinPlateSpline),
        "TypeError: `family` must be … ; got ThinPlateSpline. Write `ThinPlateSpline()`",
    ),
    "name of a family": (
        lambda: transformer(family="affine"),
        "TypeError: `family` must be a family of transformations, such as `Affine()`; got str.",
    ),
    "dims of a family": (lambda: st.Affine(dims=4), "ValueError: `dims` of `Affine` must be 2 or 3; got 4"),
    "dims of a homography": (lambda: st.Projective(dims=1), "ValueError: `dims` of `Projective` must be 2 or 3; got 1"),
    "dims of a rotation": (lambda: st.Rigid(dims=4), "ValueError: `dims` of `Rigid` must be 2 or 3; got 4"),
    "dims of a localiser": (
        lambda: st.ConvLocaliser(1, dims=1),
        "ValueError: `dims` of `ConvLocaliser` must be 2 or 3; got 1",
    ),
    "extent of one length": (
        lambda: st.Rigid(extent=(3,)),
        "ValueError: `extent` must hold 2 lengths, x first; got (3.0,)",
    ),
    "extent is a number": (lambda: st.Rigid(extent=3), "TypeError: `extent` must hold 2 lengths, x first; got 3"),
    "extent of zero": (
        lambda: st.Similarity(extent=(3, 0)),
        "ValueError: `extent` must hold positive lengths; got (3.0, 0.0)",
    ),
    "endless extent": (
        lambda: st.Similarity(extent=(3, INF)),
        "ValueError: `extent` must hold positive lengths; got (3.0, inf)",
    ),
    "lattice of one row": (
        lambda: st.ThinPlateSpline((1, 4)),
        "ValueError: every entry of `control` must be at least 2; got (1, 4)",
    ),
    "lattice is a number": (
        lambda: st.ThinPlateSpline(4),
        "TypeError: `control` must be a tuple … ; got 4. For equal sides write (4, 4)",
    ),
    "negative stiffness": (
        lambda: st.ThinPlateSpline(stiffness=-1.0),
        "ValueError: `stiffness` must be zero or a positive number; got -1.0",
    ),
    "stiffness not a number": (
        lambda: st.ThinPlateSpline(stiffness=NAN),
        "ValueError: `stiffness` must be zero or a positive number; got nan",
    ),
    # Matrices
    "matrix is no tensor": (
        lambda: AFFINE.from_matrix([[1.0]]),
        "TypeError: `matrix` must be a torch.Tensor; got list",
    ),
    "matrix without batch": (
        lambda: AFFINE.from_matrix(torch.eye(3)),
        "ValueError: `matrix` must have shape (N, 2, 3) or (N, 3, 3); got (3, 3). Pass `matrix[None]`",
    ),
    "matrix of a volume": (
        lambda: AFFINE.from_matrix(torch.eye(4)[None]),
        "ValueError: `matrix` must have shape (N, 2, 3) or (N, 3, 3); got (1, 4, 4)",
    ),
    "half matrix": (
        lambda: AFFINE.from_matrix(torch.eye(3).half()[None]),
        "TypeError: `matrix` must be float32 or float64",
    ),
    "shear for a similarity": (
        lambda: st.Similarity().from_matrix(torch.tensor([[[1.0, 0.5, 0.0], [0.0, 1.0, 0.0]]])),
        "ValueError: `matrix` is not a transformation of `Similarity(dims=2 … )`: the nearest reading is off by 0.5",
    ),
    "mirror for a similarity": (
        lambda: st.Similarity().from_matrix(torch.diag(torch.tensor([1.0, -1.0, 1.0]))[None]),
        "ValueError: `matrix` is not a transformation of `Similarity",
    ),
    "scale for a rigid motion": (
        lambda: st.Rigid().from_matrix(st.scale_matrix(torch.tensor([[2.0, 2.0]]))),
        "ValueError: `matrix` is not a transformation of `Rigid",
    ),
    "rotation for a shift": (
        lambda: st.Translation().from_matrix(st.rotation_matrix(torch.tensor([0.1]))),
        "ValueError: `matrix` is not a transformation of `Translation",
    ),
    "stretch for an attention": (
        lambda: st.Attention().from_matrix(st.scale_matrix(torch.tensor([[2.0, 1.0]]))),
        "ValueError: `matrix` is not a transformation of `Attention",
    ),
    "homography for an affine map": (
        lambda: AFFINE.from_matrix(torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0.1, 0, 1]]])),
        "ValueError: `matrix` is not a transformation of `Affine(dims=2)` … `Projective`",
    ),
    "homography without a last entry": (
        lambda: st.Projective().from_matrix(torch.tensor([[[1.0, 0, 0], [0, 1, 0], [1, 0, 0]]])),
        "ValueError: `matrix[0]` cannot be held by `Projective(dims=2)`: its horizon passes through the centre",
    ),
    "matrix of NaN": (
        lambda: AFFINE.from_matrix(torch.full((1, 3, 3), NAN)),
        "ValueError: `matrix` is not a transformation of `Affine",
    ),
    "collapsing affine map": (
        lambda: AFFINE.inverse(torch.stack([THETA[0], torch.zeros(6)])),
        "ValueError: theta[1] has no inverse: its `Affine(dims=2)` matrix is singular",
    ),
    "collapsing attention": (
        lambda: st.Attention().inverse(torch.zeros(1, 3)),
        "ValueError: theta[0] has no inverse … Keep the scale away from zero",
    ),
    "angle is a number": (lambda: st.rotation_matrix(0.3), "TypeError: `angle` must be a torch.Tensor; got float"),
    "angle without batch": (
        lambda: st.rotation_matrix(torch.tensor(0.3)),
        "ValueError: `angle` must have shape (N,), or (N, 3) for axis-angle in 3D; got ()",
    ),
    "whole angle": (lambda: st.rotation_matrix(torch.tensor([1])), "TypeError: `angle` must be float32 or float64"),
    "scale without batch": (
        lambda: st.scale_matrix(torch.tensor([2.0, 2.0])),
        "ValueError: `scale` must have shape (N, 2) or (N, 3), x first; got (2,)",
    ),
    "shift in four dimensions": (
        lambda: st.translation_matrix(torch.zeros(1, 4)),
        "ValueError: `shift` must have shape (N, 2) or (N, 3), x first; got (1, 4)",
    ),
    "three points": (
        lambda: st.perspective_matrix(torch.zeros(1, 3, 2), torch.zeros(1, 4, 2)),
        "ValueError: `start` must have shape (N, 4, 2), x first; got (1, 3, 2)",
    ),
    "five points": (
        lambda: st.perspective_matrix(torch.zeros(1, 4, 2), torch.zeros(1, 5, 2)),
        "ValueError: `end` must have shape (N, 4, 2), x first; got (1, 5, 2)",
    ),
    # Networks
    "localiser without out_features": (
        lambda: transformer(localiser=nn.Flatten()),
        "TypeError: `localiser` must be a module with an attribute `out_features` … ; Flatten has none. Set it: "
        "`localiser.out_features = ...`",
    ),
    "localiser that says something else": (
        lambda: transformer(localiser=Talkative())(IMAGE),
        "ValueError: `localiser` must return features of shape (N, 5), as its `out_features` says; got (2, 6)",
    ),
    "learning rate of zero": (
        lambda: st.parameter_groups(LOCALISER, lr=0.0),
        "ValueError: `lr` must be a positive number; got 0.0",
    ),
    "learning rate not a number": (
        lambda: st.parameter_groups(LOCALISER, lr=NAN),
        "ValueError: `lr` must be a positive number; got nan",
    ),
    "negative scale of a learning rate": (
        lambda: st.parameter_groups(LOCALISER, lr=1.0, localiser_lr_scale=-1.0),
        "ValueError: `localiser_lr_scale` must be a positive number; got -1.0",
    ),
    "unknown backend": (
        lambda: st.backends.use("abacus").__enter__(),
        "ValueError: `name` must be one of … 'reference' … ; got 'abacus'",
    ),
}


@pytest.mark.parametrize(("call", "refusal"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_a_message_that_teaches(call, refusal):
    error, message = refusal.split(": ", maxsplit=1)
    pattern = ".*".join(re.escape(part) for part in message.split(" … "))
    with pytest.raises({"ValueError": ValueError, "TypeError": TypeError}[error], match=f"^{pattern}"):
        call()


def test_labels_may_pass_where_no_gradient_is_asked_for():
    theta = THETA.clone().requires_grad_()
    with torch.no_grad():
        assert torch.equal(st.warp(LABELS, AFFINE, theta, mode="nearest"), LABELS)
        assert st.sample(LABELS, POINTS.clone().requires_grad_(), mode="nearest").dtype == torch.uint8
    assert torch.equal(st.warp(LABELS, AFFINE, theta.detach(), mode="nearest", padding=255), LABELS)


def test_sizes_may_be_lists_and_torch_sizes():
    expected = st.target_points((5, 4))
    assert torch.equal(st.target_points([5, 4]), expected)
    assert torch.equal(st.target_points(IMAGE.shape[2:]), expected)
