"""The one training loop: everything that trains is a term of its loss or acts after its steps.

A term is ``(model, batch) -> scalar``. With no terms the loss is the cross entropy with the labels; with
terms it is their sum and nothing else, so that a term for the labels is there only if it was asked for.
Distillation, matching of maps, repair and quantization-aware training are terms of a few lines; pruning
is an ``after_step``.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from . import html
from .data.records import Data, Split
from .errors import BadInput
from .state import generator, seeded, untouched
from .zoo.holder import Holder, unwrap
from .zoo.strides import NO_VIEW

FLOOR = 0.05  # the learning rate falls linearly to this share of its first value


@dataclass(frozen=True)
class Batch:
    """What a term sees: inputs (already augmented), labels, row numbers and the step's generator."""

    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor
    draws: torch.Generator


Term = Callable[[nn.Module, Batch], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Fitted(Holder):
    """A trained model and its history; it unpacks as ``model, history`` and is taken wherever a model is."""

    model: Any
    history: dict[str, list[float]]
    recipe: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False

    def _beside(self) -> dict[str, list[float]]:
        return self.history

    def whole(self) -> Any:
        """Return the model, but only of a training that was not cut short: half a control is none.

        Raises
        ------
        KeyboardInterrupt
            The training was interrupted.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        return self.model

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.3f}" for name, values in self.history.items() if values)
        state = "interrupted" if self.interrupted else "trained"
        return f"Fitted({type(self.model).__name__}, {state}, {last})"

    def _repr_html_(self) -> str:
        last = {name: f"{values[-1]:.4f}" for name, values in self.history.items() if values}
        return html.record(f"Fitted: {type(self.model).__name__}", last)


def cross_entropy(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the cross entropy of the model's logits with the labels: the term used when there is none."""
    return F.cross_entropy(model(batch.x), batch.y)


def fit(
    model: Any,
    data: Data,
    *,
    epochs: int = 20,
    lr: float = 1e-3,
    batch_size: int = 64,
    patience: int | None = None,
    seed: int = 0,
    augment: bool = False,
    terms: Sequence[Term] = (),
    after_step: Callable[[nn.Module], None] | None = None,
    verbose: bool = True,
) -> Fitted:
    """Train a copy of a model; the given one is untouched.

    Adam, the learning rate falling linearly to a twentieth. The last weights are kept, or with
    ``patience`` those of the lowest validation loss. An interrupt (the stop button) ends the training and
    keeps the best weights so far.

    Parameters
    ----------
    model
        An ``nn.Module`` that returns logits ``(n, class)``, or a scikit-learn estimator, whose own
        ``fit`` is used (then the other arguments must be left out): on texts as they were, for a pipeline
        of a table on its original columns, else on flattened rows.
    data
        Trains on ``data.train``; ``data.valid`` is only watched.
    epochs, lr, batch_size
        Passes over the rows, first learning rate, rows a step.
    patience
        Stop after so many epochs without a lower validation loss.
    seed
        Of the order of rows, augmentation and dropout. Same seed, same bits, for the same number of
        threads and versions.
    augment
        Images only: each batch shifted (up to two pixels in 28), turned (10 degrees) and scaled (10 %).
    terms
        Functions ``(model, batch) -> scalar`` whose sum is the loss, instead of the cross entropy.
    after_step
        Called with the model behind every step.
    verbose
        Show a progress bar.

    Returns
    -------
    Fitted
        ``model, history``. The model carries ``recipe`` (how it was trained) and ``spec`` (how to build it);
        ``history`` has ``loss``, ``valid_loss`` and ``valid_accuracy``, one value an epoch.

    Raises
    ------
    BadInput
        Data that does not fit the model, nothing to train, numbers that are not above 0, a loss that is not
        finite, options an estimator cannot take.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=200, valid=50)
    >>> net, history = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> len(history["loss"])
    2
    """
    model = unwrap(model)
    if not isinstance(model, nn.Module):
        if terms or after_step or augment or patience:
            raise BadInput(f"{type(model).__name__} trains itself", "no terms, after_step, augment or patience",
                           "Leave them out, or train a network")  # fmt: skip
        return _fit_estimator(model, data, seed)
    if augment and data.kind != "image":
        raise BadInput(f"augment=True for {data.kind} data", "images", "Leave augment out")
    _check_numbers(epochs=epochs, lr=lr, batch_size=batch_size, patience=1 if patience is None else patience)
    recipe = {
        "data": data.name, "data_fingerprint": data.fingerprint, "epochs": epochs, "lr": lr,
        "batch_size": batch_size, "patience": patience, "seed": seed, "augment": augment,
        "terms": [getattr(term, "__name__", type(term).__name__) for term in terms],
        "after_step": getattr(after_step, "__name__", None) if after_step else None,
    }  # fmt: skip
    net: Any = copy.deepcopy(model)
    net.requires_grad_(True)
    _check_fit(net, data)
    loop = _Loop(
        net, data, epochs, lr, batch_size, seed, augment, tuple(terms) or (cross_entropy,), after_step
    )
    with seeded(seed):
        history, interrupted = _train(loop, patience, verbose)
    net.recipe, net.spec = recipe, getattr(model, "spec", None)
    return Fitted(net.eval(), history, recipe, interrupted)


def _check_numbers(**numbers: Any) -> None:
    for name, value in numbers.items():
        kind: Any = Real if name == "lr" else Integral
        if not isinstance(value, kind) or not value > 0:
            what = "a number" if kind is Real else "a whole number"
            raise BadInput(f"{name} is {value!r}", f"{what} above 0", "Correct it")


def _check_fit(net: nn.Module, data: Data) -> None:
    """Refuse, before the first step, a network without weights or without a logit a class for this data."""
    device = next((p.device for p in net.parameters()), None)
    if device is None:
        raise BadInput(f"A {type(net).__name__} has no weights to train", "a float network",
                       "Train it before it is compressed")  # fmt: skip
    x = torch.tensor(data.train.x[:2], device=device).clone(memory_format=torch.contiguous_format)
    try:
        with untouched(net), torch.no_grad():
            shape = tuple(net(x).shape)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as problem:
        raise BadInput(f"The model failed on inputs of shape {tuple(x.shape)} ({problem})",
                       "a model that takes such inputs", "Build it for this data") from problem  # fmt: skip
    if len(shape) != 2 or shape[0] != len(x) or shape[1] < data.n_classes:
        raise BadInput(f"The model returned {shape} for {len(x)} inputs", f"logits for {data.n_classes} classes",
                       "Build it for this data")  # fmt: skip


@dataclass(eq=False)
class _Loop:
    net: nn.Module
    data: Data
    epochs: int
    lr: float
    batch_size: int
    seed: int
    augment: bool
    terms: tuple[Term, ...]
    after_step: Callable[[nn.Module], None] | None

    def __post_init__(self) -> None:
        device = next(self.net.parameters()).device
        self.quick = True
        _lay_out(self.net, torch.channels_last)
        self.x, self.y = tensors(self.data.train, device)
        self.valid = tensors(self.data.valid, device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), self.lr)
        self.draws = generator(self.seed)
        self.steps = self.epochs * math.ceil(len(self.x) / self.batch_size)
        self.step = 0

    def epoch(self) -> float:
        self.net.train()
        losses = [self.one(rows) for rows in self.order().split(self.batch_size)]
        return float(np.mean(losses))

    def order(self) -> torch.Tensor:
        return torch.randperm(len(self.x), generator=self.draws).to(self.x.device)

    def one(self, rows: torch.Tensor) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * max(FLOOR, 1 - self.step / self.steps)
        x = augmented(self.x[rows], self.draws) if self.augment else self.x[rows]
        loss = self.loss(x, rows)
        if not torch.isfinite(loss):
            raise BadInput(f"The loss became {loss.item()} in step {self.step}", "a finite loss",
                           "Lower lr, or look at the terms")  # fmt: skip
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.after_step:
            self.after_step(self.net)
        self.step += 1
        return loss.item()

    def loss(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the sum of the terms; a net, or a teacher, that takes activations for contiguous gets them so."""
        batch = Batch(self.laid_out(x), self.y[rows], rows, self.draws)
        try:
            return torch.stack([term(self.net, batch) for term in self.terms]).sum()
        except RuntimeError as problem:
            if not self.quick or NO_VIEW not in str(problem):
                raise
        self.quick = False
        _lay_out(self.net, torch.contiguous_format)
        return self.loss(x, rows)

    def laid_out(self, x: torch.Tensor) -> torch.Tensor:
        """Return images with the channels last where that may be, and anything else contiguous."""
        last = x.ndim == 4 and self.quick
        return x.clone(memory_format=torch.channels_last if last else torch.contiguous_format)

    def validate(self) -> tuple[float, float]:
        self.net.eval()
        with torch.no_grad():
            z = logits(self.net, self.laid_out(self.valid[0]))
        y = self.valid[1]
        return F.cross_entropy(z, y).item(), (z.argmax(1) == y).float().mean().item()


def _train(loop: _Loop, patience: int | None, verbose: bool) -> tuple[dict[str, list[float]], bool]:
    history: dict[str, list[float]] = {"loss": [], "valid_loss": [], "valid_accuracy": []}
    best, best_weights, interrupted = math.inf, copy.deepcopy(loop.net.state_dict()), False
    bar = tqdm(total=loop.epochs, unit="epoch", desc="fit", disable=not verbose, leave=False)
    try:
        for _ in range(loop.epochs):
            loss = loop.epoch()
            valid_loss, accuracy = loop.validate()
            for name, value in zip(history, (loss, valid_loss, accuracy), strict=True):
                history[name].append(value)
            if valid_loss < best:
                best, best_weights = valid_loss, copy.deepcopy(loop.net.state_dict())
            bar.set_postfix(valid=f"{accuracy:.3f}")
            bar.update()
            if patience and len(history["loss"]) - 1 - int(np.argmin(history["valid_loss"])) >= patience:
                break
    except KeyboardInterrupt:
        interrupted = True
        warnings.warn(
            f"Interrupted after {len(history['loss'])} epochs: the best weights are kept", stacklevel=3
        )
    finally:
        bar.close()
    if patience or interrupted:
        loop.net.load_state_dict(best_weights)
    _lay_out(loop.net, torch.contiguous_format)
    return history, interrupted


def _lay_out(net: nn.Module, layout: torch.memory_format) -> None:
    """Lay a net's image filters out anew: training with the channels last is about 1.4 times as fast on a CPU."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _fit_estimator(estimator: Any, data: Data, seed: int) -> Fitted:
    from sklearn.base import clone

    if not hasattr(estimator, "get_params"):
        raise BadInput(f"A {type(estimator).__name__} cannot be trained", "an nn.Module or an estimator of scikit-learn",
                       "Use it as it is: a callable can be explained without training")  # fmt: skip
    start, fitted = time.perf_counter(), clone(estimator)
    with seeded(seed):
        fitted.fit(_readable(fitted, data.train), data.train.y)
    fitted.spec = getattr(estimator, "spec", None)
    fitted.recipe = {"data": data.name, "data_fingerprint": data.fingerprint, "estimator": repr(estimator),
                     "seed": seed}  # fmt: skip
    accuracy = float((fitted.predict(_readable(fitted, data.valid)) == data.valid.y).mean())
    history = {"valid_accuracy": [accuracy], "seconds": [time.perf_counter() - start]}
    return Fitted(fitted, history, fitted.recipe)


def _readable(estimator: Any, split: Split) -> Any:
    """Return rows as an estimator is trained on: texts and, for a pipeline, original columns as they were."""
    inner = getattr(estimator, "estimator", estimator)  # of a search or a calibration
    if split.texts is not None or (split.codec is not None and hasattr(inner, "steps")):
        return split.raw
    return split.x.reshape(len(split), -1)


def tensors(split: Split, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Return a split's inputs and classes as tensors of their own."""
    return torch.tensor(split.x, device=device), torch.tensor(split.y, device=device)


def first_order(
    weights: dict[str, torch.Tensor], gradients: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return by how much the loss would change to first order without each weight: |weight x gradient| (Molchanov et al. 2017)."""
    return {name: (w.detach() * gradients[name]).abs() for name, w in weights.items()}


def loss_gradients(
    answer: Callable[[torch.Tensor], torch.Tensor],
    weights: dict[str, torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    batch_size: int = 256,
) -> dict[str, torch.Tensor]:
    """Return the gradient of the mean cross entropy of rows, in nats, with respect to each weight.

    ``answer`` turns rows into logits ``(n, class)``: a model that :func:`~workbench.state.untouched` has lent
    out, which also takes back that its ``weights`` are asked for gradients here.
    """
    found = {name: torch.zeros_like(w.requires_grad_(True)) for name, w in weights.items()}
    for part, classes in zip(x.split(batch_size), y.split(batch_size), strict=True):
        with torch.enable_grad():
            loss = F.cross_entropy(answer(part), classes, reduction="sum") / len(x)
            steps = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for total, step in zip(found.values(), steps, strict=True):
            total += 0 if step is None else step
    return found


def removable(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a network's float weights of two and more axes by the layer's name, a recurrent layer's by their own."""
    named = {name: w for name, w in model.named_parameters() if w.ndim > 1}
    return {name.removesuffix(".weight"): w for name, w in named.items()}


def logits(model: nn.Module, x: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return the model's outputs, in batches."""
    return torch.cat([model(part) for part in x.split(batch_size)])


def augmented(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Return images each shifted, turned and scaled a little: up to 7 % of the side, 10 degrees, 10 %."""
    u = torch.rand(len(x), 4, generator=draws).to(x.device) * 2 - 1
    angle, scale, shift = u[:, 0] * math.radians(10), 1 + 0.1 * u[:, 1], u[:, 2:] * 0.143
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    moves = torch.stack(
        [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1
    )
    grid = F.affine_grid(moves, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)
