"""``Score``: any model and an output become one batched scalar function of the inputs.

Methods and metrics see only this and :class:`~workbench.explanation.space.Space`; nobody below the
front door asks what class a model has.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data.parts import Parts
from ..data.records import Split
from ..errors import BadInput, unknown
from ..int8.conversion import is_int8
from ..int8.surrogate import twin
from ..state import untouched
from ..zoo.holder import unwrap
from ..zoo.strides import NO_VIEW
from .abilities import is_convolution
from .estimators import reads_raw, scores_of
from .outputs import OF_ONE_SCORE, OUTPUTS, found_scores, of_class, two_sided

COMPUTES = ("channels_last", "bfloat16")
SPACES = 1e-3  # a difference of scores that is said
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
        Passed on to a module's ``forward``; an array with an entry for each row goes along with the row.
    codec
        For a model that reads raw rows (see :func:`reads_raw`): turns inputs back into them.
    parts
        For a module that takes several inputs: takes a row apart.
    compute
        "channels_last" or "bfloat16": another layout or precision, on a copy; by default the model's own.
    kept
        What was made of this model for an earlier call: the twin of an int8 model, a copy under rules.
    keeps_graph
        Let everything be differentiated with respect to the model's parameters, for losses.
    freely
        Lay images of several channels out as is fastest: scores then differ in their last bits.
    """

    def __init__(self, model: Any, output: str, *, differentiable: bool = False, forward_kwargs: dict | None = None,
                 batch_size: int | None = None, codec: Any = None, parts: Parts | None = None, compute: str | None = None,
                 kept: dict | None = None, keeps_graph: bool = False, freely: bool = False) -> None:  # fmt: skip
        if output not in OUTPUTS:
            raise unknown("output", output, OUTPUTS)
        if batch_size is not None and (not isinstance(batch_size, Integral) or batch_size < 1):
            raise BadInput(f"batch_size is {batch_size!r}", "a whole number of rows above 0", "Leave it out")
        if compute is not None and compute not in COMPUTES:
            raise unknown("compute", compute, COMPUTES)
        self.uses_twin = differentiable and is_int8(model)
        self.artifact = model
        self.kept = {} if kept is None else kept
        self.model = self._twin() if self.uses_twin else model
        self.unequal = [0]
        self.output, self.batch_size = output, batch_size or 0
        self.codec, self.parts, self.compute, self.keeps_graph = codec, parts, compute, keeps_graph
        self.forward_kwargs = {name: self._placed(value) for name, value in (forward_kwargs or {}).items()}
        self.by_row: dict[str, torch.Tensor] = {}
        self.sides = False  # whether one output stands for two classes
        self.words: torch.Tensor | None = None
        self._lookup: Any = None
        self.target = self.rival = torch.empty(0, dtype=torch.long)
        self.absent = self.reached = torch.empty(0)
        self.freely = freely
        self.layout: torch.memory_format | None = None
        self.counter = [0]
        self.flags: dict[str, str] = {}

    def _twin(self) -> nn.Module:
        if "twin" not in self.kept:
            self.kept["twin"] = twin(self.artifact).eval()
        return self.kept["twin"]

    def hold_against(self, texts: list[str], x: torch.Tensor) -> None:
        """Flag it where a model answers otherwise to the texts themselves than to their tokens between spaces."""
        with torch.no_grad():
            away = np.abs(scores_of(self.model, texts) - self.scores(x).numpy(force=True)).max()
        if away > SPACES:
            self.flags["spaces"] = (
                f"To the texts with their own spaces the model's scores differ by up to {away:.3g}."
            )

    def embedded(self, words: torch.Tensor) -> tuple[Score, Callable[[torch.Tensor], torch.Tensor]]:
        """Return the score as a function of the embeddings of token rows, and what embeds tokens.

        The model still sees which tokens are padding; only what it looks up is replaced.
        """
        score = copy.copy(self)
        score._go_along(len(words))
        score.words, score._lookup = words, score._embedding(words[:1])

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
                self._forward(
                    words, self._keywords(torch.arange(len(words), device=words.device), len(words))
                )
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
        """Return the same score aimed at chosen rows, each as often as it is named, for versions of them."""
        score = copy.copy(self)
        score.reached = torch.empty(0)  # What the model answers to the versions is not known.
        score.target, score.rival = self.target[rows], self.rival[rows]
        score.by_row = {name: value[rows] for name, value in self.by_row.items()}
        score.words = None if self.words is None else self.words[rows]
        return score

    def of_absent(self, marginal: bool) -> torch.Tensor:
        """Return the scalar of "everything absent" for the class of each row, ``(n,)``.

        One baseline for all rows, one for each, or with ``marginal`` the mean over background rows.
        """
        n = len(self.target)
        if not marginal:
            return self.explained(self.absent.expand(n, -1), self.target, self.rival)
        each = [self.explained(z.expand(n, -1), self.target, self.rival) for z in self.absent]
        return torch.stack(each).mean(0)

    def explained(self, z: torch.Tensor, target: torch.Tensor, rival: torch.Tensor) -> torch.Tensor:
        """Return the scalar of raw scores ``(m, class)``, ``(m,)``."""
        return OUTPUTS[self.output](self.columns(z), target, rival)

    def columns(self, z: torch.Tensor) -> torch.Tensor:
        """Return raw scores with a column for each class that can be explained: one logit stands for two classes."""
        return two_sided(z) if self.sides else z

    @cached_property
    def device(self) -> torch.device:
        """Where the model works."""
        first = next(self._state(), None)
        return first.device if first is not None else torch.device("cpu")

    @cached_property
    def precision(self) -> torch.dtype:
        """What the model computes with, such as ``torch.float16``."""
        floats = (value.dtype for value in self._state() if value.is_floating_point())
        return next(floats, torch.float32)

    def _state(self) -> Iterator[torch.Tensor]:
        if isinstance(self.model, nn.Module):
            yield from self.model.parameters()
            yield from self.model.buffers()

    def _placed(self, value: Any) -> Any:
        """Return an argument of the forward on the model's device."""
        if isinstance(value, np.ndarray):
            value = torch.tensor(value)
        return value.to(self.device) if isinstance(value, torch.Tensor) else value

    def _go_along(self, n: int) -> None:
        """Find the arguments of the forward that have an entry for each of ``n`` rows."""
        self.by_row = {name: value for name, value in self.forward_kwargs.items()
                       if isinstance(value, torch.Tensor) and value.ndim and len(value) == n}  # fmt: skip

    def aim(self, x: torch.Tensor, target: Any = None, absent: torch.Tensor | None = None) -> torch.Tensor:
        """Fix the classes that are explained, from one forward of the inputs; return the output ``(n,)``.

        ``target=None`` is the class the model itself predicts. The runner-up is fixed here too. Rows that
        stand for "everything absent" go through the same forward, for :meth:`of_absent`.
        """
        self.batch_size = self.batch_size or batch_rows(x)
        n, at = len(x), torch.arange(len(x), device=x.device)
        self._go_along(n)
        if absent is not None:
            x, at = torch.cat([x, absent]), torch.cat([at, torch.arange(len(absent), device=x.device) % n])
        with torch.no_grad():
            parts = zip(x.split(self.batch_size), at.split(self.batch_size), strict=True)
            z = torch.cat([self.scores(part, rows) for part, rows in parts])
        z, self.absent = z[:n], z[n:]
        if not torch.isfinite(z).all():
            raise BadInput("The model's outputs hold NaN or infinite values", "finite scores for these inputs",
                           "Look at the model's weights and at the range of the inputs")  # fmt: skip
        z = self._sided(z, target)
        self.target = z.argmax(1) if target is None else _targets(target, n, z.shape[1]).to(z.device)
        self.rival = z.scatter(1, self.target[:, None], -torch.inf).argmax(1)
        self._look_at(z)
        self.reached = OUTPUTS[self.output](z, self.target, self.rival)
        return self.reached

    def _sided(self, z: torch.Tensor, target: Any) -> torch.Tensor:
        """Return scores with a column a class; one output is explained as it is, or is the logit of class 1."""
        if z.shape[1] > 1:
            if self.output == "raw":
                raise BadInput(f"output='raw' but the model has {z.shape[1]} outputs", "a model with one output",
                               "Choose 'logit' and a target")  # fmt: skip
            return z
        if self.output not in OF_ONE_SCORE:
            self.sides = True
            self.flags["one output"] = (
                "The model has one output, taken as the logit of class 1 against class 0: each has half of it."
            )
            return two_sided(z)
        if target is not None and _targets(target, len(z), 2).any():
            raise BadInput("The model has one output, which is explained as it is, and a target was given", "no target, or 0",
                           "For the classes 0 and 1 of one logit choose output='runner_up' or 'probability'")  # fmt: skip
        self.output = "raw" if self.output == "logit" else self.output
        return z

    def _look_at(self, z: torch.Tensor) -> None:
        if hasattr(self.model, "predict_proba") and not hasattr(self.model, "decision_function"):
            self.flags["log-probabilities"] = "The estimator has no logits: log-probabilities stand for them."
        if z.shape[1] > 1 and z.min() >= 0 and torch.allclose(z.sum(1), torch.ones(len(z), device=z.device)):
            self.flags["probabilities"] = (
                "The model's outputs sum to 1 like probabilities and were taken as logits."
            )
        elif self.output in ("probability", "log_prob"):
            share = (of_class(F.softmax(z, 1), self.target) > 0.9999).float().mean().item()
            if share:
                self.flags["saturated"] = (
                    f"The softmax is saturated (above .9999) in {share:.0%} of the inputs: explain a logit."
                )

    def scores(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the model's raw scores ``(m, class)``; where ``x`` are embeddings, ``rows`` says of which texts."""
        self.counter[0] += len(x)
        x = x.clone(memory_format=self._layout(x))  # A model may write into what it is given.
        keywords = self._keywords(rows, len(x))
        if self.words is not None:
            answer = self._from_embeddings(x, self.words[rows], keywords)
        elif isinstance(self.model, nn.Module):
            answer = self._forward(x, keywords)
        else:
            raw = x.detach().cpu().numpy()
            raw = raw if self.codec is None else self.codec.decoded(raw)
            answer = torch.tensor(scores_of(self.model, raw), dtype=torch.float32)
        z, where = found_scores(answer, len(x))
        if where:
            self.flags["scores"] = f"The model returns more than scores: {where} were taken for them."
        if self.uses_twin:
            self._hold_against_the_artifact(x, z, None if self.words is None else self.words[rows], keywords)
        return z

    def _keywords(self, rows: torch.Tensor | None, n: int) -> dict[str, Any]:
        """Return the arguments of the forward for chosen rows."""
        if not self.by_row:
            return self.forward_kwargs
        if rows is None and n != len(self.target):
            raise BadInput(f"forward_kwargs hold a value a row ({', '.join(self.by_row)})", "a method that explains rows",
                           "Bind them to the model, or choose another method")  # fmt: skip
        return self.forward_kwargs | {k: v if rows is None else v[rows] for k, v in self.by_row.items()}

    def _forward(self, x: torch.Tensor, keywords: dict[str, Any]) -> Any:
        """Return what a module answers, in its own precision and number of inputs."""
        x = x.to(self.precision) if x.is_floating_point() else x
        arguments = (x,) if self.parts is None else self.parts.decoded(x)
        where, halved = self.device.type, self.compute == "bfloat16"
        needed = halved or torch.is_autocast_enabled(where)  # Entering it costs as much as a small layer.
        with torch.autocast(where, torch.bfloat16, enabled=halved) if needed else nullcontext():
            try:
                return self.model(*arguments, **keywords)
            except RuntimeError as problem:
                if self.layout is torch.contiguous_format or NO_VIEW not in str(problem):
                    raise
                self.layout = torch.contiguous_format  # The model takes its activations for contiguous.
                return self.model(x.clone(memory_format=self.layout), **keywords)

    def _layout(self, x: torch.Tensor) -> torch.memory_format:
        """Return the one layout in which a model is given images: it decides the kernels, and so the last bits.

        Convolutions are about twice as fast with the channels last. Images of one channel are then the same
        numbers in the same places; others are laid out so only where it was asked for.
        """
        if self.layout is None:
            last = x.ndim == 4 and (x.shape[1] == 1 or self.freely or self.compute == "channels_last")
            convolves = isinstance(self.model, nn.Module) and any(
                is_convolution(m) for m in self.model.modules()
            )
            self.layout = torch.channels_last if last and convolves else torch.contiguous_format
        return self.layout

    def _from_embeddings(self, x: torch.Tensor, words: torch.Tensor, keywords: dict[str, Any]) -> Any:
        hook = self._lookup.register_forward_hook(lambda *_: x.to(self.precision))
        try:
            return self._forward(words, keywords)
        finally:
            hook.remove()

    @torch.no_grad()
    def _hold_against_the_artifact(self, x: torch.Tensor, z: torch.Tensor, words: torch.Tensor | None, keywords: dict[str, Any]) -> None:  # fmt: skip
        """Count the points, whatever the method asks, at which the twin is not the int8 model bit for bit."""
        if words is None:
            answer = self.artifact(x.detach(), **keywords)
        else:
            name = next(name for name, module in self.model.named_modules() if module is self._lookup)
            hook = self.artifact.get_submodule(name).register_forward_hook(lambda *_: x.detach())
            try:
                answer = self.artifact(words, **keywords)
            finally:
                hook.remove()
        real = found_scores(answer, len(x))[0]
        self.unequal[0] += int((real != z).reshape(len(x), -1).any(1).sum())

    def __call__(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the explained scalar of a batch; ``rows`` says of which input each one is a version."""
        return self.explained(self.scores(x, rows), self.target[rows], self.rival[rows])

    def evaluate(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return the scalar of any number of inputs, in batches."""
        rows = torch.arange(len(x), device=x.device) if rows is None else rows
        parts = zip(x.split(self.batch_size), rows.split(self.batch_size), strict=True)
        with torch.set_grad_enabled(self.keeps_graph):
            return torch.cat([self(part, at) for part, at in parts])

    def gradient(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the gradient with respect to a batch (of the sum: rows do not depend on each other)."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self(x, rows).sum(), x, create_graph=self.keeps_graph)[0]

    def chunks(self, n: int) -> Iterator[torch.Tensor]:
        """Yield row numbers of a batch at a time."""
        yield from torch.arange(n, device=self.device).split(self.batch_size)

    def responses(self, space: Any, k: int, hide: Callable) -> torch.Tensor:
        """Return the scalar of every input in ``k`` partly hidden versions, ``(n, k)``.

        ``hide(rows, versions)`` gives boolean masks, True where the baseline stands instead. With a
        background the mean over its rows is taken.
        """
        parts = []
        with torch.set_grad_enabled(self.keeps_graph):
            for pairs in torch.arange(space.n * k, device=self.device).split(self.batch_size):
                rows, versions = pairs // k, pairs % k
                masks = hide(rows, versions)
                parts.append(torch.stack([self(x, rows) for x in space.replaced(masks, rows)]).mean(0))
        return torch.cat(parts).view(space.n, k)

    def crossed(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scalar of inputs that all rows share, for the class of each row, ``(n, len(x))``."""
        with torch.set_grad_enabled(self.keeps_graph):
            return self.read(torch.cat([self.scores(part) for part in x.split(self.batch_size)]))

    def read(self, z: torch.Tensor) -> torch.Tensor:
        """Return the scalar of scores ``(m, class)`` for the class of each row, ``(n, m)``."""
        aims, at = torch.unique(torch.stack([self.target, self.rival], 1), dim=0, return_inverse=True)
        each = [self.explained(z, t.expand(len(z)), r.expand(len(z))) for t, r in aims]
        return torch.stack(each)[at]

    def layer(self, name: str | None) -> tuple[str, nn.Module]:
        """Return a layer by name; by default the last convolution."""
        modules = {n: m for n, m in self.model.named_modules() if n}
        if name is None:
            convolutions = [n for n, m in modules.items() if is_convolution(m)]
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


def _real(values: Any) -> torch.Tensor:
    if not isinstance(values, torch.Tensor):
        raise BadInput(f"The layer returns a {type(values).__name__}", "a tensor", "Choose another layer")
    return values.dequantize() if values.is_quantized else values


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


def class_scores(model: Any, rows: Any, codec: Any = None) -> np.ndarray:
    """Return any model's raw scores ``(n, class)`` of a split, or of an array with its codec; it comes back untouched.

    A model that reads raw rows is given those of a split as they were.
    """
    x, codec = (rows.x, rows.codec) if isinstance(rows, Split) else (rows, codec)
    with untouched(unwrap(model)) as lent:
        if isinstance(rows, Split) and reads_raw(lent, codec):
            return scores_of(lent, rows.raw)
        score = Score(lent, "logit", codec=codec if reads_raw(lent, codec) else None, freely=True)
        all_of_them = torch.tensor(x, device=score.device)
        with torch.no_grad():
            parts = all_of_them.split(batch_rows(all_of_them))
            return torch.cat([score.scores(part) for part in parts]).numpy(force=True)


def batch_rows(x: torch.Tensor) -> int:
    """Return how many rows of this size a batch should have to stay in cache; a token is a vector inside."""
    size = x[0].numel() * (1 if x.is_floating_point() else NUMBERS_A_TOKEN)
    return max(8, min(1024, PIXELS_A_BATCH // max(1, size)))
