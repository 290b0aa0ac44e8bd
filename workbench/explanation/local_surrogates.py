"""LIME: a sparse linear model of the output in the neighbourhood of one input."""

from __future__ import annotations

import numpy as np
import torch

from ..errors import BadInput
from ..state import generator
from .registry import method
from .score import Score
from .space import Space


@method("lime", needs={"batch"}, signed=True, cost="n_samples",
        estimand="each group's weight in a linear model fitted to the output where groups are hidden at random",
        paper="Ribeiro, Singh and Guestrin 2016",
        misleads="The fit may be poor (settings['fit'] is its R²); the segments and the kernel's width decide what is seen.")  # fmt: skip
def lime(score: Score, inputs: Space, *, n_samples: int = 1000, n_segments: int = 50, kernel_width: float = 0.25,
         seed: int = 0, shared_draws: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return LIME's weights, computed by the library's own weighted ridge regression (Ribeiro et al. 2016).

    As in ``LimeImageExplainer``: groups are hidden with probability one half, the first sample hides none,
    and samples weigh by an exponential kernel of the cosine distance to it. Hidden groups take the baseline.
    """
    groups, how = inputs.superpixels(n_segments)
    d = int(groups.max()) + 1
    if n_samples < 2 * d:
        raise BadInput(f"n_samples is {n_samples} for {d} segments", f"at least {2 * d}", "Raise it")
    seeds = [(seed,)] if shared_draws else [(seed, row) for row in range(inputs.n)]
    kept = torch.stack([_coalitions(d, n_samples, *key) for key in seeds]).to(inputs.x.device)
    worth = score.responses(
        inputs, n_samples, lambda rows, k: inputs.kept_to_hidden(kept[rows % len(kept), k], rows, groups)
    )
    fits = [
        _ridge(kept[row % len(kept)].cpu().numpy(), y, kernel_width)
        for row, y in enumerate(worth.cpu().numpy())
    ]
    weights = torch.as_tensor(np.stack([w for w, _ in fits]), dtype=inputs.x.dtype, device=inputs.x.device)
    return inputs.spread(weights, groups), {"fit": float(np.mean([r2 for _, r2 in fits])), "segments": how}


def _coalitions(d: int, n: int, *key: int) -> torch.Tensor:
    kept = torch.randint(0, 2, (n, d), generator=generator(*key)).bool()
    kept[0] = True
    return kept


def _ridge(kept: np.ndarray, worth: np.ndarray, kernel_width: float) -> tuple[np.ndarray, float]:
    """Fit one input's weights with LIME's own regression; return them and the weighted R²."""
    from lime.lime_base import LimeBase
    from sklearn.metrics import pairwise_distances

    z = kept.astype(float)
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / kernel_width**2)))
    distance = pairwise_distances(z, z[:1], metric="cosine").ravel()
    _, pairs, fit, _ = base.explain_instance_with_data(
        z, worth[:, None].astype(float), distance, 0, z.shape[1], feature_selection="none"
    )
    weights = np.zeros(z.shape[1])
    for group, weight in pairs:
        weights[group] = weight
    return weights, fit
