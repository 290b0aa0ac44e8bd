"""Pruning: single weights are set to zero, or whole channels leave the model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.conversion import is_int8
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from ..zoo.strides import tensor_for
from . import units
from .compressed import Compressed
from .criteria import NAMES, Criterion, Worth, by_channel, parameter, worth
from .distillation import fine_tuned
from .measurement import compared, layer_weights, macs
from .preservation import checked, checked_keep, trained_on

HOWS, SCOPES = ("weights", "channels"), ("global", "layer")
LOOKUPS = (nn.Embedding, nn.EmbeddingBag)
GRID = 64  # channel ratios are tried in steps of 1/64


def prune(
    model: Any,
    amount: float | None = None,
    *,
    channels: float | None = None,
    how: str = "weights",
    by: str | Criterion = "magnitude",
    scope: str | None = None,
    data: Data | None = None,
    epochs: int | Sequence[int] = 0,
    rounds: int = 1,
    preserve: Any = "behaviour",
    protect: Sequence[str] = (),
    rewind: Any = None,
    keep: Any = None,
    lr: float = 1e-3,
    seed: int = 0,
    verbose: bool = True,
) -> Compressed:
    """Remove weights or channels, in rounds with fine-tuning between them (Han et al. 2015; Li et al. 2017).

    Zeroed weights make a smaller packed file and no speed; removed channels make both. Weights go from
    linear, convolutional and recurrent layers; embeddings and positions keep theirs (those of rare words
    would go first, and nothing behind them knows), as do norms and biases. Channels of a network of tokens
    are whole attention heads (Michel et al. 2019), hidden units of feed-forward layers and of recurrent ones: all
    that only some columns of other layers read. Embeddings and norms share one width, which stays, and so do the
    heads of ``nn.MultiheadAttention``, which has no form with fewer; ``report`` and ``steps`` say what went.

    Parameters
    ----------
    model
        A network; it is not touched.
    amount
        Fraction to remove, in (0, 1), of the weights that may go: those of embeddings and of what is protected
        stay and are not counted, so that much less of all may leave a small network of texts; the step says how
        many there are (``among``, ``of``). With ``how="channels"`` the uniform ratio of channels that comes
        nearest to this fraction of all layers' weights.
    how
        "weights" or "channels".
    channels
        Fraction of each layer's channels instead, for ``how="channels"``.
    by
        "magnitude": the smallest weights go, or the channels of the smallest L2 norm. "taylor": those without which
        the loss on the training rows would change least, to first order (Molchanov et al. 2017); what
        ``wb.explain(model, data.train, "parameter_sensitivity")`` adds up for each layer. "relevance": those through
        which least of the answer flows, on ten training rows of each class (Yeom et al. 2021). Or a function
        ``(model, data) -> {layer: worth of each weight}``. See :mod:`workbench.compression.criteria`.
    scope
        For weights: "global" (one threshold, the default) or "layer" (the same share of each).
        Channels always go by the same share of each layer.
    data
        Rows to fine-tune and to measure on; without it nothing is trained and accuracy is NaN.
    epochs
        Of fine-tuning: a number a round, or a list of one for each. A long last round at a high rate pays where behaviour
        is preserved: of LeNet-5 without 97 % of its weights [2, 2, 4, 8, 60] epochs at ``lr=4e-3`` kept an index of
        .80, [2, 4, 18] at .001 one of .55 (occlusion, ``Comparison.index``). On labels alone a long round moves a network
        away (-1.7) though no accuracy is seen to be lost.
    rounds
        In how many geometric steps the amount is reached.
    preserve
        "behaviour": fine-tuning is distilled from the original (Hinton et al. 2015); None: labels alone; "maps": its
        Grad-CAM and input gradients are matched as well (Park et al. 2020). Several, as ``["behaviour", "maps"]``, or
        a dict with values: ``{"behaviour": None, "grad_cam": ["conv2"], "copies": ["masks"]}``; see
        :mod:`workbench.compression.preservation`. What maps train on is recorded, and counts for nothing in ``compare``.
    protect
        Names of layers, or of what holds them, that keep all weights, which the amount then leaves out; or
        all channels of their own, while those of the layer before still go. The last layer always keeps its
        outputs. The weights of a recurrent layer have names too, such as "lstm.weight_hh_l0".
    rewind
        A network of the same layers, such as the original after few epochs: for weights, what is left goes back to its
        values before every round (Frankle et al. 2020). None keeps the weights and starts the learning rate anew,
        which does as well (Renda, Frankle and Carbin 2020).
    keep
        A ``Feedback`` whose marks are held in every round of fine-tuning.
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
        An amount outside (0, 1), epochs without data, an int8 model, both or neither of amount and channels,
        no layer that is not protected; no unit that can leave alone.
    UnknownName
        An unknown way, criterion, scope or layer.
    KeyboardInterrupt
        Stopped by hand: the given model is as it was, and nothing half-tuned is passed off as a result.
    """
    started, model, early = model, unwrap(model), unwrap(rewind)
    step = _checked_step(
        model, amount, channels, how, by, scope, data, epochs, rounds, preserve, protect, lr, seed
    )
    _check_rewind(early, model, step)
    step["keep"] = checked_keep(keep)
    chained = isinstance(started, Compressed)
    original, example = started.original if chained else model, example_of(model, data)
    if how == "channels" and reads_tokens(model):
        step["narrowed"] = _narrowed_units(model, amount, channels, example, protect)
    if how == "channels" and channels is None:
        step["channels"] = _ratio_for(model, amount, example, protect)
    if how == "weights":
        step |= _counts(model, protect)
    net = copy.deepcopy(model).eval()
    for round in range(rounds):
        net, hold = cut(net, model, step, round, example, data, by)
        if early is not None:
            net.load_state_dict(early.state_dict())
            hold(net)
        net = fine_tuned(net, original, data, step, round, after_step=hold, verbose=verbose, keep=keep)
    net.spec = getattr(model, "spec", None)
    net.recipe = getattr(model, "recipe", None)
    return Compressed(net, compared(original, net, data, example), original,
                      (*(started.steps if chained else ()), step), held(keep, started))  # fmt: skip


def held(keep: Any, started: Any) -> Any:
    """Return what is held, by this step or one before it."""
    return (
        keep
        if keep is not None
        else getattr(started, "keep", None)
        if isinstance(started, Compressed)
        else None
    )


def _checked_step(model, amount, channels, how, by, scope, data, epochs, rounds, preserve, protect, lr, seed) -> dict[str, Any]:  # fmt: skip
    """Return the step as a record, or refuse it."""
    _check_names(how, by, scope)
    _check_criterion(by, data)
    _check_model(model, data, protect)
    _check_share(amount, channels, how)
    recipe, wanted = getattr(model, "recipe", None) or {}, checked(preserve, model)
    return {"what": "prune", "how": how, "amount": amount, "channels": channels, "by": _called(by), "scope": scope,
            "epochs": _plan(epochs, rounds, data), "rounds": rounds, "preserve": wanted, "trained_on": trained_on(wanted),
            "protect": list(protect), "lr": lr, "batch_size": recipe.get("batch_size", 64),
            "augment": recipe.get("augment", False), "seed": seed}  # fmt: skip


def _check_names(how: str, by: str, scope: str | None) -> None:
    for name, value, known in (
        ("way (how)", how, HOWS),
        ("criterion (by)", "magnitude" if callable(by) else by, NAMES),
        ("scope", scope or "global", SCOPES),
    ):
        if value not in known:
            raise unknown(name, value, known)
    if how == "channels" and scope is not None:
        raise BadInput(
            f"scope is {scope!r} for channels", "no scope: each layer loses the same share", "Leave it out"
        )


def _check_criterion(by: str | Criterion, data: Any) -> None:
    if by != "magnitude" and data is None:
        raise BadInput(f"by is {_called(by)!r} for a model without data", "data whose training rows are looked at",
                       "Pass data=, or use by='magnitude'")  # fmt: skip


def _called(by: str | Criterion) -> str:
    return by if isinstance(by, str) else getattr(by, "__name__", type(by).__name__)


def _check_rewind(early: Any, model: nn.Module, step: dict[str, Any]) -> None:
    """Refuse to go back to anything but the same layers, and note in the step where it goes back to."""
    if early is None:
        return
    same = isinstance(early, nn.Module) and [(n, w.shape) for n, w in early.state_dict().items()] == [
        (n, w.shape) for n, w in model.state_dict().items()
    ]
    if not same or step["how"] == "channels":
        what = f"rewind is a {type(early).__name__}" + (" for channels" if step["how"] == "channels" else "")
        raise BadInput(what, "a network of the same layers, and how='weights'", "Leave it out, or train one for few epochs")  # fmt: skip
    step["rewind"] = fingerprint(early)


def _check_model(model: Any, data: Any, protect: Iterable[str]) -> None:
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(f"A {type(model).__name__} was given", "a float network", "Prune before you quantize")
    if data is not None and not isinstance(data, Data):
        raise BadInput(f"data is a {type(data).__name__}", "Data", "Make it with wb.from_arrays")
    known = {part for name in layer_weights(model) for part in _holders(name)}
    for layer in protect:
        if layer not in known:
            raise unknown("layer with weights", layer, known)


def _holders(name: str) -> list[str]:
    """Return a dotted name and the names of all that holds it."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts) + 1)]


