"""``distill``: a student, of any shape, learns to answer as its teacher; and the fine-tuning that every step shares."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.conversion import is_int8
from ..training import fit
from ..zoo.holder import unwrap
from ..zoo.strides import tensor_for
from .compressed import Compressed
from .measurement import compared
from .preservation import TEMPERATURE, UNKNOWN_LAYER, WEIGHT, checked, checked_keep, terms, trained_on


def distill(
    teacher: Any,
    student: Any,
    data: Data,
    *,
    temperature: float = TEMPERATURE,
    weight: float = WEIGHT,
    hints: Mapping[str, str] | None = None,
    preserve: Any = "behaviour",
    keep: Any = None,
    epochs: int = 20,
    lr: float = 1e-3,
    batch_size: int | None = None,
    augment: bool | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> Compressed:
    """Train a student to answer as its teacher does (Hinton, Vinyals and Dean 2015); both given models stay untouched.

    The teacher sees the same augmented batch, and its softened answers say more than a label. What a student of this
    size learns **from the labels alone** is the honest rival: train it with ``wb.fit`` and compare.

    Parameters
    ----------
    teacher
        A network, also an int8 one; its recipe gives batch size and augmentation where these are None.
    student
        A float network with a logit a class, trained or not: ``wb.build("lenet5", data, channels=(6, 15))``.
    data
        Whose training rows are learnt from.
    temperature, weight
        Of the softened answers, and of their divergence; ``1 - weight`` is on the labels.
    hints
        ``{layer of the student: layer of the teacher}``: rows shall be alike in the one as in the other (Romero et al.
        2015; of any widths, Tung and Mori 2019).
    preserve
        As in :func:`prune`; None learns the labels alone.
    keep
        A ``Feedback`` whose marks are held meanwhile.
    epochs, lr, batch_size, augment, seed, verbose
        As in :func:`workbench.fit`.

    Returns
    -------
    Compressed
        ``model, report``; ``original`` is the teacher.

    Raises
    ------
    BadInput
        No networks, or an int8 student.
    UnknownName
        A layer that the student or the teacher does not have.
    KeyboardInterrupt
        Stopped by hand: nothing half-trained is passed off as a result.
    """
    original, pupil = unwrap(teacher), unwrap(student)
    _check_networks(original, pupil, hints)
    recipe = getattr(original, "recipe", None) or {}
    wanted = checked(preserve, original)
    if wanted is not None:
        wanted = {"behaviour": None} if wanted == "behaviour" else dict(wanted)
        if "behaviour" in wanted:
            wanted["behaviour"] = {"temperature": temperature, "weight": weight} | (wanted["behaviour"] or {})
    if hints:
        wanted = checked({**(wanted or {}), "hints": dict(hints)}, original)
    step = {"what": "distill", "how": type(pupil).__name__, "preserve": wanted, "trained_on": trained_on(wanted), "keep": checked_keep(keep),
            "epochs": [epochs], "lr": lr, "batch_size": batch_size or recipe.get("batch_size", 64),
            "augment": recipe.get("augment", False) if augment is None else augment, "seed": seed}  # fmt: skip
    net = fine_tuned(copy.deepcopy(pupil), original, data, step, 0, verbose=verbose, keep=keep)
    net.spec, net.recipe = getattr(pupil, "spec", None), None  # type: ignore[assignment]
    report = compared(original, net, data, tensor_for(original, data.test.x[:1]))
    return Compressed(net, report, original, (step,), keep)


def _check_networks(teacher: Any, student: Any, hints: Any) -> None:
    for who, model in (("teacher", teacher), ("student", student)):
        if not isinstance(model, nn.Module):
            raise BadInput(f"The {who} is a {type(model).__name__}", "a network", "Build one with wb.build")
    if is_int8(student):
        raise BadInput("The student is an int8 network, which cannot be trained", "a float network",
                       "Distil first, and quantize what comes out")  # fmt: skip
    known = [layer for layer, _ in student.named_modules() if layer]
    for layer in hints or ():
        if layer not in known:
            raise unknown(UNKNOWN_LAYER, str(layer), known)


def fine_tuned(model: nn.Module, original: nn.Module, data: Data | None, step: dict[str, Any], round: int,
               after_step: Any = None, verbose: bool = True, keep: Any = None) -> nn.Module:  # fmt: skip
    """Train one round of a step, pruned or sham: the same loss, schedule, seed and data for both."""
    epochs = step["epochs"][round]
    if data is None or not epochs:
        return model
    options = {name: step[name] for name in ("lr", "batch_size", "augment")}
    return fit(model, data, epochs=epochs, seed=step["seed"] + round, terms=terms(original, step["preserve"], data, keep),
               after_step=after_step, verbose=verbose, **options).whole()  # fmt: skip
