"""Kornia's ImageRegistrator."""

import cv2
import numpy as np
import torch

from .problem import Answer, Problem, by_matrix, identity


def homography(problem: Problem) -> Answer:
    """With its defaults. What it found is read off the coordinates of the moving image, as it warps them."""
    from kornia.geometry.transform import ImageRegistrator

    moving, fixed = (torch.from_numpy(image)[None, None] for image in (problem.moving, problem.fixed))
    registrator = ImageRegistrator("homography")
    registrator.register(moving, fixed)
    height, width = problem.moving.shape
    y, x = torch.meshgrid(torch.arange(1.0, height + 1), torch.arange(1.0, width + 1), indexing="ij")
    with torch.no_grad():
        seen = registrator.warp_src_into_dst(torch.stack([x, y, torch.ones_like(x)])[None])[0].numpy()
    rows, columns = np.nonzero(seen[2] > 0.999)  # within the moving image
    if len(rows) < 100:
        return Answer(identity, False)
    chosen = np.random.default_rng(0).permutation(len(rows))[:2000]
    target = np.stack([columns, rows], axis=1)[chosen].astype(np.float64)
    source = seen[:2, rows, columns].T[chosen].astype(np.float64) - 1
    matrix, _ = cv2.findHomography(target, source, 0)
    return Answer(identity, False) if matrix is None else Answer(by_matrix(matrix), True)
