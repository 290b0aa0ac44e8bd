"""What may leave a network of tokens, and taking it out: hidden units, attention heads, units of recurrent layers.

Nothing is assumed of how layers are wired. What leaves is made NaN where it is written: the columns that turn NaN where
another layer reads it are taken out with it. What reaches the answer, a norm, or all that a layer reads is tied to the
rest, and stays. A narrowed network has to answer as the whole one does when nothing looks at what left; else it is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from ..state import untouched
from ..zoo.storage import reshape
from .compressed import HEADS
from .criteria import Criterion, worth

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d)
# Parameters whose columns are what a layer is given.
READ_BY = {"weight", "weight_ih_l0", "weight_ih_l0_reverse"}
HEADED = ("query", "key", "value")  # the layers that write a head
SAME = 1e-4  # of the largest answer: other orders of summation
Places = dict[str, torch.Tensor]  # by the name of a parameter


class Tied(Exception):
    """Units cannot leave alone; says why."""


@dataclass(frozen=True)
class Units:
    """Units beside each other, some of which may leave.

    Attributes
    ----------
    rows, columns
        ``(unit, place)`` of each parameter that writes them, and of each by which their own layer reads them.
    """

    rows: Places
    columns: Places

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))


@dataclass(frozen=True)
class Group:
    """What loses as many units together: one layer, one attention, or every direction of a recurrent layer."""

    writers: tuple[str, ...]
    parts: tuple[Units, ...]

    @property
    def weights(self) -> list[str]:
        """The layers, or recurrent weights, whose rows are the units, under the names that a criterion gives them."""
        names = {name for part in self.parts for name in part.rows if "bias" not in name.rpartition(".")[2]}
        return sorted(name.removesuffix(".weight") for name in names)


def groups(net: nn.Module) -> dict[str, Group]:
    """Return what might leave a network, by name, in the order of its layers."""
    found: dict[str, Group] = {}
    claimed: set[str] = set()
    for name, layer in net.named_modules():
        if heads := _heads(name, layer):
            found[f"{HEADS}{name}"] = heads
            claimed.update(heads.writers)
        elif isinstance(layer, nn.RNNBase) and not layer.proj_size:
            found[name] = Group((name,), tuple(_recurrent(name, layer)))
        elif isinstance(layer, LINEAR) and name not in claimed and getattr(layer, "groups", 1) == 1:
            found[name] = Group((name,), (Units(_rows(name, layer, torch.arange(len(layer.weight))[:, None]), {}),))  # fmt: skip
    return found


def _rows(name: str, layer: nn.Module, places: torch.Tensor) -> Places:
    return {f"{name}.{part}": places for part, value in layer._parameters.items() if value is not None}


def _heads(name: str, layer: Any) -> Group | None:
    """Return the heads of an attention that counts them by the sizes of its layers."""
    size = getattr(layer, "per_head", None)
    if size is None or not all(isinstance(getattr(layer, kind, None), nn.Linear) for kind in HEADED):
        return None
    places = torch.arange(layer.query.out_features).view(-1, size)
    writers = {f"{name}.{kind}": getattr(layer, kind) for kind in HEADED}
    rows = {k: v for writer, part in writers.items() for k, v in _rows(writer, part, places).items()}
    return Group(tuple(writers), (Units(rows, {}),))


def _recurrent(name: str, layer: nn.RNNBase) -> Iterable[Units]:
    """Yield the units of each layer and direction: they are written gate by gate, and read one step later."""
    n, ways = layer.hidden_size, ("", "_reverse")[: 1 + layer.bidirectional]
    for depth in range(layer.num_layers):
        for side, way in enumerate(ways):
            own = [part for part in layer._parameters if part.endswith(f"_l{depth}{way}")]
            gates = len(layer._parameters[f"weight_hh_l{depth}{way}"]) // n  # type: ignore[arg-type]
            rows = torch.arange(gates * n).view(gates, n).T
            above = {f"{name}.weight_ih_l{depth + 1}{w}": torch.arange(n)[:, None] + side * n
                     for w in ways if depth + 1 < layer.num_layers}  # fmt: skip
            yield Units({f"{name}.{part}": rows for part in own},
                        {f"{name}.weight_hh_l{depth}{way}": torch.arange(n)[:, None], **above})  # fmt: skip


def removable(net: nn.Module, share: float, example: torch.Tensor, allowed: Iterable[str]) -> list[str]:
    """Return the names of the groups of which a share can leave.

    Parameters
    ----------
    net
        A network; it is not touched.
    share
        Of the units of each group.
    example
        An input ``(1, ...)`` on which it is tried.
    allowed
        Names of the layers and recurrent weights that may lose some.

    Raises
    ------
    BadInput
        None can: says what each is tied to.
    """
    allowed, found, why = set(allowed), [], []
    for name, group in groups(net).items():
        wanted = kept(len(group.parts[0]), share)
        if allowed.issuperset(group.weights) and wanted < len(group.parts[0]):
            try:
                _without(net, group, wanted, example, "magnitude", None)
                found.append(name)
            except Tied as reason:
                why.append(f"{name} is {reason}")
    if not found:
        what = "; ".join(why) or "it has no layer that is not protected and would lose one"
        raise BadInput(f"No unit of {type(net).__name__} can leave: {what}", "units that only some columns of other layers read",
                       "Use how='weights', or build it with fewer")  # fmt: skip
    return found


def kept(n: int, share: float) -> int:
    """Return how many of ``n`` units are left, at least one."""
    return max(1, round(n * (1 - share)))


def remaining(model: nn.Module, names: Iterable[str], share: float) -> dict[str, int]:
    """Return how many units of named groups are left when a share of the model's has gone."""
    whole = groups(model)
    return {name: kept(len(whole[name].parts[0]), share) for name in names}


