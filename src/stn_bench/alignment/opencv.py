"""OpenCV's ways to find a homography."""

from importlib import import_module
from typing import Any

import numpy as np

from .problem import Answer, Method, Problem, by_matrix, identity

LEVELS, COARSEST = 5, 16  # at most so many, none smaller than so many pixels
RATIO = 0.8  # Lowe's
REACH = 3.0  # pixels: matches that miss by more are outliers


def ecc(problem: Problem) -> Answer:
    """The enhanced correlation coefficient, on a pyramid."""
    cv2 = _opencv()
    levels = [(problem.moving, problem.fixed)]
    while len(levels) < LEVELS and min(levels[-1][1].shape) >= 2 * COARSEST:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    matrix = np.eye(3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-6)
    finer = np.diag([2.0, 2.0, 1.0]).astype(np.float32)
    try:
        for number, (moving, fixed) in enumerate(reversed(levels)):
            matrix = matrix if number == 0 else finer @ matrix @ np.linalg.inv(finer)
            _, matrix = cv2.findTransformECC(fixed, moving, matrix, cv2.MOTION_HOMOGRAPHY, criteria, None, 5)
    except cv2.error:  # it does not converge
        return Answer(identity, False)
    return Answer(by_matrix(matrix.astype(np.float64)), True)


def features(detector: str) -> Method:
    """Keypoints, "sift" or "orb", and the homography that most agree on."""

    def method(problem: Problem) -> Answer:
        cv2 = _opencv()
        finder = cv2.SIFT_create(nfeatures=2000) if detector == "sift" else cv2.ORB_create(nfeatures=2000)
        images = [(255 * image).astype(np.uint8) for image in (problem.moving, problem.fixed)]
        (there, one), (here, other) = (finder.detectAndCompute(image, None) for image in images)
        if one is None or other is None or len(one) < 2:
            return Answer(identity, False)
        matcher = cv2.BFMatcher(cv2.NORM_L2 if detector == "sift" else cv2.NORM_HAMMING)
        matches = [a for a, b in matcher.knnMatch(other, one, k=2) if a.distance < RATIO * b.distance]
        if len(matches) < 4:
            return Answer(identity, False)
        target = np.array([here[match.queryIdx].pt for match in matches])
        source = np.array([there[match.trainIdx].pt for match in matches])
        matrix, _ = cv2.findHomography(target, source, cv2.RANSAC, REACH)
        return Answer(identity, False) if matrix is None else Answer(by_matrix(matrix), True)

    return method


def _opencv() -> Any:
    """When it is called, as it may be missing; and untyped, as its stubs know neither SIFT nor a missing mask."""
    return import_module("cv2")
