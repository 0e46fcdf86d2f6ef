"""SimpleITK as an oracle: transforms in physical space, composed, turned into displacement fields, and inverted."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813, the name that all of its documentation uses
import torch

import spatial_transformer as st
from spatial_transformer import converters, testing
from spatial_transformer.converters import ImageGeometry

ATOL = testing.TOLERANCES[torch.float64]
FILL = 0.25
TURNED = {2: (0.6, -0.8, 0.8, 0.6), 3: (0.0, 1.0, 0.0, -0.6, 0.0, 0.8, 0.8, 0.0, 0.6)}
SOURCE = {
    2: ImageGeometry((17, 11), (0.7, 1.5), (3.0, -2.0), TURNED[2]),
    3: ImageGeometry((7, 9, 6), (0.7, 1.5, 2.0), (3.0, -2.0, 1.0), TURNED[3]),
}
TARGET = {
    2: ImageGeometry((13, 19), (1.1, 0.4), (-1.0, 4.0)),
    3: ImageGeometry((8, 5, 10), (1.1, 0.4, 0.9), (-1.0, 4.0, 0.5)),
}

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def itk_image(values, geometry):
    """(*size) values as an image at its place."""
    image = sitk.GetImageFromArray(values.numpy())
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


def itk_affine(matrix, center=None):
    """(D+1, D+1) as `to_simpleitk` returns it, as a transform."""
    transform = sitk.AffineTransform(matrix.shape[0] - 1)
    transform.SetMatrix(matrix[:-1, :-1].flatten().tolist())
    transform.SetTranslation(matrix[:-1, -1].tolist())
    if center is not None:
        transform.SetCenter(center)
    return transform


def resampled(image, source, target, transform, interpolator=sitk.sitkLinear):
    """What SimpleITK makes of a (1, 1, *size) image."""
    moving, reference = itk_image(image[0, 0], source), itk_image(torch.zeros(target.size), target)
    return sitk.GetArrayFromImage(sitk.Resample(moving, reference, transform, interpolator, FILL, sitk.sitkFloat64))


def as_itk_reads(image, family, theta, target, **options):
    """ITK fills where a point lies outside of the outer edges, and repeats the border pixel within them."""
    points = family.grid(theta, target.size)  # (1, *size, D)
    inside = (points.abs() <= 1).all(dim=-1)[:, None]  # (1, 1, *size)
    return torch.where(inside, st.sample(image, points, padding="border", **options), FILL)[0, 0].numpy()


def same_picture(ours, theirs):
    assert (theirs != FILL).mean() > 0.1  # some of the image is in the picture
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ATOL)


def random_image(geometry):
    return testing.random_image(geometry.size, batch=1, channels=1, dtype=torch.float64)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_our_matrix_in_simple_itk(dims, mode, centred):
    source, target, family = SOURCE[dims], TARGET[dims], st.Affine(dims)
    theta = testing.random_theta(family, batch=1, spread=0.3)
    center = (1.0, -2.0, 0.5)[:dims] if centred else None
    transform = itk_affine(converters.to_simpleitk(family.matrix(theta), source, target, center=center)[0], center)
    image = random_image(source)
    interpolator = {"nearest": sitk.sitkNearestNeighbor, "bilinear": sitk.sitkLinear}[mode]
    theirs = resampled(image, source, target, transform, interpolator)
    same_picture(as_itk_reads(image, family, theta, target, mode=mode), theirs)


def test_a_geometry_places_pixels_where_simple_itk_does(dims):
    for geometry in (SOURCE[dims], TARGET[dims]):
        image = itk_image(torch.zeros(geometry.size), geometry)
        assert ImageGeometry.of(image) == geometry
        pixel = torch.tensor([2.0, 5.0, 3.0, 1.0], dtype=torch.float64)[-dims - 1 :]
        place = geometry.pixels_to_physical() @ pixel
        assert place[:-1].tolist() == pytest.approx(image.TransformContinuousIndexToPhysicalPoint(pixel[:-1].tolist()))


def linear_transforms(dims):
    affine = sitk.AffineTransform(dims)
    affine.Rotate(0, 1, 0.4)
    affine.Scale(1.2)
    center = (2.0, 1.0, -1.0)[:dims]
    affine.SetCenter(center)
    affine.SetTranslation((0.5, -1.0, 2.0)[:dims])
    if dims == 2:
        return [affine, sitk.Similarity2DTransform(0.8, 0.3, (1.0, -1.0), center)]
    return [affine, sitk.Euler3DTransform(center, 0.1, -0.2, 0.3, (1.0, 0.0, -1.0))]


@pytest.mark.parametrize("which", [0, 1])
def test_a_transform_of_simple_itk_here(dims, which):
    transform, source, target = linear_transforms(dims)[which], TARGET[dims], TARGET[dims]
    linear = torch.tensor(transform.GetMatrix(), dtype=torch.float64).reshape(dims, dims)
    with_center, with_zero = (
        torch.cat([linear, linear.new_tensor(column)[:, None]], dim=1)[None]  # (1, D, D+1)
        for column in (transform.GetTranslation(), transform.TransformPoint((0.0,) * dims))
    )
    family, image = st.Affine(dims), random_image(source)
    theirs = resampled(image, source, target, transform)
    for matrix, center in ((with_center, transform.GetCenter()), (with_zero, None)):
        theta = family.from_matrix(converters.from_simpleitk(matrix, source, target, center=center))
        same_picture(as_itk_reads(image, family, theta, target), theirs)


def test_composition_is_a_composite_transform(dims):
    # In a CompositeTransform the transform that was added last is applied to the output's points first.
    source, middle, target, family = SOURCE[dims], TARGET[dims], SOURCE[dims], st.Affine(dims)
    first, then = (testing.random_theta(family, batch=1, spread=0.2, seed=seed) for seed in (1, 2))
    composite = sitk.CompositeTransform(dims)
    composite.AddTransform(itk_affine(converters.to_simpleitk(family.matrix(then), source, middle)[0]))
    composite.AddTransform(itk_affine(converters.to_simpleitk(family.matrix(first), middle, target)[0]))
    image = random_image(source)
    ours = as_itk_reads(image, family, family.compose(first, then), target)
    same_picture(ours, resampled(image, source, target, composite))


def physical(points, geometry):
    """(..., D) normalised points to places."""
    pixels = st.normalised_to_pixel(points, geometry.size)
    matrix = geometry.pixels_to_physical()
    return pixels @ matrix[:-1, :-1].T + matrix[:-1, -1]


def itk_displacements(transform, geometry):
    return sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        geometry.size[::-1],
        geometry.origin,
        geometry.spacing,
        geometry.direction,
    )


def from_targets(points, geometry):
    """(1, *size, D) points where the pixels' centres are taken, as displacements (*size, D) in physical space."""
    targets = st.target_points(geometry.size, dtype=torch.float64)
    return (physical(points, geometry) - physical(targets, geometry))[0].numpy()


