"""Pictures of earlier runs, brought into today's form."""

import numpy as np

Arrays = dict[str, np.ndarray]


def as_today(arrays: Arrays) -> Arrays:
    """The arrays of `pictures.npz`, of a run of any age.

    At first they knew of one transformer, and had no axis for several; outlines were in normalised coordinates, where
    they now are in pixels.
    """
    if "layout" in arrays:
        return arrays
    today = dict(arrays)
    for prefix in ("", "hard_"):
        if {f"{prefix}outline", f"{prefix}images"} <= arrays.keys():
            height, width = arrays[f"{prefix}images"].shape[1:3]
            pixels = (arrays[f"{prefix}outline"] + 1) / 2 * np.array([width, height])  # (N, L, 2)
            today[f"{prefix}outline"] = pixels[:, None]
    axes = {"warped": 1, "hard_warped": 1, "theta": 1, "identity": 0, "mean_before": 1, "mean_after": 1, "film": 2}
    return today | {name: np.expand_dims(arrays[name], axis) for name, axis in axes.items() if name in arrays}
