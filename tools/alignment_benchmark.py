"""Photographs laid on one another, by `register` and by others, on the same pairs in turn: docs/alignment.md.

`python tools/alignment_benchmark.py [PAIRS]` aligns that many pairs (100 by default) of each strength with every method
and writes results/registration/alignment.json, and the page from it (half an hour on two cores). Times are of one
pair after another, on all of the process's threads, without reading and drawing the images.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from spatial_transformer import Projective, converters, feature_start, register

sys.path.insert(0, str(Path(__file__).parent))
from alignment_pairs import Pair, corner_error, related

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "registration" / "alignment.json"
PAGE = ROOT / "docs" / "alignment.md"
TITLE = """# Alignment of photographs, measured

<!-- written by `python tools/alignment_benchmark.py` -->

How far off the corners are, on the mean, when photographs of 512 by 512 pixels are laid on one another by a homography.
The photographs are those that scikit-image and scikit-learn carry, three of them textures; the corners are moved by up
to a part of the side along each axis, light and noise differ, and beyond the photograph a view is black. Every method
gets the same pairs, one after the other. A silent failure is a claim of success that is off by more than 10 px; SIFT,
ORB and ECC claim it wherever they return a matrix.
"""

SIDE = 512
STRENGTHS = (0.15, 0.3)
FOUND, MISSED = 0.5, 10.0  # pixels: what counts as aligned, and what a success may not be off by
LEVELS = 3  # after features: a start within a few pixels needs no coarser ones
FAMILY = Projective()

# A (3, 3) matrix from pixels of `fixed` to pixels of `moving`, and whether the method claims success.
Answer = tuple[np.ndarray, bool]


def by_register(pair: Pair) -> Answer:
    return _answer(register(*_images(pair), FAMILY))


def by_features_and_register(pair: Pair) -> Answer:
    moving, fixed = _images(pair)
    start, inliers = feature_start(moving, fixed, FAMILY)
    if not inliers:
        return by_register(pair)
    return _answer(register(moving, fixed, FAMILY, start=start, levels=LEVELS))


def by_ecc(pair: Pair) -> Answer:
    """OpenCV's ECC on a pyramid of five levels."""
    levels = [(pair.moving, pair.fixed)]
    for _ in range(4):
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    matrix = np.eye(3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-6)
    finer = np.diag([2.0, 2.0, 1.0]).astype(np.float32)
    try:
        for number, (moving, fixed) in enumerate(reversed(levels)):
            matrix = matrix if number == 0 else finer @ matrix @ np.linalg.inv(finer)
            _, matrix = cv2.findTransformECC(fixed, moving, matrix, cv2.MOTION_HOMOGRAPHY, criteria, None, 5)
    except cv2.error:  # it does not converge
        return np.eye(3), False
    return matrix.astype(np.float64), True


def by_sift(pair: Pair) -> Answer:
    return _by_features(pair, "sift")


def by_orb(pair: Pair) -> Answer:
    return _by_features(pair, "orb")


METHODS: dict[str, Callable[[Pair], Answer]] = {
    "`register`": by_register,
    "`feature_start`, then `register`": by_features_and_register,
    "OpenCV: ECC with a pyramid": by_ecc,
    "OpenCV: SIFT, `findHomography`": by_sift,
    "OpenCV: ORB, `findHomography`": by_orb,
}


def _images(pair: Pair) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pair.moving)[None, None], torch.from_numpy(pair.fixed)[None, None]


def _answer(found: Any) -> Answer:
    size = (SIDE, SIDE)
    matrix = converters.to_pixel_matrix(FAMILY.matrix(found.theta.double()), size, size)
    return matrix[0].numpy(), bool(found.success)


def _by_features(pair: Pair, detector: str) -> Answer:
    finder = cv2.SIFT_create(nfeatures=2000) if detector == "sift" else cv2.ORB_create(nfeatures=2000)
    images = [(255 * image).astype(np.uint8) for image in (pair.moving, pair.fixed)]
    (there, one), (here, other) = (finder.detectAndCompute(image, None) for image in images)
    if one is None or other is None or len(one) < 2:
        return np.eye(3), False
    matcher = cv2.BFMatcher(cv2.NORM_L2 if detector == "sift" else cv2.NORM_HAMMING)
    matches = [a for a, b in matcher.knnMatch(other, one, k=2) if a.distance < 0.8 * b.distance]
    if len(matches) < 4:
        return np.eye(3), False
    target = np.array([here[match.queryIdx].pt for match in matches])
    source = np.array([there[match.trainIdx].pt for match in matches])
    matrix, _ = cv2.findHomography(target, source, cv2.RANSAC, 3.0)
    return (np.eye(3), False) if matrix is None else (matrix, True)


def measure(count: int) -> dict[str, Any]:
    for method in METHODS.values():  # compiles kernels
        method(related(0, STRENGTHS[0], SIDE))
    rows = []
    for strength in STRENGTHS:
        for seed in range(count):
            pair = related(seed, strength, SIDE)
            row: dict[str, Any] = {"strength": strength, "pair": pair.name, "nothing": _off(np.eye(3), pair)}
            for name, method in METHODS.items():
                begin = time.perf_counter()
                matrix, success = method(pair)
                seconds = time.perf_counter() - begin
                row[name] = {"error": _off(matrix, pair), "seconds": round(seconds, 3), "success": success}
            rows.append(row)
    return {"threads": torch.get_num_threads(), "torch": torch.__version__, "opencv": cv2.__version__, "rows": rows}


def _off(matrix: np.ndarray, pair: Pair) -> float:
    return round(min(corner_error(matrix, pair), 9999.0), 3)


def table(result: dict[str, Any]) -> str:
    head = ["", "within 0.5 px", "median px", "95th percentile", "seconds, median", "slowest", "silent failures"]
    lines = []
    for strength in STRENGTHS:
        rows = [row for row in result["rows"] if row["strength"] == strength]
        nothing = np.median([row["nothing"] for row in rows])
        title = f"corners moved by up to {100 * strength:.0f} % ({len(rows)} pairs; {nothing:.0f} px)"
        lines += ["", "| " + " | ".join([title, *head[1:]]) + " |", "| --- " * len(head) + "|"]
        lines += [_line(name, [row[name] for row in rows]) for name in METHODS]
    return "\n".join(lines) + f"\n\n{result['threads']} threads, torch {result['torch']}, OpenCV {result['opencv']}.\n"


def _line(name: str, rows: list[dict[str, Any]]) -> str:
    errors = np.array([row["error"] for row in rows])
    seconds = [row["seconds"] for row in rows]
    silent = sum(row["success"] and row["error"] > MISSED for row in rows)
    cells = (
        f"{100 * (errors <= FOUND).mean():.0f} %",
        f"{np.median(errors):.2f}",
        f"{np.percentile(errors, 95):.2f}",
        f"{np.median(seconds):.2f}",
        f"{max(seconds):.2f}",
        str(silent),
    )
    return f"| {name} | {' | '.join(cells)} |"


def write_page() -> None:
    PAGE.write_text(TITLE + table(json.loads(RESULTS.read_text())))


def main() -> None:
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    rows = ",\n".join(json.dumps(row) for row in result.pop("rows"))
    RESULTS.write_text(json.dumps(result)[:-1] + f', "rows": [\n{rows}\n]}}\n')
    write_page()


if __name__ == "__main__":
    main()
