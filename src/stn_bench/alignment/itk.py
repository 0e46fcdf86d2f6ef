"""SimpleITK's registration framework, as its examples set it up."""

from typing import Any

import numpy as np

from .problem import Answer, Mapping, Method, Problem

SHRINK, SMOOTH = [8, 4, 2, 1], [4.0, 2.0, 1.0, 0.0]
ITERATIONS = 200


def linear(kind: str, metric: str) -> Method:
    """A transform of `kind`, "rigid" or "affine", by "correlation" or "mattes"."""

    def method(problem: Problem) -> Answer:
        import SimpleITK as sitk  # noqa: N813 -- its own abbreviation

        fixed, moving = _images(problem)
        return Answer(_mapping(_linear(sitk, fixed, moving, kind, metric)), True)

    return method


def bspline(problem: Problem) -> Answer:
    """An affine map, then a B-spline with a control point at about every sixteenth pixel, by L-BFGS-B."""
    import SimpleITK as sitk  # noqa: N813 -- its own abbreviation

    fixed, moving = _images(problem)
    first = _linear(sitk, fixed, moving, "affine", "correlation")
    mesh = [max(1, length // 16) for length in problem.fixed.shape[::-1]]
    spline = sitk.BSplineTransformInitializer(fixed, mesh)
    method = _method(sitk, "correlation", shrink=[4, 2, 1], smooth=[2.0, 1.0, 0.0])
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-5, numberOfIterations=100)
    method.SetMovingInitialTransform(first)
    method.SetInitialTransform(spline, inPlace=True)
    method.Execute(fixed, moving)
    return Answer(_mapping(sitk.CompositeTransform([first, spline])), True)


def _images(problem: Problem) -> tuple[Any, Any]:
    import SimpleITK as sitk  # noqa: N813 -- its own abbreviation

    return sitk.GetImageFromArray(problem.fixed), sitk.GetImageFromArray(problem.moving)


def _linear(sitk: Any, fixed: Any, moving: Any, kind: str, metric: str) -> Any:
    dims = fixed.GetDimension()
    rigid = sitk.Euler2DTransform() if dims == 2 else sitk.Euler3DTransform()
    begin = sitk.CenteredTransformInitializer(
        fixed,
        moving,
        rigid if kind == "rigid" else sitk.AffineTransform(dims),
        sitk.CenteredTransformInitializerFilter.GEOMETRY,
    )
    levels = [level for level in range(len(SHRINK)) if min(fixed.GetSize()) // SHRINK[level] >= 8]
    method = _method(sitk, metric, [SHRINK[level] for level in levels], [SMOOTH[level] for level in levels])
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, ITERATIONS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(begin, inPlace=True)
    method.Execute(fixed, moving)
    return begin


def _method(sitk: Any, metric: str, shrink: list[int], smooth: list[float]) -> Any:
    method = sitk.ImageRegistrationMethod()
    if metric == "mattes":
        method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=50)
    else:
        method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel(smooth)
    return method


def _mapping(transform: Any) -> Mapping:
    """Pixels are its millimetres here, x first."""

    def mapping(points: np.ndarray) -> np.ndarray:
        return np.array([transform.TransformPoint(point) for point in points.tolist()])

    return mapping