def narrowed(net: nn.Module, left: Mapping[str, int], example: torch.Tensor, by: str | Criterion, data: Any) -> nn.Module:  # fmt: skip
    """Return a copy with so many units left of each named group; those of the least worth go.

    Raises
    ------
    BadInput
        The units of a group are tied to others.
    """
    for name, n in left.items():
        try:
            net = _without(net, groups(net)[name], n, example, by, data)
        except Tied as reason:
            raise BadInput(f"{name} is {reason}", "units that only some columns of other layers read",
                           f"protect={name.split()[-1]!r}") from None  # fmt: skip
    return net


def _without(net: nn.Module, group: Group, left: int, example: torch.Tensor, by: str | Criterion,
             data: Any) -> nn.Module:  # fmt: skip
    """Return a copy with so many units of a group left, or say what they are tied to."""
    gone = _least(net, group, len(group.parts[0]) - left, by, data)
    rows = _joined((part.rows, g) for part, g in zip(group.parts, gone, strict=True))
    own = _joined((part.columns, g) for part, g in zip(group.parts, gone, strict=True))
    columns = own | _read(net, group, gone, example)
    silent = copy.deepcopy(net)
    with torch.no_grad():
        for name, places in columns.items():
            silent.get_parameter(name).index_fill_(1, places.to(silent.get_parameter(name).device), 0.0)
    try:
        narrow = _cut(net, rows, columns)
        with untouched(narrow), untouched(silent), torch.no_grad():
            found, expected = narrow(example), silent(example)
    except (RuntimeError, ValueError, LookupError, AssertionError) as problem:
        raise Tied(f"of a size that the network counts on ({' '.join(str(problem).split())[:120]})") from None
    if found.shape != expected.shape or not (found - expected).abs().max() <= SAME * expected.abs().max():
        raise Tied("read in a way that cannot be seen: without it the answers are others")
    return narrow


def _cut(net: nn.Module, rows: Places, columns: Places) -> nn.Module:
    """Return a copy of a network without some rows and columns of its weights."""
    state = net.state_dict()
    for axis, leaving in enumerate((rows, columns)):
        for name, places in leaving.items():
            stays = torch.ones(state[name].shape[axis], dtype=torch.bool)
            stays[places] = False
            state[name] = state[name].index_select(axis, stays.nonzero()[:, 0].to(state[name].device))
    narrow = copy.deepcopy(net)
    reshape(narrow, {name: tuple(value.shape) for name, value in state.items()})
    narrow.load_state_dict(state)
    return narrow


