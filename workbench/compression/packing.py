"""``pack`` and ``unpack``: the smallest honest file of a model, and the model again, with equal outputs."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from .. import files, html
from ..errors import BadFile, BadInput
from ..int8.conversion import is_int8
from ..zoo.holder import Holder, unwrap
from ..zoo.storage import packed as saved
from ..zoo.storage import put_together, taken_apart
from . import entropy

if TYPE_CHECKING:
    import pandas as pd

MAGIC = b"workbench packed model 1\n"


@dataclass(frozen=True, eq=False)
class Packed(Holder):
    """A model in a small file; taken wherever a model is.

    Attributes
    ----------
    model
        What :func:`unpack` gives: the packed model, with the shared weights where there are any.
    path
        Of the file.
    report
        ``bytes`` of the file, ``bound`` (bytes that the entropy of positions and values allows), ``saved`` (bytes that
        ``wb.save`` takes), ``dense`` (bytes of the same number of weights in float32), ``layers`` (a row an array).
    """

    model: Any
    path: Path
    report: dict[str, Any]

    def _beside(self) -> dict[str, Any]:
        return self.report

    def table(self) -> pd.DataFrame:
        """Return a row an array: how many numbers, how many not zero, how many distinct, bits a number, and the bound."""
        import pandas as pd

        return pd.DataFrame(self.report["layers"]).set_index("layer")

    def __repr__(self) -> str:
        r = self.report
        return f"Packed({r['bytes']:,} bytes, {r['dense'] / r['bytes']:.1f}x smaller than float32; entropy {r['bound']:,.0f} bytes)"  # fmt: skip

    def _repr_html_(self) -> str:
        return html.record(
            "Packed", {"file": self.path.name, "size": repr(self)}, html.table(self.table().round(2))
        )


def pack(model: Any, path: str | Path, *, shared: int | Mapping[str, int] | None = None) -> Packed:
    """Write a model as the smallest honest file: positions, few values, entropy coded (Han, Mao and Dally 2016).

    Zeros cost where they stand, and no more; so pruned weights and int8 weights make a small file. float32 weights that
    are all different hardly pack: ``shared`` gives a layer few values. **It misleads** to call a file's size the
    model's speed or memory: unpacked it is as large and as fast as before.

    Parameters
    ----------
    model
        A network, pruned, narrowed, int8 or none of these; it is not touched.
    path
        Of the file.
    shared
        How many values the weights of each layer share (k-means, from values spread evenly: Han et al. 2016), or a dict
        with the number for some layers. The packed model is then **another one**: measure ``packed.model``. None keeps
        every bit.

    Returns
    -------
    Packed
        ``.model`` as it comes back, ``.report``, ``.table()``.

    Raises
    ------
    BadInput
        No network; shared values of an int8 network, which has 256 already; fewer than two.
    BadFile
        The path cannot be written.
    """
    net = unwrap(model)
    if not isinstance(net, nn.Module):
        raise BadInput(
            f"A {type(net).__name__} was given", "a network", "Estimators are quick to train again"
        )
    dense = sum(w.size for w in taken_apart(net)[0].values()) * 4
    if shared is not None:
        net = _shared(net, shared)
    tensors, header = taken_apart(net)
    folded = {name: entropy.fold(array) for name, array in tensors.items()}
    head = {"model": files.plain(header), "arrays": {name: facts for name, (facts, _) in folded.items()}}
    body = b"".join(content for _, content in folded.values())
    content = entropy.framed(MAGIC, json.dumps(head, allow_nan=False).encode(), body)
    place = files.write_bytes(path, content)
    report = {"bytes": len(content), "saved": len(saved(net)), "dense": dense, "layers": [_row(n, tensors[n], folded[n][1]) for n in tensors],
              "bound": sum(entropy.bound(array) for array in tensors.values())}  # fmt: skip
    # An int8 network of somebody's own comes back with its float skeleton, which is not at hand; every bit of it was kept.
    foreign = is_int8(net) and not getattr(net, "spec", None)
    return Packed(net if foreign else unpack(place, net), place, report)


def _row(name: str, array: np.ndarray, content: bytes) -> dict[str, Any]:
    return {"layer": name, "numbers": array.size, "not zero": int(np.count_nonzero(array)), "distinct": len(np.unique(array)),
            "bytes": len(content), "bits a number": 8 * len(content) / max(1, array.size), "bound [bytes]": entropy.bound(array)}  # fmt: skip


def unpack(path: str | Path, model: Any = None) -> nn.Module:
    """Return the model that :func:`pack` wrote, with equal outputs; nothing in the file is executed.

    Parameters
    ----------
    path
        Of the file.
    model
        A network of the same kind, whose weights do not matter and which is not touched; channels that were removed
        need not be missing. None for a model that ``wb.build`` made.

    Returns
    -------
    nn.Module
        A new one, in evaluation mode.

    Raises
    ------
    BadFile
        Truncated, altered or foreign; or its weights do not fit the model.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as problem:
        raise BadFile(
            f"{path} cannot be read ({problem.strerror})", "a file of wb.pack", "Check the path"
        ) from problem
    head, body = entropy.opened(MAGIC, content)
    skeleton = unwrap(model)
    if skeleton is not None and is_int8(skeleton):
        skeleton = None  # An int8 network is made from the float one that its spec names.
    try:
        facts = json.loads(head)
        tensors, at = {}, 0
        for name, array in facts["arrays"].items():
            size = sum(array["streams"])
            tensors[name], at = entropy.unfold(array, body[at : at + size]), at + size
        header = facts["model"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BadFile(f"{path} has a header that cannot be read ({problem})", "a file of wb.pack", "Pack the model again") from problem  # fmt: skip
    return put_together(path, tensors, header, None if skeleton is None else lambda: copy.deepcopy(skeleton))


def _shared(net: nn.Module, shared: int | Mapping[str, int]) -> nn.Module:
    """Return a copy in which the weights of each layer have few values; zeros stay."""
    if is_int8(net):
        raise BadInput(
            "shared was given for an int8 network",
            "a float network",
            "Leave it out: int8 weights have 256 values",
        )
    own = {name: w for name, w in net.named_parameters() if w.ndim > 1}
    counts = dict.fromkeys(own, shared) if not isinstance(shared, Mapping) else {
        name: shared[name.removesuffix(".weight")] for name in own if name.removesuffix(".weight") in shared}  # fmt: skip
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 2:
            raise BadInput(
                f"{name} is to share {count!r} values", "a whole number, at least 2", "Han et al. take 32"
            )
    if isinstance(shared, Mapping) and len(counts) < len(shared):
        stray = sorted(set(shared) - {name.removesuffix(".weight") for name in own})
        raise BadInput(f"shared names {stray[0]!r}", f"layers with weights among {[n.removesuffix('.weight') for n in own]}", "Correct the name")  # fmt: skip
    copied = copy.deepcopy(net)
    for name, count in counts.items():
        weight = copied.get_parameter(name)
        weight.data = torch.as_tensor(_clustered(weight.detach().numpy(force=True), int(count))).to(
            weight.device
        )
    return copied


def _clustered(weights: np.ndarray, count: int) -> np.ndarray:
    """Return weights moved to the nearest of few centres (Lloyd's algorithm, centres evenly spread at first)."""
    from sklearn.cluster import KMeans

    left = weights[weights != 0]
    if len(np.unique(left)) <= count:
        return weights
    start = np.linspace(left.min(), left.max(), count)[:, None]
    fitted = KMeans(count, init=start, n_init=1, max_iter=50).fit(left[:, None])
    found = weights.copy()
    found[weights != 0] = fitted.cluster_centers_.astype(weights.dtype)[fitted.labels_, 0]
    return found
