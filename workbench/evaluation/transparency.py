"""Can a model be read as it is? Its class, its size, and the three levels of Lipton 2018."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ..explanation.estimators import last_step
from ..int8.conversion import is_int8
from ..zoo.holder import unwrap

LARGEST = 8  # leaves or coefficients that a person can go through by hand


def transparency(model: Any) -> dict[str, str]:
    """Say in words what a model is made of, and whether it is simulatable, decomposable and transparent as an algorithm.

    Lipton 2018. *Simulatable*: a person can run it by hand, which is taken to be so for at most eight leaves or
    coefficients. *Decomposable*: each part has a meaning of its own (a coefficient of a column, a question).
    *Transparent as an algorithm*: how it was fitted is understood, such as a convex problem with one solution. It
    **misleads** where columns mean nothing to the reader: a short rule about them is no explanation.

    Parameters
    ----------
    model
        Anything that is explained here.
    """
    lent = unwrap(model)
    if isinstance(lent, nn.Module):
        return _of_a_network(lent)
    glass = last_step(lent)
    if hasattr(glass, "tree_"):
        return _of_a_tree(glass)
    if hasattr(glass, "coef_"):
        return _of_a_line(glass)
    what = type(glass).__name__ if hasattr(glass, "predict") else "a callable"
    return _levels(f"{what}: what is inside cannot be seen from here", "black box", "no", "no", "not known")


def _of_a_network(net: nn.Module) -> dict[str, str]:
    layers = sum(
        1 for m in net.modules() if not any(m.children()) and any(True for _ in m.parameters(recurse=False))
    )
    size = sum(p.numel() for p in net.parameters())
    what = "network with int8 layers" if is_int8(net) else f"network: {size:,} parameters in {layers} layers"
    return _levels(
        what,
        "black box",
        "no",
        "no: units have no meaning of their own",
        "no: another seed gives another net",
    )


def _of_a_tree(tree: Any) -> dict[str, str]:
    leaves, depth = int(tree.get_n_leaves()), int(tree.get_depth())
    simulated = "yes" if leaves <= LARGEST else f"no: {leaves} leaves, at most {LARGEST}"
    return _levels(f"decision tree: {leaves} leaves, {depth} deep", "glass box", simulated, "yes: each question is about one feature",
                   "partly: greedy, and unstable among correlated columns")  # fmt: skip


def _of_a_line(line: Any) -> dict[str, str]:
    coefficients = np.asarray(line.coef_)
    count = int(np.count_nonzero(coefficients))
    simulated = "yes" if count <= LARGEST else f"no: {count:,} coefficients, at most {LARGEST}"
    return _levels(f"linear: {count:,} coefficients that are not zero", "glass box", simulated, "yes: a coefficient a feature",
                   "yes: a convex problem with one solution")  # fmt: skip


def _levels(what: str, box: str, simulatable: str, decomposable: str, algorithm: str) -> dict[str, str]:
    return {
        "made of": what,
        "box": box,
        "simulatable": simulatable,
        "decomposable": decomposable,
        "transparent as an algorithm": algorithm,
    }
