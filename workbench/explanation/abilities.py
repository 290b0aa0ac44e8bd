"""What a model can give to a method, and in words what it cannot."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..int8.conversion import is_int8
from ..int8.surrogate import has_twin, is_dynamic
from .estimators import last_step
from .heads import attends

TREES = frozenset(  # whose trees shap reads
    f"{name}{task}"
    for name in (
        "DecisionTree",
        "ExtraTree",
        "RandomForest",
        "ExtraTrees",
        "GradientBoosting",
        "HistGradientBoosting",
    )
    for task in ("Classifier", "Regressor")
)


def abilities(model: Any) -> dict[str, str]:
    """Return what a model cannot give, need -> reason in words; what is not listed it can."""
    what = type(model).__name__ if hasattr(model, "predict") else "a callable"
    lacks = {}
    if isinstance(model, nn.Module):
        what = "the model"
        if is_int8(model):
            lacks["trainable"] = "its int8 weights have no gradient"
            if is_dynamic(model):
                lacks["rules"] = "its int8 layers round batch by batch, which has no rule"
            if not has_twin(model):
                lacks["gradient"] = "its recurrent int8 layers have no gradient, and no surrogate"
    else:
        no = f"{what} has no layers"
        lacks |= {"gradient": f"{what} has no gradient", "layers": no, "rules": no}
        lacks["trainable"] = f"{what} has no weights with a gradient"
    layers = list(model.modules()) if isinstance(model, nn.Module) else []
    if not any(map(is_convolution, layers)):
        lacks["convolution"] = f"{what} has no convolution"
    if not any(map(attends, layers)):
        lacks["attention"] = f"{what} has no attention weights that can be read"
    glass = last_step(model)
    if not hasattr(glass, "coef_"):
        lacks["coefficients"] = f"{what} has no coefficients"
    if not hasattr(glass, "tree_"):
        lacks["tree"] = f"{what} is no decision tree"
    if type(glass).__name__ not in TREES:
        lacks["trees"] = f"{what} is no decision tree, forest or boosted trees of scikit-learn"
    return lacks


def is_convolution(module: nn.Module) -> bool:
    """Tell by the name of the class, which float, int8 and surrogate layers have in common."""
    return "Conv" in type(module).__name__ and not any(module.children())