def _least(net: nn.Module, group: Group, n: int, by: str | Criterion, data: Any) -> list[torch.Tensor]:
    """Return which ``n`` units of each part are worth least: by the weights that write them, squared for magnitude."""
    worths, power = worth(net, group.weights, by, data), 2 if by == "magnitude" else 1
    gone = []
    for part in group.parts:
        total = torch.zeros(len(part))
        for name, places in part.rows.items():
            found = worths.get(name.removesuffix(".weight"))
            if found is not None:
                total += found.flatten(1).pow(power).sum(1).cpu()[places].sum(1)
        gone.append(total.argsort(stable=True)[:n].sort().values)
    return gone


def _joined(parts: Iterable[tuple[Places, torch.Tensor]]) -> Places:
    """Return the places of the units that leave, by parameter, over all parts."""
    found: dict[str, list[torch.Tensor]] = {}
    for places, gone in parts:
        for name, each in places.items():
            found.setdefault(name, []).append(each[gone].flatten())
    return {name: torch.cat(each) for name, each in found.items()}


def _read(net: nn.Module, group: Group, gone: list[torch.Tensor], example: torch.Tensor) -> Places:
    """Return the columns by which other layers read the units, found by running the network with them NaN."""
    columns: dict[str, list[torch.Tensor]] = {}

    def reader(name: str) -> Callable:
        def hook(layer: nn.Module, given: tuple[Any, ...]) -> Any:
            first = getattr(given[0], "data", None) if given else None  # packed sequences have data too
            if first is None or not first.is_floating_point() or not first.isnan().any():
                return None
            if not isinstance(layer, (*LINEAR, nn.RNNBase)):
                raise Tied(f"tied to what {name} reads, a {type(layer).__name__}")
            axis = 1 if isinstance(layer, (nn.Conv1d, nn.Conv2d)) else first.ndim - 1
            seen = first.isnan().movedim(axis, -1).flatten(0, -2).any(0)
            if seen.all():
                raise Tied(f"tied to all that {name} reads")
            for weight in READ_BY & layer._parameters.keys():
                columns.setdefault(f"{name}.{weight}", []).append(seen.nonzero()[:, 0])
            clean = first.nan_to_num()
            return (clean if isinstance(given[0], torch.Tensor) else given[0]._replace(data=clean), *given[1:])  # fmt: skip

        return hook

    with untouched(net), torch.no_grad():
        for name, layer in net.named_modules():
            if name in group.writers:
                layer.register_forward_hook(lambda layer, _, out: _spoilt(layer, out, group, gone))
            if layer._parameters:
                layer.register_forward_pre_hook(reader(name))
        answer = net(example)
    if answer.isnan().any():
        raise Tied("read by the answer itself")
    return {name: torch.cat(each).unique() for name, each in columns.items()}


def _spoilt(layer: nn.Module, out: Any, group: Group, gone: list[torch.Tensor]) -> Any:
    """Return what a layer writes, with NaN in place of the units that leave."""
    if not isinstance(layer, nn.RNNBase):
        axis = 1 if isinstance(layer, (nn.Conv1d, nn.Conv2d)) else -1
        places = next(iter(group.parts[0].rows.values()))[gone[0]].flatten()
        return out.index_fill(axis, places.to(out.device), torch.nan)
    states, last = out
    ways = 1 + layer.bidirectional
    top = torch.cat([gone[side - ways] + side * layer.hidden_size for side in range(ways)]).to(
        states.data.device
    )
    spoilt = states.data.index_fill(-1, top, torch.nan)
    states = spoilt if isinstance(states, torch.Tensor) else states._replace(data=spoilt)

    def ended(last: torch.Tensor) -> torch.Tensor:
        return torch.stack([one.index_fill(-1, g.to(one.device), torch.nan) for one, g in zip(last, gone, strict=True)])  # fmt: skip

    return states, tuple(map(ended, last)) if isinstance(last, tuple) else ended(last)
