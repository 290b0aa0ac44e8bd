"""``compress``: the usual chain, pruned, made int8 and packed, with one report; stopped by hand it keeps what is done."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data.records import Data
from ..errors import BadInput
from ..zoo.holder import unwrap
from .compressed import Compressed
from .measurement import compared
from .packing import pack
from .planning import plan
from .pruning import example_of
from .pruning import prune as pruned
from .quantization import quantize as quantized

LONG_LAST = (2, 4, 18)  # epochs of three rounds: a long last one pays


def compress(
    model: Any,
    data: Data,
    *,
    prune: float | None = None,
    channels: float | None = None,
    how: str | None = None,
    quantize: str | None = "auto",
    preserve: Any = "behaviour",
    keep: Any = None,
    by: Any = "magnitude",
    epochs: int | Sequence[int] = LONG_LAST,
    rounds: int | None = None,
    protect: Sequence[str] = (),
    path: str | Path | None = None,
    shared: int | Mapping[str, int] | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> Compressed:
    """Prune, fine-tune, make int8 and pack a model, in this order, with one report over all of it.

    An interrupt (the stop button) ends the chain at the last whole step: what comes back is usable, its ``steps`` say
    what was done, and ``report["interrupted"]`` names what was not.

    Parameters
    ----------
    model, data
        A float network and its data; the model is not touched.
    prune, channels, how
        The fraction of weights to remove, or of each layer's channels; by default what suits the kind of network: half
        the channels, or for tokens four fifths of the weights. ``prune=0`` removes nothing.
    quantize
        "static", "dynamic", "aware", None for float; "auto" is what suits the kind of network.
    preserve, keep, by, epochs, rounds, protect, seed
        As in :func:`prune`; three rounds of 2, 4 and 18 epochs by default.
    path, shared
        Where to pack the result, and how many values its layers share; see :func:`pack`. None writes no file.
    verbose
        Show progress.

    Returns
    -------
    Compressed
        ``model, report``; with a ``path`` its ``report["packed"]`` is that of :func:`pack`.

    Raises
    ------
    BadInput
        Nothing to do, both ``prune`` and ``channels``, or what the single steps refuse.
    """
    net = unwrap(model)
    advised = plan(net)
    options: dict[str, Any] = _removal(prune, channels, how, advised["prune"])
    ways = advised["quantize"]["how"] if quantize == "auto" else quantize
    if not options and ways is None and path is None:
        raise BadInput(
            "There is nothing to do",
            "prune=, channels=, quantize= or path=",
            "Leave one of them at its default",
        )
    plan_of = epochs if isinstance(epochs, int) else list(epochs)
    steps: dict[str, Callable[[Any], Compressed]] = {}
    if options:
        count = rounds if rounds is not None else 1 if isinstance(plan_of, int) else len(plan_of)
        steps["prune"] = lambda made: pruned(made, **options, by=by, data=data, epochs=plan_of, rounds=count,
                                             preserve=preserve, protect=protect, keep=keep, seed=seed, verbose=verbose)  # fmt: skip
    if ways is not None:
        steps["quantize"] = lambda made: quantized(
            made, ways, data=data, preserve=preserve, keep=keep, seed=seed, verbose=verbose
        )
    if path is not None:
        steps["pack"] = lambda made: _packed(made, net, data, path, shared)
    return _in_turn(steps, model, net, data)


def _removal(
    amount: float | None, channels: float | None, how: str | None, advised: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of ``prune``; empty where nothing is to be removed."""
    if amount is not None and channels is not None:
        raise BadInput(f"prune is {amount} and channels is {channels}", "one of the two", "Drop one")
    if channels is not None:
        return {"channels": channels, "how": how or "channels"}
    if amount is not None:
        return {"amount": amount, "how": how or "weights"} if amount else {}
    if how is None or how == advised["how"]:
        return advised
    raise BadInput(f"how is {how!r} without an amount", "prune= or channels=", "Say how much: prune=0.9")


def _in_turn(
    steps: Mapping[str, Callable[[Any], Compressed]], model: Any, net: Any, data: Data
) -> Compressed:
    """Do the steps; an interrupt keeps those that were whole."""
    made: Any = model
    left = list(steps)
    try:
        for name, step in steps.items():
            made = step(made)
            left.remove(name)
    except KeyboardInterrupt:
        warnings.warn(
            f"Interrupted during {left[0]}: what comes back is without {' and '.join(left)}", stacklevel=3
        )
    whole = made if isinstance(made, Compressed) else _as_it_is(net, data)
    return Compressed(
        whole.model, {**whole.report, "interrupted": left}, whole.original, whole.steps, whole.keep
    )


def _as_it_is(net: Any, data: Data) -> Compressed:
    """Return a copy of a model to which nothing was done, with its report."""
    copied = copy.deepcopy(net).eval()
    return Compressed(copied, compared(net, copied, data, example_of(net, data)), net, ())


def _packed(made: Any, net: Any, data: Data, path: str | Path, shared: Any) -> Compressed:
    """Pack what was made; where layers share values, the packed model is the one that counts."""
    whole = made if isinstance(made, Compressed) else _as_it_is(net, data)
    packed = pack(whole, path, shared=shared)
    step = {"what": "pack", "how": "entropy", "shared": shared, "bytes": packed.report["bytes"], "epochs": []}
    report = (
        whole.report
        if shared is None
        else compared(whole.original, packed.model, data, example_of(net, data))
    )
    return Compressed(
        packed.model, {**report, "packed": packed.report}, whole.original, (*whole.steps, step), whole.keep
    )