def affine_warp(dims, geometry, spread):
    """A family, theta, and the same as a transform of SimpleITK."""
    family = st.Affine(dims)
    theta = testing.random_theta(family, batch=1, spread=spread)
    return family, theta, itk_affine(converters.to_simpleitk(family.matrix(theta), geometry, geometry)[0])


def test_displacements_are_those_of_a_displacement_field(dims):
    geometry = SOURCE[dims]
    family, theta, transform = affine_warp(dims, geometry, spread=0.3)
    field = sitk.GetArrayFromImage(itk_displacements(transform, geometry))  # (*size, D), x first
    ours = from_targets(family.grid(theta, geometry.size), geometry)
    np.testing.assert_allclose(ours, field, rtol=0, atol=ATOL)


def field_geometry(dims):
    return ImageGeometry((24, 20, 22)[:dims], (0.7, 1.5, 2.0)[:dims], (3.0, -2.0, 1.0)[:dims], TURNED[dims])


def itk_field(points, geometry):
    """(1, *size, D) points where the pixels' centres are taken, as a displacement field."""
    field = sitk.GetImageFromArray(from_targets(points, geometry), isVector=True)
    field.CopyInformation(itk_image(torch.zeros(geometry.size), geometry))
    return field


def inverted(field):
    inverse = sitk.InvertDisplacementField(
        field,
        maximumNumberOfIterations=100,
        maxErrorToleranceThreshold=1e-7,
        meanErrorToleranceThreshold=1e-8,
        enforceBoundaryCondition=False,
    )
    return sitk.GetArrayFromImage(inverse)


