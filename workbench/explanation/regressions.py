"""The two regressions behind local explanations, solved for all rows at once, with the errors of their weights.

Kernel SHAP: weights that sum to what is to be shared. LIME: a weighted ridge. Where all rows share their
coalitions they share one design, and one solve serves them all.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

PENALTY = 1.0  # of LIME's ridge
BLOCK = 2**21  # entries of the designs that are held at a time
SMALLEST = 1e-6  # of what a coalition's own residual may be shrunk by
NO_SPREAD = 1e-24  # of the outputs' squares: below it they are constant but for rounding


class Fit(NamedTuple):
    """A regression a row.

    Attributes
    ----------
    weights, error
        ``(n, group)``, and their standard errors.
    fit
        Weighted R² ``(n,)``.
    """

    weights: torch.Tensor
    error: torch.Tensor
    fit: torch.Tensor


def shares(
    kept: torch.Tensor, worth: torch.Tensor, full: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve kernel SHAP's regression, whose weights sum to ``full - empty`` (Lundberg and Lee 2017).

    Parameters
    ----------
    kept
        Coalitions of paired draws ``(1 or n, coalition, group)``: shared, or each row's own, held one at a time.
    worth, full, empty
        ``(n, coalition)``, ``(n,)``, ``(n,)``.

    Returns
    -------
    tuple
        Weights and their standard errors, ``(n, group)`` each.
    """
    if len(kept) == 1:
        return _shared(kept[0], worth, full, empty)
    rows = [slice(i, i + 1) for i in range(len(worth))]
    found = [_shared(kept[at][0], worth[at], full[at], empty[at]) for at in rows]
    values, errors = zip(*found, strict=True)
    return torch.cat(values), torch.cat(errors)


def _shared(
    kept: torch.Tensor, worth: torch.Tensor, full: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    last = kept[:, -1:].double()
    design = kept[:, :-1].double() - last  # The constraint removes the last group.
    inverse = torch.linalg.pinv(design.T @ design, hermitian=True)
    total = (full - empty)[:, None]
    aim = worth - empty[:, None] - last.T * total
    values = aim @ design @ inverse
    errors = _error(aim - values @ design.T, *_influence(design, inverse))
    return torch.cat([values, total - values.sum(1, keepdim=True)], 1), errors


def _influence(design: torch.Tensor, inverse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far a unit of residual of a pair moves each group squared, ``(pair, group)``, and leverages."""
    half = design[: len(design) // 2]  # A coalition's row and its complement's are each other's negative.
    moves = half @ inverse
    leverage = 2 * (moves * half).sum(1)
    return torch.cat([moves, -moves.sum(1, keepdim=True)], 1).square(), leverage


def _error(residual: torch.Tensor, moves: torch.Tensor, leverage: torch.Tensor) -> torch.Tensor:
    """Return standard errors ``(n, group)``: the sandwich with a pair as one unit, HC2 (MacKinnon and White 1985)."""
    first, second = residual.chunk(2, 1)
    return ((first - second).square() / (1 - leverage).clamp(min=SMALLEST) @ moves).sqrt()


def ridge(kept: torch.Tensor, worth: torch.Tensor, weight: torch.Tensor) -> Fit:
    """Fit LIME's ridge regression to every row: penalty 1, with an intercept (Ribeiro et al. 2016).

    It is scikit-learn's ``Ridge(alpha=1)`` with sample weights in closed form. Errors are those of the
    sandwich for residuals of any size, HC1 (MacKinnon and White 1985).

    Parameters
    ----------
    kept
        Which groups stay, ``(1 or n, sample, group)``.
    worth
        The explained scalar ``(n, sample)``.
    weight
        Of each sample, ``(1 or n, sample)``.
    """
    design, worth, weight = kept.double(), worth.double(), weight.double()
    mass = weight.sum(1, keepdim=True)
    centre = _times(weight, design) / mass
    middle = (weight * worth).sum(1, keepdim=True) / mass
    weighted = design * weight[..., None]
    gram = weighted.mT @ design - mass[..., None] * centre[..., None] * centre[:, None]
    penalty = PENALTY * torch.eye(design.shape[2], dtype=design.dtype, device=design.device)
    inverse = torch.linalg.inv(gram + penalty)
    weights = _times(_times(worth - middle, weighted), inverse)
    residual = worth - middle - _times(weights, design.mT) + (centre * weights).sum(1, keepdim=True)
    error = _spread(kept, centre, weight * residual, inverse)
    return Fit(weights, error, _fit(weight, worth - middle, residual, worth))


def _times(values: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Return a row ``(n, i)`` times its matrix ``(n, i, j)``, or all rows times the one matrix ``(1, i, j)``."""
    return values @ matrix[0] if len(matrix) == 1 else (values[:, None] @ matrix)[:, 0]


def _spread(
    kept: torch.Tensor, centre: torch.Tensor, pull: torch.Tensor, inverse: torch.Tensor
) -> torch.Tensor:
    """Return standard errors of ridge weights, ``(n, group)``, from weighted residuals ``(n, sample)``.

    In single precision, which is plenty for an error and half the work.
    """
    _, n, d = kept.shape
    inverse, pull = inverse.float(), pull.float()
    moves = kept.float() @ inverse
    moves.sub_(_times(centre.float(), inverse)[:, None]).square_()
    return (_times(pull.square(), moves) * n / max(1, n - d - 1)).sqrt().double()


def _fit(
    weight: torch.Tensor, around: torch.Tensor, residual: torch.Tensor, worth: torch.Tensor
) -> torch.Tensor:
    """Return the weighted R²; a constant is fitted perfectly, as scikit-learn says."""
    left, spread = ((weight * part.square()).sum(1) for part in (residual, around))
    constant = spread <= NO_SPREAD * (weight * worth.square()).sum(1)
    return torch.where(constant, 1.0, 1 - left / torch.where(constant, 1.0, spread))
