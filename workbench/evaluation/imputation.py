"""ROAD: features are removed so that a model cannot see where: by a noisy mean of their neighbours.

A hole of a constant tells the model which pixels were removed, and that alone may tell the class (Rong et al. 2022).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from ..errors import BadInput
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import generators
from .features import free_features, ranked
from .registry import metric

# The eight neighbours of a pixel and their weights: sides 1/6, corners 1/12, as in the paper.
NEIGHBOURS = {(0, 1): 1 / 6, (0, -1): 1 / 6, (1, 0): 1 / 6, (-1, 0): 1 / 6,
              (1, 1): 1 / 12, (1, -1): 1 / 12, (-1, 1): 1 / 12, (-1, -1): 1 / 12}  # fmt: skip
PER_CENT = (10, 30, 50, 70, 90)


@metric("road", direction="lower is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Rong, Leemann, Borisov, Kasneci and Kasneci 2022", sensitivity="noise (its draws are the row's), and the five shares",
        misleads="A class that shows in every neighbourhood survives any removal; a linear system an image and share is slow "
                 "for large ones.")  # fmt: skip
def road(
    score: Score, inputs: Space, values: np.ndarray, *, noise: float = 0.01, seed: int = 0
) -> np.ndarray:
    """Return the mean output without the top 10, 30, 50, 70 and 90 % of the pixels, imputed from the rest (Rong et al. 2022).

    Of images only. ``noise`` is the standard deviation of what is added to an imputed pixel, in units of the input.
    """
    if not inputs.spatial:
        raise BadInput(
            "road was asked about inputs that are no images",
            "pixels with neighbours",
            "Choose deletion or pixel_flipping",
        )
    rank, free = ranked(inputs, values), free_features(inputs)
    outputs = torch.zeros(inputs.n, device=inputs.x.device, dtype=torch.double)
    for share in PER_CENT:
        removed = rank < (free * share / 100).round().view(-1, 1, 1, 1)
        filled = torch.stack([
            torch.as_tensor(imputed(x, mask, noise, own), dtype=inputs.x.dtype)
            for x, mask, own in zip(inputs.x.numpy(force=True), removed[:, 0].numpy(force=True),
                                    generators(seed, inputs.rows.tolist()), strict=True)
        ])  # fmt: skip
        outputs += score.evaluate(filled.to(inputs.x.device)).double()
    return (outputs / len(PER_CENT)).numpy(force=True)


def imputed(image: np.ndarray, removed: np.ndarray, noise: float, draws: torch.Generator) -> np.ndarray:
    """Return an image in which removed pixels are the weighted mean of their neighbours, plus noise.

    Parameters
    ----------
    image
        ``(channel, row, column)``.
    removed
        ``(row, column)``, boolean. The equations of all removed pixels are solved together.
    noise
        Standard deviation of what is added.
    draws
        Where the noise comes from.
    """
    number = np.full(removed.shape, -1)
    number[removed] = np.arange(removed.sum())
    rows, columns = np.nonzero(removed)
    own, total, known = np.arange(len(rows)), np.zeros(len(rows)), np.zeros((len(image), len(rows)))
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for (down, right), weight in NEIGHBOURS.items():
        r, c = rows + down, columns + right
        inside = (r >= 0) & (r < removed.shape[0]) & (c >= 0) & (c < removed.shape[1])
        r, c, at = r[inside], c[inside], own[inside]
        total[at] += weight
        unknown = removed[r, c]
        entries.append((at[unknown], number[r, c][unknown], np.full(unknown.sum(), -weight)))
        known[:, at[~unknown]] += weight * image[:, r[~unknown], c[~unknown]]
    if len(rows) == 0 or (len(rows) == removed.size):
        return image.copy() if len(rows) == 0 else np.zeros_like(image)
    entries.append((own, own, total))
    i, j, v = (np.concatenate(part) for part in zip(*entries, strict=True))
    solved = (
        spsolve(coo_matrix((v, (i, j)), shape=(len(rows), len(rows))).tocsc(), known.T)
        .reshape(len(rows), -1)
        .T
    )
    found = image.copy()
    found[:, removed] = solved + noise * torch.randn(solved.shape, generator=draws).numpy()
    return found