def same_in_the_middle(ours, theirs, atol):
    # Near the border the iteration looks outside of the field, where it finds nothing.
    middle = (slice(5, -5),) * (ours.ndim - 1)
    assert np.abs(theirs[middle]).max() > 0.1
    np.testing.assert_allclose(ours[middle], theirs[middle], rtol=0, atol=atol)


def test_the_inverse_is_that_of_a_displacement_field(dims):
    geometry = field_geometry(dims)
    family, theta, transform = affine_warp(dims, geometry, spread=0.03)
    ours = from_targets(family.grid(family.inverse(theta), geometry.size), geometry)
    same_in_the_middle(ours, inverted(itk_displacements(transform, geometry)), atol=1e-8)


def wavy(geometry):
    """A dense flow: waves of a twentieth of the image."""
    family = st.Displacement(geometry.size)
    targets = st.target_points(geometry.size, dtype=torch.float64)
    flow = 0.05 * torch.sin(3 * targets.flip(-1) + 1)  # (1, *size, D)
    return family, family.from_flow(flow.movedim(-1, 1))


def test_a_dense_flow_is_a_displacement_field(dims):
    geometry = field_geometry(dims)
    family, theta = wavy(geometry)
    field = itk_field(family.grid(theta, geometry.size), geometry)
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    points = testing.random_points(dims, 50, spread=0.9)
    theirs = [transform.TransformPoint(place) for place in physical(points, geometry).tolist()]
    ours = physical(family.points(theta, points)[0], geometry)
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=ATOL)


def test_the_inverse_of_a_dense_flow_is_that_of_a_displacement_field(dims):
    geometry = field_geometry(dims)
    family, theta = wavy(geometry)
    targets = st.target_points(geometry.size, dtype=torch.float64)
    ours = from_targets(family.inverse_points(theta, targets, tolerance=1e-9), geometry)
    same_in_the_middle(ours, inverted(itk_field(family.grid(theta, geometry.size), geometry)), atol=1e-8)


def test_the_inverse_of_a_diffeomorphism_is_that_of_a_displacement_field(dims):
    geometry = field_geometry(dims)
    family = st.Velocity((4, 4, 4)[:dims])
    theta = testing.random_theta(family, batch=1, spread=0.05)
    ours = from_targets(family.grid(family.inverse(theta), geometry.size), geometry)
    # ITK reads the warp between pixels linearly, which is off by up to an eighth of its second difference.
    same_in_the_middle(ours, inverted(itk_field(family.grid(theta, geometry.size), geometry)), atol=0.02)


def test_cubic_splines_agree_away_from_the_border():
    # ITK's spline mirrors about the border pixels' centres, ours about their edges: the influence of a pixel falls to
    # 0.27 with every pixel, 0.27^18 < 1e-10.
    geometry, family = ImageGeometry((48, 47)), st.Affine()
    image = random_image(geometry)
    theta = torch.tensor([[0.2, 0.02, 0.01, -0.03, 0.15, -0.02]], dtype=torch.float64)
    transform = itk_affine(converters.to_simpleitk(family.matrix(theta), geometry, geometry)[0])
    theirs = resampled(image, geometry, geometry, transform, sitk.sitkBSpline3)
    ours = st.warp(image, family, theta, mode="bspline3", padding="reflection")
    np.testing.assert_allclose(ours[0, 0].numpy(), theirs, rtol=0, atol=1e-9)