def _check_share(amount: Any, channels: Any, how: str) -> None:
    if (amount is None) == (channels is None) or (channels is not None and how != "channels"):
        raise BadInput(f"amount is {amount}, channels is {channels}, how is {how!r}",
                       "one of amount and channels, and channels only with how='channels'", "Drop one")  # fmt: skip
    share = amount if amount is not None else channels
    if not isinstance(share, (float, np.floating)) or not 0 < share < 1:
        raise BadInput(f"The amount is {share!r}", "a fraction between 0 and 1", "0.9 removes nine tenths")


def _plan(epochs: Any, rounds: Any, data: Data | None) -> list[int]:
    """Return the epochs of each round."""
    if not isinstance(rounds, (int, np.integer)) or rounds < 1:
        raise BadInput(f"rounds is {rounds!r}", "a whole number, at least 1", "Raise it")
    plan = list(epochs) if isinstance(epochs, Sequence) else [epochs] * rounds
    if not all(isinstance(e, (int, np.integer)) and e >= 0 for e in plan):
        raise BadInput(f"epochs is {epochs!r}", "a whole number, or one for each round", "Correct it")
    if len(plan) != rounds:
        raise BadInput(f"epochs has {len(plan)} entries for {rounds} rounds", "one a round", "Match them")
    if any(plan) and data is None:
        raise BadInput("epochs were given but no data", "data to fine-tune on", "Pass data=, or epochs=0")
    return plan


