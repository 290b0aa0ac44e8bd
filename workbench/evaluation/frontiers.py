"""``frontier``: what a grid of compressions costs and keeps, point by point, and which points nothing else beats."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from .. import files, html
from ..compression.compressed import Compressed
from ..compression.pruning import prune
from ..compression.quantization import quantize
from ..data.records import Data
from ..errors import BadInput, WorkbenchError, unknown
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from .comparing import compare
from .comparison import Comparison
from .controls import reference

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

HOWS, QUANTIZED = ("weights", "channels"), (None, "static", "dynamic")
WAYS = {"accuracy": 1, "bytes": -1, "ms batch": -1, "faithfulness": 1, "similarity": 1}  # which way is better


@dataclass(frozen=True, eq=False)
class Frontier:
    """Compressions of one model, a row each.

    Attributes
    ----------
    rows
        What was measured of every point: accuracy, bytes, milliseconds, faithfulness, similarity, index, verdict.
    failed
        Points that could not be made, and why.
    name
        Of the data.
    """

    rows: tuple[dict[str, Any], ...]
    failed: tuple[tuple[str, str], ...]
    name: str

    def table(self) -> pd.DataFrame:
        """Return a row a point; ``not dominated``: no other is as good everywhere and better somewhere.

        What is compared: accuracy, bytes, milliseconds of a batch, faithfulness and similarity; the last digits of
        milliseconds are noise, so that a point may be named for them alone.
        """
        import pandas as pd

        frame = pd.DataFrame(list(self.rows))
        return frame.assign(**{"not dominated": undominated(frame)}) if len(frame) else frame

    def plot(self) -> Figure:
        """Draw bytes against accuracy and against similarity; points that nothing dominates are filled and named."""
        from ..plotting import frontiers

        return frontiers.trade(self.table())

    def __repr__(self) -> str:
        table = self.table()
        best = ", ".join(table.loc[table["not dominated"], "point"]) if len(table) else "none"
        return f"Frontier({self.name}: {len(self.rows)} points, {len(self.failed)} failed; not dominated: {best})"

    def _repr_html_(self) -> str:
        failed = [f"{point}: {why}" for point, why in self.failed]
        return html.join(
            html.table(self.table().round(4), f"Compressions, {self.name}"),
            *([html.listing(failed)] if failed else []),
        )


def undominated(frame: pd.DataFrame) -> np.ndarray:
    """Return which rows no other row dominates, ``(n,)`` booleans; equal rows do not dominate each other.

    Parameters
    ----------
    frame
        With the columns of ``WAYS``; NaN counts as worst.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"accuracy": [0.9, 0.9, 0.8], "bytes": [10, 20, 5], "ms batch": 1.0, "faithfulness": 0.1, "similarity": 1.0})
    >>> undominated(rows).tolist()
    [True, False, True]
    """
    worth = np.stack([way * frame[name].to_numpy(float) for name, way in WAYS.items()], 1)
    worth = np.where(np.isnan(worth), -np.inf, worth)
    as_good = (worth[:, None] >= worth[None]).all(-1)  # row i is as good as row j everywhere
    better = (worth[:, None] > worth[None]).any(-1)
    return np.logical_not((as_good & better).any(0))


def frontier(model: Any, data: Data, *, amounts: Iterable[float] = (0.0, 0.5, 0.8, 0.9), how: str | Iterable[str] = "weights",
             quantized: Any = (None, "static"), epochs: int = 3, n: int = 200, references: int | Sequence[Any] = 3,
             methods: Any = None, out: str | Path | None = None, resume: bool = True, seed: int = 0, verbose: bool = True) -> Frontier:  # fmt: skip
    """Compress a model in every way of a grid, and compare each with the original.

    Parameters
    ----------
    model, data
        A network with a recipe, so that its references can be trained, and its data.
    amounts
        Fractions of the weights to remove; 0 prunes nothing.
    how
        "weights", "channels", or both.
    quantized
        None, "static" or "dynamic", or several: what follows the pruning.
    epochs
        Of fine-tuning after each pruning.
    n, references, methods
        As in :func:`workbench.compare`; references are shared by all points. By default the primary method alone.
    out, resume
        A folder where every point is written whole as soon as it is known, and whether finished ones are taken from it.
    seed
        Of pruning and comparing.
    verbose
        Show progress.

    Returns
    -------
    Frontier
        ``.table()``, ``.plot()``; points that cannot be made are in ``.failed`` with the reason.

    Raises
    ------
    BadInput
        An empty grid, fractions outside [0, 1), no data.
    UnknownName
        No such way to prune or to quantize.
    """
    grid = _grid(amounts, how, quantized, data)
    net = unwrap(model)
    folder = None if out is None else files.folder(out)
    runs: Any = None
    rows, failed = [], []
    for point in tqdm(grid, desc="frontier", unit="point", disable=not verbose, leave=False):
        facts = [fingerprint(net), data.fingerprint, point, epochs, n, seed, methods, references if isinstance(references, int) else
                 [fingerprint(unwrap(m)) for m in references]]  # fmt: skip
        path = None if folder is None else folder / f"{_key(facts)}.json"
        row = _known(path) if resume else None
        if row is None:
            runs = _runs(net, data, references) if runs is None else runs
            try:
                row = _measured(net, data, point, epochs, n, runs, methods, seed)
            except WorkbenchError as problem:
                failed.append((_name(point), str(problem)))
                continue
            if path is not None:
                files.write_json(path, row)
        rows.append(row)
    return Frontier(tuple(rows), tuple(failed), data.name)


Point = tuple[str, float, str | None]


def _grid(amounts: Iterable[float], how: Any, quantized: Any, data: Any) -> list[Any]:
    """Return the points of the grid, once each, and refuse what cannot be one before anything is trained."""
    hows, ways = (
        [given] if given is None or isinstance(given, str) else list(given) for given in (how, quantized)
    )
    shares = [float(amount) for amount in amounts]
    if not isinstance(data, Data):
        raise BadInput(
            f"data is a {type(data).__name__}",
            "Data that the model was trained on",
            "Use wb.load or wb.from_arrays",
        )
    if bad := [amount for amount in shares if not 0 <= amount < 1]:
        raise BadInput(
            f"amounts holds {bad[0]}", "fractions of the weights in [0, 1)", "0.9 removes nine in ten"
        )
    for name, known in (*((h, HOWS) for h in hows), *((q, QUANTIZED) for q in ways)):
        if name not in known:
            raise unknown("way", str(name), [str(k) for k in known])
    points = [(h if amount else hows[0], amount, q) for h, amount, q in itertools.product(hows, shares, ways)]
    grid = [point for point in dict.fromkeys(points) if point[1] or point[2]]
    if not grid:
        raise BadInput(
            "The grid is empty", "an amount above 0, or a way to quantize", "amounts=(0.5, 0.9) are a start"
        )
    return grid


def _runs(net: Any, data: Data, references: Any) -> list[Any]:
    """Return the references, trained once for all points."""
    if not isinstance(references, int):
        return [unwrap(m) for m in references]
    recipe, spec = getattr(net, "recipe", None), getattr(net, "spec", None)
    if not (recipe and spec) or recipe.get("data_fingerprint") != data.fingerprint:
        return []
    return [reference(spec, recipe, data, i, verbose=False) for i in range(references)]


def _measured(
    net: Any, data: Data, point: Point, epochs: int, n: int, runs: list[Any], methods: Any, seed: int
) -> dict[str, Any]:
    small = _made(net, data, point, epochs, seed)
    c = compare(
        net,
        small,
        data,
        methods=methods or data.wording.primary,
        references=runs,
        n=n,
        seed=seed,
        verbose=False,
    )
    after, index = small.report["after"], c.index(c.facts["primary"])
    return {"point": _name(point), "how": point[0] if point[1] else "", "amount": point[1], "quantized": point[2] or "",
            "accuracy": float(c.right["compressed"].mean()), "bytes": after["bytes"], "ms single": after["ms_single"],
            "ms batch": after["ms_batch"], "faithfulness": _gain(c), "similarity": c.primary.value, "low": c.primary.low, "high": c.primary.high,
            "margin": c.primary.margin, "index": index.value, "verdict": c.verdict.word}  # fmt: skip


def _made(net: Any, data: Data, point: Point, epochs: int, seed: int) -> Compressed:
    how, amount, quantized = point
    small: Any = (
        prune(net, amount, how=how, data=data, epochs=epochs, seed=seed, verbose=False) if amount else net
    )
    return quantize(small, how=quantized, data=data) if quantized else small


def _gain(c: Comparison) -> float:
    """Return by how much hiding features in the order of the compressed model's maps beats the best floor, by deletion."""
    values, floor = c.merit["compressed"]["deletion"]
    return float(np.mean(np.asarray(floor) - np.asarray(values)))


def _name(point: Point) -> str:
    how, amount, quantized = point
    parts = [f"{amount:.0%} of {how}" if amount else "", f"int8 {quantized}" if quantized else ""]
    return ", ".join(part for part in parts if part)


def _key(facts: Any) -> str:
    return files.sha256(json.dumps(files.plain(facts), sort_keys=True, default=str).encode())[:16]


def _known(path: Path | None) -> dict[str, Any] | None:
    """Return a finished point; None where there is none, or a damaged one."""
    if path is None or not path.exists():
        return None
    try:
        row = files.read_json(path)
    except WorkbenchError:
        return None
    return (
        {k: np.nan if v is None else v for k, v in row.items()}
        if isinstance(row, dict) and {"point", *WAYS} <= set(row)
        else None
    )
