"""What a fine-tuning stays close to: the original's answers, its answers to perturbed copies, its maps, its layers.

Every name below is a training term (:mod:`workbench.training`); ``preserve=`` of ``prune``, ``distill`` and ``quantize``
chooses among them. What a term trains on is no evidence afterwards: ``TRAINS`` names the methods that ``compare`` then
shows hollow.

===========  =======================================================  ==============================================
name         what is matched                                          value in ``preserve={name: value}``
===========  =======================================================  ==============================================
behaviour    softened answers on the same batch                       None, or {"temperature": 4, "weight": .9}
copies       softened answers on perturbed copies of the batch        kinds: ["masks", "noise"]
grad_cam     signed Grad-CAM of layers, centred logit                 names of layers; None is the last convolution
saliency     signed gradient at the input (text: at the embedding)    None
hints        similarity of the rows to each other within layers       {layer of the student: layer of the original}
===========  =======================================================  ==============================================
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.surrogate import twin_or_self
from ..training import Batch, Term, cross_entropy

TEMPERATURE, WEIGHT = 4.0, 0.9
KINDS = ("masks", "noise")
NAMES = ("behaviour", "copies", "grad_cam", "saliency", "hints")
MAPS = {"grad_cam": None, "saliency": None}
# Methods whose maps are the ones that were matched, or follow from them.
TRAINS = {
    "grad_cam": ("grad_cam", "guided_grad_cam"),
    "saliency": ("saliency", "input_x_gradient", "smooth_grad", "integrated_gradients"),
    "masks": ("occlusion", "feature_ablation"),
}
HIDDEN, DEVIATION, CELLS = 0.3, 0.3, 7  # share of cells that are hidden; largest noise; cells along a side
UNKNOWN_LAYER = "layer to preserve"


def checked(preserve: Any, model: Any = None) -> Any:
    """Return ``preserve`` as it is recorded: None, "behaviour", or a dict of terms by name.

    Parameters
    ----------
    preserve
        None, a name, several names, or a dict; "maps" stands for ``grad_cam`` and ``saliency``.
    model
        The original: layers must be among its own, and Grad-CAM needs a convolution.

    Raises
    ------
    UnknownName
        No such term, kind of copies or layer.
    BadInput
        A value that the term does not take.
    """
    if preserve is None or preserve == "behaviour":
        return preserve
    named = {preserve: None} if isinstance(preserve, str) else preserve
    if not isinstance(named, Mapping):
        named = dict.fromkeys(_names(preserve))
    wanted: dict[str, Any] = {}
    for name, value in named.items():
        wanted |= MAPS if name == "maps" else {name: value}
    if isinstance(model, nn.Module) and "maps" in named and last_convolution(model) is None:
        del wanted["grad_cam"]
    for name, value in wanted.items():
        if name not in NAMES:
            raise unknown("thing to preserve", str(name), ("maps", *NAMES))
        _check_value(name, value, model)
    if isinstance(model, nn.Module) and "grad_cam" in wanted:
        wanted["grad_cam"] = wanted["grad_cam"] or [last_convolution(model)]
    return {name: _CHOICES.get(name, lambda v: v)(value) for name, value in wanted.items()}


def _names(preserve: Any) -> list[str]:
    if (
        not isinstance(preserve, Sequence)
        or not all(isinstance(name, str) for name in preserve)
        or not preserve
    ):
        raise BadInput(f"preserve is {preserve!r}", f"None, 'behaviour', 'maps', or a dict with some of {NAMES}", "Choose one")  # fmt: skip
    return list(preserve)


def _check_value(name: str, value: Any, model: Any) -> None:
    if name == "copies":
        for kind in _kinds(value):
            if kind not in KINDS:
                raise unknown("kind of copies", str(kind), KINDS)
    layers = value if name == "grad_cam" else list(value.values()) if name == "hints" and value else None
    if name == "hints" and not layers:
        raise BadInput(f"hints is {value!r}", "{layer of the student: layer of the original}", "Name at least one pair")  # fmt: skip
    if isinstance(model, nn.Module):
        known = [layer for layer, _ in model.named_modules() if layer]
        for layer in layers or ():
            if layer not in known:
                raise unknown(UNKNOWN_LAYER, str(layer), known)
        if name == "grad_cam" and not layers and last_convolution(model) is None:
            raise BadInput(
                f"A {type(model).__name__} has no convolution", "a network of images", "Leave grad_cam out"
            )


def _kinds(value: Any) -> list[str]:
    return ["masks"] if value is None else [value] if isinstance(value, str) else list(value)


_CHOICES: dict[str, Callable[[Any], Any]] = {
    "copies": _kinds,
    "grad_cam": lambda layers: None if layers is None else list(layers),
}


def trained_on(preserve: Any) -> list[str]:
    """Return the methods whose maps a fine-tuning was trained on: they are no evidence about it.

    Examples
    --------
    >>> trained_on("behaviour"), trained_on({"grad_cam": ["conv2"]})
    ([], ['grad_cam', 'guided_grad_cam'])
    """
    if not isinstance(preserve, Mapping):
        return []
    sources = [*preserve, *(preserve.get("copies") or ())]
    return sorted({method for source in sources for method in TRAINS.get(source, ())})


def in_words(preserve: Any) -> str:
    """Return what a fine-tuning stayed close to, as a clause that follows "fine-tuned for 3 epochs"."""
    if preserve is None:
        return " on the labels"
    named = {"behaviour": None} if preserve == "behaviour" else preserve
    said = {
        "copies": f"its answers to copies with {' and '.join(named.get('copies') or ())}",
        "grad_cam": "its Grad-CAM maps", "saliency": "its input gradients", "hints": "its layers",
    }  # fmt: skip
    matched = [said[name] for name in named if name != "behaviour"]
    start = ", distilled from the original" if "behaviour" in named else " on the labels"
    return start + (f", kept close to {', '.join(matched)}" if matched else "")


def checked_keep(keep: Any) -> str | None:
    """Return the fingerprint of what is to be held, such as a ``Feedback``; None where nothing is."""
    if keep is None:
        return None
    if not callable(getattr(keep, "term", None)) or not isinstance(getattr(keep, "fingerprint", None), str):
        raise BadInput(
            f"keep is a {type(keep).__name__}", "a Feedback", "Open one: wb.Feedback('feedback.db')"
        )
    return keep.fingerprint


def terms(original: nn.Module, preserve: Any, data: Data, keep: Any = None) -> tuple[Term, ...]:
    """Return the terms of a fine-tuning; without "behaviour" the labels are learnt alone. ``keep`` has a term of its own."""
    named: dict[str, Any] = {"behaviour": None} if preserve == "behaviour" else preserve or {}
    teacher: Any = twin_or_self(original)
    found: list[Term] = [
        distilled(teacher, **(named["behaviour"] or {})) if "behaviour" in named else cross_entropy
    ]
    if "copies" in named:
        kept = data.tokenizer.kept if data.tokenizer is not None else ()
        found.append(answers_to_copies(teacher, named["copies"], kept))
    if not named.keys().isdisjoint(MAPS):
        found.append(matched_maps(teacher, named["grad_cam"] or [last_convolution(teacher)] if "grad_cam" in named else (),
                                  "saliency" in named))  # fmt: skip
    if "hints" in named:
        found.append(hinted(teacher, named["hints"]))
    if keep is not None:
        found.append(keep.term(data))
    return tuple(found)


def distilled(teacher: nn.Module, temperature: float = TEMPERATURE, weight: float = WEIGHT) -> Term:
    """Return a term that keeps a student close to a teacher on the same batch (Hinton, Vinyals and Dean 2015).

    ``weight`` x temperature² x the divergence of the softened answers, and the rest on the labels. Nothing
    that is explained is trained on.
    """
    teacher = _frozen(teacher)

    def distillation(student: nn.Module, batch: Batch) -> torch.Tensor:
        z = student(batch.x)
        soft = _divergence(teacher, batch.x, z, temperature)
        return weight * soft + (1 - weight) * F.cross_entropy(z, batch.y)

    return distillation


def _frozen(teacher: nn.Module) -> nn.Module:
    """Return a copy that teaches what the teacher knows now."""
    return copy.deepcopy(teacher).eval().requires_grad_(False)


def _divergence(teacher: nn.Module, x: torch.Tensor, z: torch.Tensor, temperature: float) -> torch.Tensor:
    with torch.no_grad():
        taught = F.softmax(teacher(x) / temperature, 1)
    return temperature**2 * F.kl_div(F.log_softmax(z / temperature, 1), taught, reduction="batchmean")


def answers_to_copies(teacher: nn.Module, kinds: Sequence[str], kept: Sequence[int] = ()) -> Term:
    """Return a term that keeps a student's softened answers close to a teacher's on perturbed copies of the batch.

    Cells of an image, columns or words are hidden at random ("masks"), or noise is added ("noise", not for words).
    It trains near what occlusion measures, so that other methods must judge.
    """
    teacher = _frozen(teacher)

    def copied_answers(student: nn.Module, batch: Batch) -> torch.Tensor:
        losses = []
        for kind in kinds:
            x = perturbed(batch.x, kind, batch.draws, kept)
            losses.append(_divergence(teacher, x, student(x), TEMPERATURE))
        return torch.stack(losses).sum()

    return copied_answers


def perturbed(x: torch.Tensor, kind: str, draws: torch.Generator, kept: Sequence[int] = ()) -> torch.Tensor:
    """Return copies of rows with three features in ten hidden, or with noise of up to .3.

    Parameters
    ----------
    x
        ``(n, channel, row, column)``, ``(n, column)`` or token numbers ``(n, length)``.
    kind
        "masks": what is hidden is 0, which is padding for tokens; pixels go by cells, of which seven fit a side.
        "noise": normal, its deviation drawn for each row between 0 and .3.
    draws
        Where the random numbers come from.
    kept
        Numbers of tokens that are never hidden.
    """
    if kind == "noise":
        if not x.is_floating_point():
            raise BadInput(
                "copies with noise were asked for tokens", "images or columns", "Use copies=['masks']"
            )
        deviation = DEVIATION * torch.rand(len(x), *[1] * (x.ndim - 1), generator=draws)
        return x + (torch.randn(x.shape, generator=draws) * deviation).to(x.device)
    hidden = (_cells(x, draws) if x.ndim == 4 else torch.rand(x.shape, generator=draws) < HIDDEN).to(x.device)
    if not x.is_floating_point():
        hidden = hidden & ~torch.isin(x, torch.tensor(list(kept), device=x.device))
    return x.masked_fill(hidden, 0)


def _cells(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Return which pixels are hidden, by cells on a grid that is shifted at random, ``(n, 1, row, column)``."""
    rows, columns = x.shape[-2:]
    side = max(1, min(rows, columns) // CELLS)
    grid = torch.rand(len(x), 1, rows // side + 2, columns // side + 2, generator=draws) < HIDDEN
    down, right = torch.randint(0, side, (2,), generator=draws).tolist()
    wide = grid.repeat_interleave(side, 2).repeat_interleave(side, 3)
    return wide[..., down : down + rows, right : right + columns]


def matched_maps(teacher: nn.Module, layers: Sequence[str], gradients: bool) -> Term:
    """Return a term that keeps a student's maps close to a teacher's (Park et al. 2020; Parchami-Araghi et al. 2024).

    One minus the cosine of signed Grad-CAM of each layer, and of the gradient at the input, all of the centred logit
    of the class that the teacher answers, each a mean over rows. **It moves mostly what it trains on**: judge by
    methods that it did not train on.
    """
    teacher = _frozen(teacher)

    def map_matching(student: nn.Module, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            target = teacher(batch.x).argmax(1)
        taught = [m.detach() for m in _maps(teacher, batch.x, target, layers, gradients, graph=False)]
        shown = _maps(student, batch.x, target, layers, gradients, graph=True)
        gaps = [
            1 - F.cosine_similarity(a.flatten(1), b.flatten(1)).mean()
            for a, b in zip(taught, shown, strict=True)
        ]
        return torch.stack(gaps).sum()

    return map_matching


def _maps(model: nn.Module, x: torch.Tensor, target: torch.Tensor, layers: Sequence[str], gradients: bool,
          graph: bool) -> list[torch.Tensor]:  # fmt: skip
    """Return signed Grad-CAM ``(n, row, column)`` of layers, and the gradient at the input where it is asked for."""
    embedding = next((n for n, m in model.named_modules() if isinstance(m, nn.Embedding)), None)
    at_input = embedding if gradients and not x.is_floating_point() else None
    with torch.enable_grad(), watched(model, [*layers, *([at_input] if at_input else [])]) as seen:
        x = x.detach().requires_grad_() if x.is_floating_point() else x
        z = model(x)
        answer = (z - z.mean(1, keepdim=True)).gather(1, target[:, None]).sum()
        sources = [seen[layer] for layer in layers]
        sources += [seen[at_input] if at_input else x] if gradients else []
        slopes = torch.autograd.grad(answer, sources, create_graph=graph)
    cams = [
        (slope.mean((2, 3), keepdim=True) * seen[layer]).sum(1)
        for layer, slope in zip(layers, slopes, strict=False)
    ]
    return cams + list(slopes[len(layers) :])


def hinted(teacher: nn.Module, pairs: Mapping[str, str]) -> Term:
    """Return a term by which rows are alike in a student's layer where they are alike in a teacher's (Tung and Mori 2019).

    Hints (Romero et al. 2015) for layers of any widths: the cosines of the rows of a batch to each other are
    matched, so that nothing has to be learnt in between.
    """
    teacher = _frozen(teacher)

    def hint(student: nn.Module, batch: Batch) -> torch.Tensor:
        with torch.no_grad(), watched(teacher, pairs.values()) as taught:
            teacher(batch.x)
        with watched(student, pairs) as shown:
            student(batch.x)
        gaps = [(_likeness(shown[own]) - _likeness(taught[other])).pow(2).sum() / len(batch.x)
                for own, other in pairs.items()]  # fmt: skip
        return torch.stack(gaps).sum()

    return hint


def _likeness(activations: torch.Tensor) -> torch.Tensor:
    """Return the similarities of rows to each other, ``(n, n)``, each row of length one."""
    flat = activations.flatten(1)
    return F.normalize(flat @ flat.T, dim=1)


@contextmanager
def watched(model: nn.Module, layers: Any) -> Iterator[dict[str, torch.Tensor]]:
    """Give what layers put out, by name, as soon as the model is asked."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, out: torch.Tensor) -> None:
            seen[name] = out if out.requires_grad or not torch.is_grad_enabled() else out.requires_grad_()

        return hook

    handles = [model.get_submodule(layer).register_forward_hook(keep(layer)) for layer in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def last_convolution(model: nn.Module) -> str | None:
    """Return the name of the convolution that is defined last."""
    found = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    return found[-1] if found else None