def example_of(model: nn.Module, data: Data | None) -> torch.Tensor:
    """Return one input as the model takes it."""
    if data is not None:
        return tensor_for(model, data.test.x[:1])
    spec = getattr(model, "spec", None)
    if spec is None:
        raise BadInput(
            "The shape of an input is not known", "data, or a model made by wb.build", "Pass data="
        )
    if spec.get("tokens"):
        return torch.ones(
            1, *spec["input_shape"], dtype=torch.long
        )  # unknown words: padding is not attended to
    return torch.zeros(1, *spec["input_shape"])


def _share(step: dict[str, Any], round: int) -> float:
    """Return the share removed after a round: geometric, so that each round takes the same part of the rest."""
    whole = step["channels"] if step["how"] == "channels" else step["amount"]
    return 1 - (1 - whole) ** ((round + 1) / step["rounds"])


def cut(net: nn.Module, model: nn.Module, step: dict[str, Any], round: int, example: torch.Tensor,
         data: Data | None, by: str | Criterion) -> tuple[nn.Module, Callable[[nn.Module], None]]:  # fmt: skip
    """Return the net after a round's removal, and what keeps removed weights at zero while it trains."""
    share, protect = _share(step, round), step["protect"]
    if step["how"] == "channels":
        if "narrowed" in step:
            return units.narrowed(net, units.remaining(model, step["narrowed"], share), example, by, data), lambda _: None  # fmt: skip
        left = _left(model, share, example, protect)
        worths = None if by == "magnitude" else by_channel(worth(net, left, by, data))
        return _narrowed(net, left, example, worths), lambda _: None
    worths = worth(net, _unprotected(net, protect), by, data)
    hold = _zeroing(_masks(worths, share, step["scope"] or "global"))
    hold(net)
    return net, hold


def _masks(weights: dict[str, torch.Tensor], share: float, scope: str) -> dict[str, torch.Tensor]:
    """Return what stays: weights whose worth is above the threshold of all, or of their layer."""
    pools = [weights] if scope == "global" else [{name: w} for name, w in weights.items()]
    masks: dict[str, torch.Tensor] = {}
    for pool in pools:
        order = torch.cat([w.flatten() for w in pool.values()]).argsort(stable=True)
        kept = torch.ones(len(order), dtype=torch.bool)
        kept[order[: int(share * len(order) + 0.5)]] = False
        parts = kept.split([w.numel() for w in pool.values()])
        masks |= {n: part.view(w.shape) for (n, w), part in zip(pool.items(), parts, strict=True)}
    return masks


