"""Who a pair of models is compared with: other training runs, a sham, and a randomized model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import files, training
from ..compression.compressed import Compressed
from ..compression.controls import sham
from ..data.records import Data
from ..errors import BadInput, WorkbenchError
from ..int8.conversion import is_int8
from ..int8.shuffling import shuffled
from ..state import generator, seeded
from ..training import fit
from ..zoo import deep, networks, sequences
from ..zoo.catalogue import from_spec
from ..zoo.holder import unwrap
from ..zoo.storage import load_model, save

FIRST_SEED = 1000  # references are trained with the recipe's seed plus 1000, 1001, ...
REPLAYED = ("epochs", "lr", "batch_size", "patience", "augment")


@dataclass(frozen=True)
class Cast:
    """The models of a comparison; ``sham`` and ``references`` may be missing, and ``notes`` say why."""

    before: Any
    after: Any
    sham: Any | None
    references: tuple[Any, ...]
    randomized: Any
    notes: tuple[str, ...]


def assemble(before: Any, after: Any, data: Data, references: int | Sequence[Any], given_sham: Any, seed: int,
             verbose: bool = True) -> Cast:  # fmt: skip
    """Return all models of a comparison; what is not given is trained, where there is a recipe."""
    runs, why_none = _references(unwrap(before), data, references, verbose)
    control, why_no_sham = _sham(unwrap(before), after, data, given_sham, verbose)
    notes = tuple(note for note in (why_none, why_no_sham) if note)
    return Cast(unwrap(before), unwrap(after), control, runs, randomized(unwrap(before), data, seed), notes)


def _references(
    model: Any, data: Data, wanted: int | Sequence[Any], verbose: bool
) -> tuple[tuple[Any, ...], str]:
    if not isinstance(wanted, int):
        return tuple(unwrap(m) for m in wanted), ""
    recipe, spec = getattr(model, "recipe", None), getattr(model, "spec", None)
    if not wanted:
        return (), "There are no references: pass references=5, or a list of models trained like the original"
    if not (recipe and spec) or recipe.get("terms") or recipe.get("after_step"):
        return (
            (),
            "The model has no recipe to train references from: pass references=[models], trained like it",
        )
    if recipe.get("data_fingerprint") != data.fingerprint:
        return (
            (),
            "The model's recipe names other data: pass references=[models], or the data it was trained on",
        )
    return tuple(reference(spec, recipe, data, i, verbose) for i in range(wanted)), ""


def reference(spec: dict, recipe: dict, data: Data, i: int, verbose: bool = True) -> Any:
    """Train the recipe's ``i``-th other run, or take it from the cache."""
    seed = recipe.get("seed", 0) + FIRST_SEED + i
    options = {name: recipe[name] for name in REPLAYED if name in recipe}
    path = files.cache("references") / f"{_key(spec, options, data, seed)}.safetensors"
    if path.exists():
        try:
            return load_model(path)
        except WorkbenchError:
            path.unlink()
    with seeded(seed):
        fresh = from_spec(spec)
    if not isinstance(fresh, nn.Module):
        return fit(fresh.set_params(**_reseeded(fresh, seed)), data).model
    trained = fit(fresh, data, seed=seed, verbose=verbose, **options).whole()
    save(trained, path)
    return trained


def _reseeded(estimator: Any, seed: int) -> dict[str, int]:
    return {name: seed for name in estimator.get_params() if name.split("__")[-1] == "random_state"}


def _key(spec: dict, options: dict, data: Data, seed: int) -> str:
    """Name a training run by everything that its bits depend on."""
    code = [
        files.sha256(Path(str(module.__file__)).read_bytes())
        for module in (training, networks, deep, sequences)
    ]
    facts = [spec, options, data.fingerprint, seed, torch.__version__, torch.get_num_threads(), code]
    return files.sha256(json.dumps(files.plain(facts), sort_keys=True).encode())[:32]


def _sham(before: Any, after: Any, data: Data, given: Any, verbose: bool) -> tuple[Any | None, str]:
    if given is not None:
        return unwrap(given), ""
    if isinstance(after, Compressed):
        return sham(after, data, verbose=verbose), ""
    return (
        None,
        "There is no sham: what training alone would do is not known; pass sham=, or the Compressed itself",
    )


def randomized(model: Any, data: Data, seed: int = 0) -> Any:
    """Return the model with new random weights (Adebayo et al. 2018), or an estimator fitted to shuffled labels.

    The int8 weights of an int8 model are shuffled within each layer.
    """
    if is_int8(model):
        return shuffled(model, generator(seed))
    if isinstance(model, nn.Module):
        return _reset(model, seed)
    if not hasattr(model, "get_params"):
        return _Shuffled(model, seed)
    labels = np.random.default_rng(seed).permutation(data.train.y)
    return fit(model, replace(data, train=replace(data.train, y=labels))).model


@torch.no_grad()
def _reset(model: nn.Module, seed: int, only: Collection[str] | None = None) -> nn.Module:
    """Draw every layer's weights anew, or those of the layers named; a layer that cannot has its entries shuffled."""
    fresh = copy.deepcopy(model).eval()
    with seeded(seed):
        layer: Any
        for name, layer in fresh.named_modules():
            own = list(layer.parameters(recurse=False))
            if only is not None and name not in only:
                continue
            if own and hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
                continue
            for parameter in own:
                parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))
    return fresh


def layers_from_the_top(model: Any, ask: Callable[[], Any]) -> list[str]:
    """Return the names of the layers that have weights of their own, the one that is called last first.

    Parameters
    ----------
    model
        A network.
    ask
        Asks it about a row: the order of the calls counts, not that of the definition. A layer whose weights are read
        without a call has the place of what holds it.

    Raises
    ------
    BadInput
        The model is no network, or an int8 one.
    """
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(f"A {type(model).__name__} was to be randomized layer by layer", "a float network, whose layers can be "
                       "drawn anew", "Leave this metric out, or judge the network that it was made from")  # fmt: skip
    called = _last_calls(model, ask)
    names = [
        name for name, layer in model.named_modules() if any(True for _ in layer.parameters(recurse=False))
    ]
    order = sorted(enumerate(names), key=lambda entry: (_place(entry[1], called), entry[0]))
    return [name for _, name in order][::-1]


def _last_calls(model: nn.Module, ask: Callable[[], Any]) -> dict[str, int]:
    """Return when each module was called last, by name."""
    calls: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        for name, module in model.named_modules()
    ]
    try:
        ask()
    finally:
        for handle in handles:
            handle.remove()
    return {name: at for at, name in enumerate(calls)}


def _place(name: str, called: dict[str, int]) -> int:
    """Return when a layer was called, or else what holds it."""
    while name and name not in called:
        name = name.rpartition(".")[0]
    return called.get(name, -1)


def partly_randomized(model: nn.Module, layers: Collection[str], seed: int = 0) -> nn.Module:
    """Return a copy of a network with new random weights in the layers named (Adebayo et al. 2018)."""
    return _reset(model, seed, layers)


class _Shuffled:
    """A callable's scores, none left at its class: all that can be randomized from outside."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model, self.seed = model, seed

    def __call__(self, x: np.ndarray) -> np.ndarray:
        scores = np.asarray(self.model(x))
        return np.roll(scores, 1 + self.seed % max(1, scores.shape[1] - 1), axis=1)
