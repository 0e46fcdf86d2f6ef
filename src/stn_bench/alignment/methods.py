"""Methods by name: a function each, and what the page calls it. Those whose library is missing are left out."""

from importlib.util import find_spec

from . import itk, kornia, opencv, ours
from .problem import Method

METHODS: dict[str, tuple[str, Method, str]] = {  # the page's words, the function, and the module that it needs
    "register": ("`register`", ours.homography, "torch"),
    "features, register": ('`register`, `starts="features"`', ours.features_and_homography, "cv2"),
    "register, affine": ("`register`", ours.by_register("Affine"), "torch"),
    "register, rigid": ("`register`", ours.by_register("Rigid"), "torch"),
    "register, mi": ('`register`, "mi"', ours.by_register("Affine", measure="mi"), "torch"),
    "register, affine and bspline": ("`register`, `BSpline`", ours.in_stages("BSpline"), "torch"),
    "register, affine and velocity": ("`register`, `Velocity`", ours.in_stages("Velocity"), "torch"),
    "register, affine and displacement": ("`register`, `Displacement`", ours.in_stages("Displacement"), "torch"),
    "ecc": ("OpenCV: ECC with a pyramid", opencv.ecc, "cv2"),
    "sift": ("OpenCV: SIFT, `findHomography`", opencv.features("sift"), "cv2"),
    "orb": ("OpenCV: ORB, `findHomography`", opencv.features("orb"), "cv2"),
    "kornia": ("Kornia: `ImageRegistrator`", kornia.homography, "kornia"),
    "itk affine": ("SimpleITK: affine, correlation", itk.linear("affine", "correlation"), "SimpleITK"),
    "itk rigid": ("SimpleITK: rigid, correlation", itk.linear("rigid", "correlation"), "SimpleITK"),
    "itk mattes": ("SimpleITK: affine, Mattes", itk.linear("affine", "mattes"), "SimpleITK"),
    "itk bspline": ("SimpleITK: affine, then B-spline", itk.bspline, "SimpleITK"),
}


def method(name: str) -> Method | None:
    """The function, if what it needs is installed."""
    _, function, module = METHODS[name]
    return function if find_spec(module) else None