def _unprotected(net: nn.Module, protect: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return the weights of the layers that may lose some."""
    looked_up = {name for name, layer in net.named_modules() if isinstance(layer, LOOKUPS)}
    kept = {*protect, *looked_up}
    found = {n: w for n, w in layer_weights(net).items() if w.ndim > 1 and kept.isdisjoint(_holders(n))}
    if not found:
        raise BadInput("No layer is left to remove anything from", "a layer that is not protected",
                       "Shorten protect; the outputs of the last layer stay in any case")  # fmt: skip
    return found


def _counts(model: nn.Module, protect: Iterable[str]) -> dict[str, int]:
    """Return how many weights may go, and of how many: all but biases and norms."""
    among = sum(w.numel() for w in _unprotected(model, protect).values())
    return {"among": among, "of": sum(w.numel() for w in model.parameters() if w.ndim > 1)}


def _zeroing(masks: dict[str, torch.Tensor]) -> Callable[[nn.Module], None]:
    gone = {name: ~mask for name, mask in masks.items()}

    @torch.no_grad()
    def keep_zeros(net: nn.Module) -> None:
        for name, removed in gone.items():
            parameter(net, name).masked_fill_(removed, 0.0)  # A product would leave zeros with a sign.

    return keep_zeros


def reads_tokens(model: nn.Module) -> bool:
    """Whether a network looks tokens up, or walks along them."""
    return any(isinstance(layer, (*LOOKUPS, nn.RNNBase)) for layer in model.modules())


def _narrowed_units(model: nn.Module, amount: float | None, share: float | None, example: torch.Tensor,
                    protect: Sequence[str]) -> list[str]:  # fmt: skip
    """Return what loses units in a network of tokens."""
    if amount is not None or share is None:
        raise BadInput(f"amount is {amount} for a network of tokens", "channels=, a fraction of its units and heads",
                       "Many of its weights stand in embeddings, which keep their width")  # fmt: skip
    return units.removable(model, share, example, _unprotected(model, protect))


def _left(model: nn.Module, share: float, example: torch.Tensor, protect: Sequence[str]) -> dict[str, int]:  # fmt: skip
    """Return how many channels each layer keeps, at least one; those that keep all are left out."""
    last = list(macs(model, example))[-1]
    weights = _unprotected(model, {*protect, last})
    return {name: units.kept(len(w), share) for name, w in weights.items()}


def _narrowed(
    net: nn.Module, left: dict[str, int], example: torch.Tensor, worths: Worth | None = None
) -> nn.Module:
    """Return a copy with so many channels left in each layer, through the dependency graph (Fang et al. 2023).

    Without ``worths`` of the channels those of the smallest L2 norm go.
    """
    import torch_pruning as tp

    net = copy.deepcopy(net).requires_grad_(True)
    sizes = {name: len(w) for name, w in layer_weights(net).items() if w.ndim > 1}
    whole = [net.get_submodule(name) for name in sizes if name not in left]
    # torch-pruning keeps the whole part of (1 - ratio) x channels: half a channel more meets the number
    ratios = {net.get_submodule(name): 1 - (n + 0.5) / sizes[name] for name, n in left.items()}
    importance: Any = tp.importance.MagnitudeImportance(p=2)
    if worths is not None:
        importance = _ByWorth({net.get_submodule(name): w for name, w in worths.items()})
    pruner = tp.pruner.MagnitudePruner(net, example, importance=importance, pruning_ratio_dict=ratios,
                                       ignored_layers=whole)  # fmt: skip
    pruner.step()
    return net


class _ByWorth:
    """Tells torch-pruning what channels are worth that leave together: the sum over the layers that make them."""

    def __init__(self, worths: dict[nn.Module, torch.Tensor]) -> None:
        self.worths = worths

    def __call__(self, group: Any, **_: Any) -> torch.Tensor | None:
        import torch_pruning as tp

        makes = (tp.prune_conv_out_channels, tp.prune_linear_out_channels)
        known = [self.worths[dep.target.module][torch.as_tensor(places)] for dep, places in group
                 if dep.handler in makes and dep.target.module in self.worths]  # fmt: skip
        return torch.stack(known).sum(0) if known else None


def _ratio_for(model: nn.Module, amount: float | None, example: torch.Tensor, protect: Sequence[str]) -> float:  # fmt: skip
    """Return the ratio of channels that removes nearest to the wanted fraction of weights."""
    total = sum(w.numel() for w in layer_weights(model).values())

    def miss(ratio: float) -> float:
        narrow = _narrowed(model, _left(model, ratio, example, protect), example)
        return abs(1 - sum(w.numel() for w in layer_weights(narrow).values()) / total - (amount or 0))

    return min((i / GRID for i in range(1, GRID)), key=miss)
