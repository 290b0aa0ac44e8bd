"""The list of models by name; ``build`` makes one that fits the data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..state import seeded
from .networks import MLP, LeNet5

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Builder:
    """How a named model is made, and for which kinds of data."""

    name: str
    make: Callable[..., Any]
    kinds: frozenset[str]
    sizes: tuple[str, ...]
    summary: str


_BUILDERS: dict[str, Builder] = {}


def builder(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function ``(input_shape, n_classes, **sizes) -> model`` in the list, under its own name."""

    def enter(make: Callable[..., Any]) -> Callable[..., Any]:
        sizes = tuple(list(inspect.signature(make).parameters)[2:])
        summary = (make.__doc__ or "").strip().splitlines()[0]
        _BUILDERS[make.__name__] = Builder(make.__name__, make, frozenset(kinds), sizes, summary)
        return make

    return enter


def build(name: str, data: Data, *, seed: int = 0, **sizes: Any) -> Any:
    """Return a new, untrained model that fits the data.

    Parameters
    ----------
    name
        One of :func:`models`.
    data
        Gives the input shape and the number of classes.
    seed
        Of the first weights.
    **sizes
        The model's own sizes, such as ``hidden=(128,)``.

    Raises
    ------
    UnknownName
        No such model.
    BadInput
        A size that this model does not have, or data of a kind it cannot take.

    Examples
    --------
    >>> import workbench as wb
    >>> net = wb.build("lenet5", wb.load("mnist"), hidden=100)
    >>> sum(p.numel() for p in net.parameters())
    106680
    """
    if name not in _BUILDERS:
        raise unknown("model", name, _BUILDERS)
    entry = _BUILDERS[name]
    if data.kind not in entry.kinds:
        fitting = [n for n, other in sorted(_BUILDERS.items()) if data.kind in other.kinds]
        raise BadInput(f"{name} cannot take {data.kind} data", f"data of kind {sorted(entry.kinds)}",
                       f"Build one of {fitting}")  # fmt: skip
    if stray := sorted(set(sizes) - set(entry.sizes)):
        raise BadInput(f"{name} has no size called {stray[0]!r}", f"sizes among {list(entry.sizes)}",
                       "Correct the name")  # fmt: skip
    spec = {
        "builder": name,
        "sizes": sizes,
        "input_shape": list(data.input_shape),
        "n_classes": data.n_classes,
    }
    with seeded(seed):
        return from_spec(spec)


def from_spec(spec: dict[str, Any]) -> Any:
    """Return an untrained model from the ``spec`` that a built model carries."""
    if spec.get("builder") not in _BUILDERS:
        raise unknown("model", spec.get("builder"), _BUILDERS)
    model = _BUILDERS[spec["builder"]].make(spec["input_shape"], spec["n_classes"], **spec["sizes"])
    model.spec = spec
    return model.eval() if isinstance(model, nn.Module) else model


def models() -> pd.DataFrame:
    """Return a table of the models that :func:`build` knows: kinds of data, sizes, what each is."""
    import pandas as pd

    rows = (
        {"model": b.name, "data": ", ".join(sorted(b.kinds)), "sizes": ", ".join(b.sizes), "what": b.summary}
        for b in sorted(_BUILDERS.values(), key=lambda b: b.name)
    )
    return pd.DataFrame(rows).set_index("model")


@builder("image")
def lenet5(input_shape, n_classes, channels=(20, 50), hidden=500):
    """Two convolutions and two linear layers (LeCun et al. 1998): 431,080 parameters on digits."""
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise BadInput(f"Images of shape {tuple(input_shape)}", "at least 16 rows and columns", "Use mlp")
    return LeNet5(input_shape, n_classes, channels, hidden)


@builder("image", "table")
def lenet300(input_shape, n_classes, hidden=(300, 100)):
    """Three linear layers, 300 and 100 units (LeCun et al. 1998): 266,610 parameters on digits."""
    return MLP(input_shape, n_classes, hidden)


@builder("image", "table")
def mlp(input_shape, n_classes, hidden=(64, 64)):
    """Linear layers with ReLU between them, sizes by argument."""
    return MLP(input_shape, n_classes, hidden)


@builder("image", "table")
def logistic(input_shape, n_classes, C=0.1):
    """Glass box: multinomial logistic regression; its coefficients are the whole model."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=1000)


@builder("image", "table")
def tree(input_shape, n_classes, max_depth=8):
    """Glass box: a decision tree; its rules are the whole model (Breiman et al. 1984)."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=max_depth, random_state=0)
