"""``explain``: the one door; it checks what comes in, leaves the model untouched, and returns a record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ..data.records import Data
from ..zoo.holder import unwrap
from .arguments import DEFAULTS
from .preparation import Explainer
from .registry import look_up


def explain(
    model: Any,
    inputs: Any,
    method: str | Iterable[str] = "integrated_gradients",
    *,
    target: Any = None,
    output: str = "logit",
    baselines: Any = None,
    background: Any = None,
    layer: str | None = None,
    feature_mask: Any = None,
    data: Data | None = None,
    forward_kwargs: dict | None = None,
    noise: dict | None = None,
    budget: str | int | None = None,
    shared_draws: bool | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    compute: str | None = None,
    **options: Any,
) -> Any:
    """Explain a model's output for each input by a method of :func:`methods`.

    Parameters
    ----------
    model
        Any ``nn.Module``, fitted estimator, callable ``x -> scores (n, class)``, or a ``Fitted`` or
        ``Compressed``. It comes back as it was, also after an error.
    inputs
        A ``Split`` such as ``data.test[:5]``, a float array or tensor ``(n, ...)``, token numbers
        ``(n, length)``, a data frame of raw rows (with ``data=`` or ``background=``), a list of texts, or a
        tuple of arrays for a model that takes several inputs (see ``Explanation.parts``).
        A global method takes None, or the labelled rows it looks at.
    method
        A name, or a list of names for a dict of explanations.
    target
        Class to explain, one a row or one for all. None is the class the model itself predicts.
    output
        The scalar: "logit", "centred_logit" (minus the mean of all logits), "log_prob", "probability",
        "runner_up" (difference to the second class), "label_probability" (the sigmoid of one of several
        labels), "raw" (a model with one output; "logit" means the same there, and the others take it as the
        logit of class 1 against class 0).
    baselines, background
        What stands for absent: one value or row (default 0, which for a standardized table is the training
        mean; the pad token for texts), or rows to average over, which makes the estimand marginal. Not both.
    layer
        For methods that look at one.
    feature_mask
        Integers that broadcast to the inputs, or one a column: equal numbers form one feature.
    data
        Gives names of classes and columns, and turns raw rows and texts into what the model takes.
    forward_kwargs
        Passed on to the module's forward; an array with an entry for each row goes along with its row.
    noise
        ``{"n_samples": 50, "stdev": .1}``: average a gradient method over noisy copies of each input.
    budget
        ``"2s"``, ``"500ms"`` or a number of model evaluations: a method that samples draws as many samples as
        it allows; ``settings`` say how many that were, and the error they reached.
    shared_draws
        Whether rows share random draws; by default the method's own choice (shared for LIME and kernel SHAP).
    seed
        Of everything random. Same seed, same bits, for equal batch size, threads and versions.
    batch_size
        Rows of one forward; chosen by the size of an input when None, and halved where memory does not suffice.
    compute
        "channels_last" or "bfloat16": another memory layout or precision, on a copy of the model. How far the
        first rows agree with plain values is measured, flagged, and stands in ``settings["agreement"]``.
    **options
        The method's own; see ``wb.methods()``.

    Returns
    -------
    Explanation
        Or a dict of them, for a list of methods.

    Raises
    ------
    UnknownName
        No such method, output or layer; the message lists the known.
    NotExplainable
        This method cannot explain this model; the message says why, and which can.
    BadInput
        Wrong shape, NaN, empty batch, a target out of range, a misspelt option.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=300)
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> wb.explain(net, data.test[:2], "occlusion", window=7)
    Explanation(occlusion of the logit, values 2x1x28x28, [ok] sound)
    """
    common = {"output": output, "baselines": baselines, "background": background, "layer": layer,
              "feature_mask": feature_mask, "forward_kwargs": forward_kwargs, "noise": noise, "budget": budget,
              "shared_draws": shared_draws, "seed": seed, "batch_size": batch_size, "compute": compute}  # fmt: skip
    if not isinstance(method, str):
        return {
            name: explain(model, inputs, name, target=target, data=data, **common, **options)
            for name in method
        }
    return explainer(model, method, data=data, **common, **options)(inputs, target)


def explainer(
    model: Any, method: str = "integrated_gradients", *, data: Data | None = None, **settings: Any
) -> Explainer:
    """Prepare a method for a model once; call what comes back with inputs, and a target where it is not the prediction.

    Parameters
    ----------
    model, method, data
        As in :func:`explain`.
    **settings
        All other arguments of :func:`explain` but the target, such as ``output`` and ``baselines``, and the
        method's options.

    Returns
    -------
    Explainer
        ``f(inputs, target=None) -> Explanation``, equal to what :func:`explain` returns.

    Raises
    ------
    UnknownName
        No such method.
    BadInput
        A misspelt option.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=300)
    >>> f = wb.explainer(wb.build("mlp", data), "saliency")
    >>> f(data.test[:2])
    Explanation(saliency of the logit, values 2x1x28x28, [ok] sound)
    """
    entry = look_up(method)
    common = {name: settings.pop(name, default) for name, default in DEFAULTS.items()}
    return Explainer(unwrap(model), entry, entry.checked(settings), common, data)


def attribute(
    model: Any,
    inputs: Any,
    method: str = "integrated_gradients",
    *,
    target: Any = None,
    create_graph: bool = False,
    **settings: Any,
) -> torch.Tensor:
    """Return a method's values as a tensor, with ``create_graph`` one that a loss can be differentiated through.

    For training terms such as "the gradient shall be small where people marked": the graph leads to the
    model's parameters, not to the inputs. The model is asked in evaluation mode and comes back in its own.

    Parameters
    ----------
    model, inputs, method, target
        As in :func:`explain`.
    create_graph
        Keep the graph; methods whose values have none are refused, and so are int8 models.
    **settings
        All other arguments of :func:`explain`, such as ``output`` and ``baselines``, and the method's options.

    Returns
    -------
    torch.Tensor
        ``(n, ...)`` of the features' shape, in the unit of the output.

    Raises
    ------
    NotExplainable
        No graph leads from these values to the parameters.

    Examples
    --------
    >>> import torch, workbench as wb
    >>> net = torch.nn.Linear(3, 2)
    >>> wb.attribute(net, torch.ones(4, 3), "saliency", create_graph=True).sum().backward()
    >>> net.weight.grad.shape
    torch.Size([2, 3])
    """
    return explainer(model, method, **settings).tensor(inputs, target, create_graph)
