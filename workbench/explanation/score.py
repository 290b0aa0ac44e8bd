"""``Score``: any model and an output become one batched scalar function of the inputs.

Methods and metrics see only this and :class:`~workbench.explanation.space.Space`; nobody below the
front door asks what class a model has.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data.records import Split
from ..errors import BadInput, unknown
from ..int8.conversion import is_int8
from ..int8.surrogate import has_twin, twin
from ..state import untouched
from ..zoo.holder import unwrap

OUTPUTS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "logit": lambda z, t, r: _of(z, t),
    "centred_logit": lambda z, t, r: _of(z, t) - z.mean(1),
    "log_prob": lambda z, t, r: _of(F.log_softmax(z, 1), t),
    "probability": lambda z, t, r: _of(F.softmax(z, 1), t),
    "runner_up": lambda z, t, r: _of(z, t) - _of(z, r),
    "raw": lambda z, t, r: z[:, 0],
}
SPACES = 1e-3  # a difference of scores that is said
SMALLEST = 1e-6  # probabilities of estimators are clipped here before their logarithm is taken
NUMBERS_A_TOKEN = 64  # what a token is for a model that has looked it up
PIXELS_A_BATCH = 160_000  # about 200 digits, 1,000 table rows or 8 photographs: batches that stay in cache


class Score:
    """The scalar that is explained, as a function of a batch.

    Parameters
    ----------
    model
        A module, a fitted estimator, or a callable ``x -> scores``.
    output
        One of ``OUTPUTS``.
    differentiable
        Ask for gradients: an int8 module is then represented by its twin.
    forward_kwargs
        Passed on to a module's ``forward``.
    codec
        For a model that reads raw rows (see :func:`reads_raw`): turns inputs back into them.
    """

    def __init__(self, model: Any, output: str, *, differentiable: bool = False, forward_kwargs: dict | None = None,
                 batch_size: int | None = None, codec: Any = None) -> None:  # fmt: skip
        if output not in OUTPUTS:
            raise unknown("output", output, OUTPUTS)
        if batch_size is not None and (not isinstance(batch_size, Integral) or batch_size < 1):
            raise BadInput(f"batch_size is {batch_size!r}", "a whole number of rows above 0", "Leave it out")
        self.uses_twin = differentiable and is_int8(model)
        self.artifact, self.model = model, twin(model).eval() if self.uses_twin else model
        self.unequal = [0]
        self.output, self.forward_kwargs, self.batch_size = output, forward_kwargs or {}, batch_size or 0
        self.codec = codec
        self.words: torch.Tensor | None = None
        self._lookup: Any = None
        self.target = self.rival = torch.empty(0, dtype=torch.long)
        self.absent = torch.empty(0)
        self.counter = [0]
        self.flags: dict[str, str] = {}

    def hold_against(self, texts: list[str], x: torch.Tensor) -> None:
        """Flag it where a model answers otherwise to the texts themselves than to their tokens between spaces."""
        with torch.no_grad():
            away = np.abs(_estimate(self.model, texts) - self.scores(x).numpy(force=True)).max()
        if away > SPACES:
            self.flags["spaces"] = (
                f"To the texts with their own spaces the model's scores differ by up to {away:.3g}."
            )

    def embedded(self, words: torch.Tensor) -> tuple[Score, Callable[[torch.Tensor], torch.Tensor]]:
        """Return the score as a function of the embeddings of token rows, and what embeds tokens.

        The model still sees which tokens are padding; only what it looks up is replaced.
        """
        score = copy.copy(self)
        score.words, score._lookup = words, self._embedding(words[:1])

        @torch.no_grad()
        def embed(x: torch.Tensor) -> torch.Tensor:
            return score._lookup(x).detach()

        return score, embed

    def _embedding(self, words: torch.Tensor) -> nn.Module:
        """Return the module that looks the tokens up: the first embedding that is called with them."""
        called: list[nn.Module] = []
        layers = [m for m in self.model.modules() if _is_embedding(m)]
        hooks = [
            m.register_forward_hook(lambda m, x, _: called.append(m) if _same(x[0], words) else None)
            for m in layers
        ]
        try:
            with torch.no_grad():
                self.model(words, **self.forward_kwargs)
        finally:
            for hook in hooks:
                hook.remove()
        if len(called) != 1:
            raise BadInput(f"The model looks its tokens up {len(called)} times", "one nn.Embedding that is given the tokens, once",
                           "Use a method without gradients, such as feature_ablation")  # fmt: skip
        return called[0]

    @property
    def n_forward(self) -> int:
        """How many rows the model has evaluated so far."""
        return self.counter[0]

    def of(self, rows: torch.Tensor) -> Score:
        """Return the same score aimed at chosen rows, each as often as it is named."""
        score = copy.copy(self)
        score.target, score.rival = self.target[rows], self.rival[rows]
        score.words = None if self.words is None else self.words[rows]
        return score

    def of_absent(self, marginal: bool) -> torch.Tensor:
        """Return the scalar of "everything absent" for the class of each row, ``(n,)``.

        One baseline for all rows, one for each, or with ``marginal`` the mean over background rows.
        """
        n = len(self.target)
        if not marginal:
            return OUTPUTS[self.output](self.absent.expand(n, -1), self.target, self.rival)
        each = [OUTPUTS[self.output](z.expand(n, -1), self.target, self.rival) for z in self.absent]
        return torch.stack(each).mean(0)

    @property
    def device(self) -> torch.device:
        """Where the model works."""
        first = next(self.model.parameters(), None) if isinstance(self.model, nn.Module) else None
        return first.device if first is not None else torch.device("cpu")

    def aim(self, x: torch.Tensor, target: Any = None, absent: torch.Tensor | None = None) -> torch.Tensor:
        """Fix the classes that are explained, from one forward of the inputs; return the output ``(n,)``.

        ``target=None`` is the class the model itself predicts. The runner-up is fixed here too. Rows that
        stand for "everything absent" go through the same forward, for :meth:`of_absent`.
        """
        self.batch_size = self.batch_size or batch_rows(x)
        n, at = len(x), torch.arange(len(x), device=x.device)
        if absent is not None:
            x, at = torch.cat([x, absent]), torch.cat([at, torch.arange(len(absent), device=x.device) % n])
        with torch.no_grad():
            parts = zip(x.split(self.batch_size), at.split(self.batch_size), strict=True)
            z = torch.cat([self.scores(part, rows) for part, rows in parts])
        z, self.absent = z[:n], z[n:]
        if not torch.isfinite(z).all():
            raise BadInput("The model's outputs hold NaN or infinite values", "finite scores for these inputs",
                           "Look at the model's weights and at the range of the inputs")  # fmt: skip
        if self.output == "raw" and z.shape[1] != 1:
            raise BadInput(f"output='raw' but the model has {z.shape[1]} outputs", "a model with one output",
                           "Choose 'logit' and a target")  # fmt: skip
        if z.shape[1] == 1 and self.output != "raw":
            raise BadInput(f"output={self.output!r} but the model has one output", "'raw' for such a model",
                           "Pass output='raw'")  # fmt: skip
        self.target = z.argmax(1) if target is None else _targets(target, n, z.shape[1]).to(z.device)
        self.rival = z.scatter(1, self.target[:, None], -torch.inf).argmax(1)
        self._look_at(z)
        return OUTPUTS[self.output](z, self.target, self.rival)

    def _look_at(self, z: torch.Tensor) -> None:
        if hasattr(self.model, "predict_proba") and not hasattr(self.model, "decision_function"):
            self.flags["log-probabilities"] = "The estimator has no logits: log-probabilities stand for them."
        if z.shape[1] > 1 and z.min() >= 0 and torch.allclose(z.sum(1), torch.ones(len(z), device=z.device)):
            self.flags["probabilities"] = (
                "The model's outputs sum to 1 like probabilities and were taken as logits."
            )
        elif self.output in ("probability", "log_prob"):
            share = (_of(F.softmax(z, 1), self.target) > 0.9999).float().mean().item()
            if share:
                self.flags["saturated"] = (
                    f"The softmax is saturated (above .9999) in {share:.0%} of the inputs: explain a logit."
                )

    def scores(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the model's raw scores ``(m, class)``; where ``x`` are embeddings, ``rows`` says of which texts."""
        self.counter[0] += len(x)
        x = x.clone()  # A model may write into what it is given.
        if self.words is not None:
            z = self._from_embeddings(x, self.words[rows])
        elif isinstance(self.model, nn.Module):
            z = self.model(x, **self.forward_kwargs)
            if self.uses_twin:
                self._hold_against_the_artifact(x, z)
        else:
            raw = x.detach().cpu().numpy()
            raw = raw if self.codec is None else self.codec.decoded(raw)
            z = torch.tensor(_estimate(self.model, raw), dtype=torch.float32)
        if not isinstance(z, torch.Tensor) or z.ndim not in (1, 2) or len(z) != len(x):
            got = tuple(z.shape) if isinstance(z, torch.Tensor) else type(z).__name__
            raise BadInput(f"The model returned {got} for a batch of {len(x)}", "scores of shape (n, class)",
                           "Wrap the model in a function that returns them")  # fmt: skip
        return z if z.ndim == 2 else z[:, None]

    def _from_embeddings(self, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        hook = self._lookup.register_forward_hook(lambda *_: x)
        try:
            return self.model(words, **self.forward_kwargs)
        finally:
            hook.remove()

    @torch.no_grad()
    def _hold_against_the_artifact(self, x: torch.Tensor, z: torch.Tensor) -> None:
        """Count the points, whatever the method asks, at which the twin is not the int8 model bit for bit."""
        real = self.artifact(x.detach(), **self.forward_kwargs)
        self.unequal[0] += int((real != z).reshape(len(x), -1).any(1).sum())

    def __call__(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the explained scalar of a batch; ``rows`` says of which input each one is a version."""
        return OUTPUTS[self.output](self.scores(x, rows), self.target[rows], self.rival[rows])

    @torch.no_grad()
    def evaluate(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the scalar of any number of inputs, in batches, without gradients."""
        rows = torch.arange(len(x), device=x.device) if rows is None else rows
        parts = zip(x.split(self.batch_size), rows.split(self.batch_size), strict=True)
        return torch.cat([self(part, at) for part, at in parts])

    def gradient(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to a batch (of the sum: rows do not depend on each other)."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self(x, rows).sum(), x)[0]

    def chunks(self, n: int) -> Iterator[torch.Tensor]:
        """Yield row numbers of a batch at a time."""
        yield from torch.arange(n, device=self.device).split(self.batch_size)

    @torch.no_grad()
    def responses(self, space: Any, k: int, hide: Callable) -> torch.Tensor:
        """Return the scalar of every input in ``k`` partly hidden versions, ``(n, k)``.

        ``hide(rows, versions)`` gives boolean masks, True where the baseline stands instead. With a
        background the mean over its rows is taken.
        """
        out = torch.empty(space.n * k, device=self.device)
        for pairs in torch.arange(space.n * k, device=self.device).split(self.batch_size):
            rows, versions = pairs // k, pairs % k
            masks = hide(rows, versions)
            out[pairs] = torch.stack([self(x, rows) for x in space.replaced(masks, rows)]).mean(0)
        return out.view(space.n, k)

    def layer(self, name: str | None) -> tuple[str, nn.Module]:
        """Return a layer by name; by default the last convolution."""
        modules = {n: m for n, m in self.model.named_modules() if n}
        if name is None:
            convolutions = [n for n, m in modules.items() if _is_convolution(m)]
            if not convolutions:
                raise BadInput(
                    "The model has no convolution", f"a layer among {list(modules)}", "Name one with layer="
                )
            name = convolutions[-1]
        if name not in modules:
            raise unknown("layer", name, modules)
        return name, modules[name]

    def weights(self) -> dict[str, torch.Tensor]:
        """Return every layer's weights by the layer's name; int8 ones as the numbers they stand for."""
        found = {n: getattr(m, "weight", None) for n, m in self.model.named_modules()}
        plain = {n: w().dequantize() if callable(w) else w for n, w in found.items()}
        return {n: w.detach().clone() for n, w in plain.items() if isinstance(w, torch.Tensor)}

    def attentions(self) -> dict[str, nn.Module]:
        """Return the modules that give attention weights, by name, in order."""
        return {name: m for name, m in self.model.named_modules() if _is_attention(m)}

    @contextmanager
    def watching(self, layer: nn.Module) -> Iterator[list[torch.Tensor]]:
        """Collect a layer's outputs; flag a hook that did not fire or fired more than once a forward."""
        seen: list[torch.Tensor] = []
        forwards = [0]
        handles = (
            layer.register_forward_hook(lambda _m, _i, out: seen.append(_real(out))),
            self.model.register_forward_hook(lambda *_: forwards.__setitem__(0, forwards[0] + 1)),
        )
        try:
            yield seen
        except AssertionError:  # Captum's own words for a hook that did not fire; ours are below.
            if len(seen) >= forwards[0]:
                raise
        finally:
            for handle in handles:
                handle.remove()
        if len(seen) < forwards[0]:
            raise BadInput("The layer was not used in the forward pass", "a layer that the output depends on",
                           "Choose another layer")  # fmt: skip
        if len(seen) > forwards[0]:
            self.flags["layer used twice"] = (
                "The layer runs more than once a forward: its last output was taken."
            )


def _of(z: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return z.gather(1, classes[:, None])[:, 0]


def _real(values: Any) -> torch.Tensor:
    if not isinstance(values, torch.Tensor):
        raise BadInput(f"The layer returns a {type(values).__name__}", "a tensor", "Choose another layer")
    return values.dequantize() if values.is_quantized else values


def _is_convolution(module: nn.Module) -> bool:
    """Tell by the name of the class, which float, int8 and surrogate layers have in common."""
    return "Conv" in type(module).__name__ and not any(module.children())


def _targets(target: Any, n: int, n_classes: int) -> torch.Tensor:
    classes = np.asarray(target.cpu() if isinstance(target, torch.Tensor) else target)
    if classes.dtype.kind not in "iu":
        raise BadInput(
            f"target has type {classes.dtype}", "class indices (integers)", "Round or look them up"
        )
    if classes.shape not in ((), (n,)):
        raise BadInput(f"target has shape {classes.shape} but inputs has {n} rows", "one target a row, or one int",
                       "Give one target a row, or one int for all")  # fmt: skip
    if classes.min() < 0 or classes.max() >= n_classes:
        raise BadInput(f"target runs from {classes.min()} to {classes.max()}", f"classes 0 to {n_classes - 1}",
                       "Check the class indices")  # fmt: skip
    return torch.as_tensor(np.broadcast_to(classes, (n,)).astype(np.int64))


def _is_embedding(module: nn.Module) -> bool:
    return "Embedding" in type(module).__name__ and not any(module.children())


def _same(x: Any, words: torch.Tensor) -> bool:
    return isinstance(x, torch.Tensor) and x.shape == words.shape and bool((x == words).all())


def _estimate(model: Any, x: Any) -> np.ndarray:
    """Return scores of an estimator: decision function where there is one a class, else log-probabilities."""
    if not hasattr(model, "predict"):
        return np.asarray(model(x))
    flat = x.reshape(len(x), -1) if isinstance(x, np.ndarray) else x
    return _placed(model, _columns(model, flat))


def _columns(model: Any, flat: Any) -> np.ndarray:
    if hasattr(model, "decision_function"):
        z = model.decision_function(flat)
        return np.stack([-z / 2, z / 2], 1) if z.ndim == 1 else z
    if hasattr(model, "predict_proba"):
        return np.log(np.clip(model.predict_proba(flat), SMALLEST, 1))
    return np.asarray(model.predict(flat))


def _placed(model: Any, z: np.ndarray) -> np.ndarray:
    """Return scores with column k for class k: an estimator may have seen other classes, or names."""
    classes = getattr(model, "classes_", None)
    if classes is None or z.ndim != 2 or np.array_equal(classes, np.arange(z.shape[1])):
        return z
    if np.asarray(classes).dtype.kind not in "iu" or len(classes) != z.shape[1] or min(classes) < 0:
        raise BadInput(f"The estimator's classes are {list(classes)[:6]}", "class numbers from 0, as in data.train.y",
                       "Fit it on class numbers, or wrap it in a function that returns scores in their order")  # fmt: skip
    placed = np.repeat(z.min(1, keepdims=True) + np.log(SMALLEST), int(max(classes)) + 1, axis=1)
    placed[:, classes] = z
    return placed


def reads_raw(model: Any, codec: Any) -> bool:
    """Whether a model reads raw rows: any but a module where inputs are texts, a pipeline fitted on a data frame.

    scikit-learn keeps the columns' names in ``feature_names_in_`` of whatever was fitted on a frame.
    """
    if codec is None or isinstance(model, nn.Module):
        return False
    return codec.kind == "text" or hasattr(model, "feature_names_in_")


def class_scores(model: Any, rows: Any, codec: Any = None) -> np.ndarray:
    """Return any model's raw scores ``(n, class)`` of a split, or of an array with its codec; it comes back untouched.

    A model that reads raw rows is given those of a split as they were.
    """
    x, codec = (rows.x, rows.codec) if isinstance(rows, Split) else (rows, codec)
    with untouched(unwrap(model)) as lent:
        if isinstance(rows, Split) and reads_raw(lent, codec):
            return _estimate(lent, rows.raw)
        score = Score(lent, "logit", codec=codec if reads_raw(lent, codec) else None)
        all_of_them = torch.tensor(x, device=score.device)
        with torch.no_grad():
            parts = all_of_them.split(batch_rows(all_of_them))
            return torch.cat([score.scores(part) for part in parts]).numpy(force=True)


def batch_rows(x: torch.Tensor) -> int:
    """Return how many rows of this size a batch should have to stay in cache; a token is a vector inside."""
    size = x[0].numel() * (1 if x.is_floating_point() else NUMBERS_A_TOKEN)
    return max(8, min(1024, PIXELS_A_BATCH // max(1, size)))


def abilities(model: Any) -> dict[str, str]:
    """Return what a model cannot give, need -> reason in words; what is not listed it can."""
    what = type(model).__name__ if hasattr(model, "predict") else "a callable"
    lacks = {}
    if isinstance(model, nn.Module):
        what = "the model"
        if is_int8(model):
            lacks["trainable"] = "its int8 weights have no gradient"
        if not has_gradient(model):
            lacks["gradient"] = "its dynamic int8 layers have no gradient, and no surrogate"
    else:
        lacks |= {"gradient": f"{what} has no gradient", "layers": f"{what} has no layers",
                  "trainable": f"{what} has no weights with a gradient"}  # fmt: skip
    layers = list(model.modules()) if isinstance(model, nn.Module) else []
    if not any(map(_is_convolution, layers)):
        lacks["convolution"] = f"{what} has no convolution"
    if not any(map(_is_attention, layers)):
        lacks["attention"] = f"{what} has no attention weights that can be read"
    glass = last_step(model)
    if not hasattr(glass, "coef_"):
        lacks["coefficients"] = f"{what} has no coefficients"
    if not hasattr(glass, "tree_"):
        lacks["tree"] = f"{what} is no decision tree"
    return lacks


def last_step(model: Any) -> Any:
    """Return the estimator at the end of a pipeline, or the model itself."""
    return model.steps[-1][1] if hasattr(model, "steps") else model


def has_gradient(model: nn.Module) -> bool:
    """Whether a module is float, or int8 with a surrogate."""
    return not is_int8(model) or has_twin(model)


def _is_attention(module: nn.Module) -> bool:
    """Tell by the name of the class: what turns scores into weights over tokens."""
    return type(module).__name__ == "AttentionWeights"
