"""Pruning: single weights are set to zero, or whole channels leave the model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.conversion import is_int8
from ..zoo.holder import unwrap
from .compressed import Compressed
from .distillation import checked, fine_tuned
from .measurement import compared, layer_weights

HOWS, SCOPES, CRITERIA = ("weights", "channels"), ("global", "layer"), ("magnitude",)
GRID = 64  # channel ratios are tried in steps of 1/64


def prune(
    model: Any,
    amount: float | None = None,
    *,
    channels: float | None = None,
    how: str = "weights",
    by: str = "magnitude",
    scope: str | None = None,
    data: Data | None = None,
    epochs: int | Sequence[int] = 0,
    rounds: int = 1,
    preserve: str | None = "behaviour",
    protect: Sequence[str] = (),
    lr: float = 1e-3,
    seed: int = 0,
    verbose: bool = True,
) -> Compressed:
    """Remove weights or channels, in rounds with fine-tuning between them (Han et al. 2015; Li et al. 2017).

    Zeroed weights make a smaller packed file and no speed; removed channels make both.

    Parameters
    ----------
    model
        A network; it is not touched.
    amount
        Fraction of all weights to remove, in (0, 1). With ``how="channels"`` the uniform ratio of channels
        that comes nearest to it.
    how
        "weights" or "channels".
    channels
        Fraction of each layer's channels instead, for ``how="channels"``.
    by
        "magnitude": the smallest weights go, or the channels of the smallest L2 norm.
    scope
        For weights: "global" (one threshold, the default) or "layer" (the same share of each).
        Channels always go by the same share of each layer.
    data
        Rows to fine-tune and to measure on; without it nothing is trained and accuracy is NaN.
    epochs
        Of fine-tuning: a number a round, or a list of one for each. A long last round pays.
    rounds
        In how many geometric steps the amount is reached.
    preserve
        "behaviour": fine-tuning is distilled from the original (Hinton et al. 2015); None: labels alone.
    protect
        Names of layers that keep everything. The last layer always keeps its outputs.
    lr
        First learning rate of each round of fine-tuning; it falls linearly to a twentieth. Batch size and
        augmentation are those of the model's own recipe.
    seed
        Of the order of rows and of augmentation.
    verbose
        Show progress.

    Returns
    -------
    Compressed
        ``model, report``.

    Raises
    ------
    BadInput
        An amount outside (0, 1), epochs without data, an int8 model, both or neither of amount and channels.
    UnknownName
        An unknown way, criterion, scope or layer.
    """
    started = model
    model = unwrap(model)
    step = _checked_step(
        model, amount, channels, how, by, scope, data, epochs, rounds, preserve, protect, lr, seed
    )
    example = _example(model, data)
    original = started.original if isinstance(started, Compressed) else model
    if how == "channels":
        step["channels"] = (
            channels if channels is not None else _ratio_for(model, amount, example, step["protect"])
        )
    net = copy.deepcopy(model).eval()
    for round in range(rounds):
        net = (_channel_round if how == "channels" else _weight_round)(
            net, model, data, step, round, example, verbose
        )
    net.spec = getattr(model, "spec", None)
    net.recipe = getattr(model, "recipe", None)
    steps = (*(started.steps if isinstance(started, Compressed) else ()), step)
    return Compressed(net, compared(original, net, data, example), original, steps)


def _checked_step(model, amount, channels, how, by, scope, data, epochs, rounds, preserve, protect, lr, seed) -> dict[str, Any]:  # fmt: skip
    """Return the step as a record, or refuse it."""
    for name, value, known in (
        ("way (how)", how, HOWS),
        ("criterion (by)", by, CRITERIA),
        ("scope", scope or "global", SCOPES),
    ):
        if value not in known:
            raise unknown(name, value, known)
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(f"A {type(model).__name__} was given", "a float network", "Prune before you quantize")
    if (amount is None) == (channels is None) or (channels is not None and how != "channels"):
        raise BadInput(f"amount is {amount}, channels is {channels}, how is {how!r}",
                       "one of amount and channels, and channels only with how='channels'", "Drop one")  # fmt: skip
    if how == "channels" and scope is not None:
        raise BadInput(
            f"scope is {scope!r} for channels", "no scope: each layer loses the same share", "Leave it out"
        )
    if not 0 < (amount if amount is not None else channels) < 1:
        raise BadInput(f"The amount is {amount if amount is not None else channels}", "a fraction between 0 and 1",
                       "0.9 removes nine tenths")  # fmt: skip
    if rounds < 1:
        raise BadInput(f"rounds is {rounds}", "at least 1", "Raise it")
    plan = [epochs] * rounds if isinstance(epochs, int) else list(epochs)
    if len(plan) != rounds:
        raise BadInput(f"epochs has {len(plan)} entries for {rounds} rounds", "one a round", "Match them")
    if any(plan) and data is None:
        raise BadInput("epochs were given but no data", "data to fine-tune on", "Pass data=, or epochs=0")
    for layer in protect:
        if layer not in layer_weights(model):
            raise unknown("layer with weights", layer, layer_weights(model))
    recipe = getattr(model, "recipe", None) or {}
    return {"what": "prune", "how": how, "amount": amount, "channels": channels, "by": by, "scope": scope,
            "epochs": plan, "rounds": rounds, "preserve": checked(preserve), "protect": list(protect), "lr": lr,
            "batch_size": recipe.get("batch_size", 64), "augment": recipe.get("augment", False), "seed": seed}  # fmt: skip


def _example(model: nn.Module, data: Data | None) -> torch.Tensor:
    if data is not None:
        return torch.tensor(data.test.x[:1])
    spec = getattr(model, "spec", None)
    if spec is None:
        raise BadInput(
            "The shape of an input is not known", "data, or a model made by wb.build", "Pass data="
        )
    return torch.zeros(1, *spec["input_shape"])


def _share(step: dict[str, Any], round: int) -> float:
    """Return the share removed after a round: geometric, so that each round takes the same part of the rest."""
    whole = step["channels"] if step["how"] == "channels" else step["amount"]
    return 1 - (1 - whole) ** ((round + 1) / step["rounds"])


def _weight_round(net, teacher, data, step, round, example, verbose) -> nn.Module:
    masks = _masks(net, _share(step, round), step["scope"] or "global", step["protect"])
    zero = _zeroing(masks)
    zero(net)
    return fine_tuned(net, teacher, data, step, round, after_step=zero, verbose=verbose)


def _masks(net: nn.Module, share: float, scope: str, protect: Sequence[str]) -> dict[str, torch.Tensor]:
    """Return what stays: weights whose magnitude is above the threshold of all, or of their layer."""
    weights = {n: w.abs() for n, w in layer_weights(net).items() if w.ndim > 1 and n not in protect}
    pools = [weights] if scope == "global" else [{name: w} for name, w in weights.items()]
    masks: dict[str, torch.Tensor] = {}
    for pool in pools:
        order = torch.cat([w.flatten() for w in pool.values()]).argsort(stable=True)
        kept = torch.ones(len(order), dtype=torch.bool)
        kept[order[: int(share * len(order) + 0.5)]] = False
        parts = kept.split([w.numel() for w in pool.values()])
        masks |= {n: part.view(w.shape) for (n, w), part in zip(pool.items(), parts, strict=True)}
    return masks


def _zeroing(masks: dict[str, torch.Tensor]) -> Callable[[nn.Module], None]:
    @torch.no_grad()
    def keep_zeros(net: nn.Module) -> None:
        for name, mask in masks.items():
            layer: Any = net.get_submodule(name)
            layer.weight.mul_(mask)

    return keep_zeros


def _channel_round(net, teacher, data, step, round, example, verbose) -> nn.Module:
    before = _share(step, round - 1) if round else 0.0
    ratio = 1 - (1 - _share(step, round)) / (1 - before)
    narrow = _narrowed(net, ratio, example, step["protect"])
    return fine_tuned(narrow, teacher, data, step, round, verbose=verbose)


def _narrowed(net: nn.Module, ratio: float, example: torch.Tensor, protect: Sequence[str]) -> nn.Module:
    """Return a copy with a share of every layer's channels removed, through the dependency graph (Fang et al. 2023)."""
    import torch_pruning as tp

    net = copy.deepcopy(net).requires_grad_(True)
    layers = list(layer_weights(net))
    kept = [net.get_submodule(name) for name in {*protect, layers[-1]}]
    pruner = tp.pruner.MagnitudePruner(net, example, importance=tp.importance.MagnitudeImportance(p=2),
                                       pruning_ratio=ratio, ignored_layers=kept)  # fmt: skip
    pruner.step()
    return net


def _ratio_for(
    model: nn.Module, amount: float | None, example: torch.Tensor, protect: Sequence[str]
) -> float:
    """Return the ratio of channels that removes nearest to the wanted fraction of weights."""
    total = sum(w.numel() for w in layer_weights(model).values())

    def miss(ratio: float) -> float:
        narrow = _narrowed(model, ratio, example, protect)
        return abs(1 - sum(w.numel() for w in layer_weights(narrow).values()) / total - (amount or 0))

    return min((i / GRID for i in range(1, GRID)), key=miss)
