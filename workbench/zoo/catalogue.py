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
from .deep import VGG16, ResNet18
from .networks import CNN, MLP, LeNet5
from .sequences import LSTMAttention, Transformer

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
STRENGTH = {"image": 0.1, "table": 1.0, "text": 5.0}  # C of the logistic regression, by kind of input
VOCABULARY = "vocabulary"  # a size that the data have and nobody chooses


def builder(*kinds: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function ``(input_shape, n_classes, **sizes) -> model`` in the list, under its own name.

    One that takes texts has a ``vocabulary`` too, which is the size of the tokenizer, and None without one.
    """

    def enter(make: Callable[..., Any]) -> Callable[..., Any]:
        sizes = tuple(name for name in list(inspect.signature(make).parameters)[2:] if name != VOCABULARY)
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
    with seeded(seed):
        return from_spec(_spec(name, data, sizes))


def _spec(name: str, data: Data, sizes: dict[str, Any]) -> dict[str, Any]:
    """Return what it takes to build the model again, and what an input looks like."""
    spec: dict[str, Any] = {"builder": name, "sizes": sizes, "input_shape": list(data.input_shape),
                            "n_classes": data.n_classes}  # fmt: skip
    if data.tokenizer is None:
        return spec
    return spec | {"sizes": sizes | {VOCABULARY: data.tokenizer.size}, "tokens": True}


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
def cnn(input_shape, n_classes, channels=(16, 32, 64), hidden=64, dropout=0.0):
    """Three convolutions and two linear layers, for images of any size and number of channels."""
    if len(input_shape) != 3 or min(input_shape[1:]) < 8:
        raise BadInput(f"Images of shape {tuple(input_shape)}", "at least 8 rows and columns", "Use mlp")
    return CNN(input_shape, n_classes, channels, hidden, dropout)


@builder("image")
def lenet5(input_shape, n_classes, channels=(20, 50), hidden=500):
    """Two convolutions and two linear layers (LeCun et al. 1998): 431,080 parameters on digits."""
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise BadInput(
            f"Images of shape {tuple(input_shape)}", "at least 16 rows and columns", "Use cnn or mlp"
        )
    return LeNet5(input_shape, n_classes, channels, hidden)


@builder("image", "table")
def lenet300(input_shape, n_classes, hidden=(300, 100), dropout=0.0):
    """Three linear layers, 300 and 100 units (LeCun et al. 1998): 266,610 parameters on digits."""
    return MLP(input_shape, n_classes, hidden, dropout)


@builder("image", "table")
def mlp(input_shape, n_classes, hidden=(64, 64), dropout=0.0):
    """Linear layers with ReLU between them, sizes by argument."""
    return MLP(input_shape, n_classes, hidden, dropout)


@builder("image")
def vgg16(input_shape, n_classes, width=64):
    """Thirteen convolutions with batch norm and two linear layers (Simonyan and Zisserman 2015), for images from 32 pixels on."""
    return VGG16(_wide_enough(input_shape, width), n_classes, width)


@builder("image")
def resnet18(input_shape, n_classes, width=64):
    """Eight residual blocks (He et al. 2016), for images from 32 pixels on: 11 million parameters with 64 channels."""
    return ResNet18(_wide_enough(input_shape, width), n_classes, width)


def _wide_enough(input_shape: Any, width: Any) -> Any:
    if len(input_shape) != 3 or min(input_shape[1:]) < 32:
        raise BadInput(
            f"Images of shape {tuple(input_shape)}", "at least 32 rows and columns", "Use cnn or lenet5"
        )
    if not isinstance(width, int) or width < 1:
        raise BadInput(f"width is {width!r}", "a whole number of channels above 0", "64 is the published one")
    return input_shape


@builder("text")
def lstm_attention(input_shape, n_classes, embedding=32, hidden=32, dropout=0.5, vocabulary=None):
    """Bidirectional LSTM with additive attention over the words (Yang et al. 2016)."""
    return LSTMAttention(vocabulary, n_classes, embedding, hidden, dropout)


@builder("text")
def transformer(input_shape, n_classes, layers=2, heads=2, width=32, feedforward=128, dropout=0.3,
                vocabulary=None):  # fmt: skip
    """Small encoder whose self-attention can be read (Vaswani et al. 2017); answers at [CLS]."""
    if width % heads:
        raise BadInput(
            f"width is {width} for {heads} heads", "a width that the heads can share", "Change one"
        )
    return Transformer(input_shape, vocabulary, n_classes, layers, heads, width, feedforward, dropout)


@builder("image", "table", "text")
def logistic(input_shape, n_classes, C=None, vocabulary=None):
    """Glass box: logistic regression, on texts of TF-IDF; its coefficients are the whole model."""
    from sklearn.linear_model import LogisticRegression

    kind = "image" if len(input_shape) == 3 else "table" if vocabulary is None else "text"
    return _reading(vocabulary, LogisticRegression(C=C or STRENGTH[kind], max_iter=1000))


@builder("image", "table", "text")
def tree(input_shape, n_classes, max_depth=8, vocabulary=None):
    """Glass box: a decision tree, on texts of TF-IDF; its rules are the whole model (Breiman et al. 1984)."""
    from sklearn.tree import DecisionTreeClassifier

    return _reading(vocabulary, DecisionTreeClassifier(max_depth=max_depth, random_state=0))


def _reading(vocabulary: int | None, estimator: Any) -> Any:
    """Return an estimator, which on texts reads strings: words and pairs of words that stand in two texts at least, by TF-IDF."""
    if vocabulary is None:
        return estimator
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), estimator)
