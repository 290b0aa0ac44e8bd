"""What stands in the data, before any model: copies, quarrels about labels, gaps, classes, lengths.

Every function takes a ``Data``, computes, and returns a table or counts; :mod:`workbench.reporting.cards` puts
them into words. What one feature alone tells of the class stands in :mod:`workbench.data.telling`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from .columns import MISSING, Column
from .records import Data, Split
from .telling import table
from .tokenizer import UNK

WINDOW = 3  # words in a row that two near-copies have in common
COMMON = 500  # a window that stands in more training texts is a phrase, not a trace of a copy
BLOCK = 500  # held-out texts that are laid beside all training texts at once: boilerplate gives many pairs
SNIPPET = 90  # letters of a text that are shown


def balance(data: Data) -> pd.DataFrame:
    """Return the rows of each class in every split, and their shares of it, a row a class."""
    counts = {name: np.bincount(split.y, minlength=data.n_classes) for name, split in data.splits.items()}
    shares = {f"{name} share": rows / max(1, rows.sum()) for name, rows in counts.items()}
    return pd.DataFrame({"class": data.class_names, **counts, **shares})


def duplicates(data: Data) -> dict[str, int]:
    """Count inputs that occur again: in another split, in the same one, and under another label.

    Inputs are equal bit for bit; texts are equal when letters are made small and spaces are put together.
    An input counts once, however often it occurs; "test rows seen in training" counts rows.
    """
    rows = _rows(data)
    kinds = rows.groupby("input")[["split", "label"]].nunique()
    again = rows.loc[rows.duplicated(["input", "split"]), "input"]
    trained = rows.loc[rows["split"] == "train", "input"].unique()
    seen = rows.loc[rows["split"] == "test", "input"].isin(trained)
    return {
        "in two splits": int((kinds["split"] > 1).sum()),
        "with two labels": int((kinds["label"] > 1).sum()),
        "within a split": int(again.nunique()),
        "test rows seen in training": int(seen.sum()),
    }


def conflicts(data: Data, most: int = 20) -> pd.DataFrame:
    """Return inputs that have more than one label, a row an input: what it is, its labels, its splits.

    Parameters
    ----------
    data
        Any data.
    most
        Rows that are returned at most, those with the most rows first.
    """
    rows = _rows(data)
    per = rows.groupby("input")["label"].agg(["nunique", "size"])
    chosen = per[per["nunique"] > 1].sort_values("size", ascending=False, kind="stable").index[:most]
    groups = (rows[rows["input"] == number] for number in chosen)
    found = [
        {"input": _shown(data, group.iloc[0]), "rows": len(group), "labels": _counted(group["label"].map(_named(data))),
         "splits": _counted(group["split"])}
        for group in groups
    ]  # fmt: skip
    return pd.DataFrame(found, columns=["input", "rows", "labels", "splits"])


def near(data: Data, alike: float = 0.7) -> pd.DataFrame:
    """Return validation and test texts that are nearly a training text, each with its nearest one.

    Alike is the share of windows of three words that both have among those that either has (Broder 1997),
    as the tokenizer reads them. Exact copies are among them.

    Parameters
    ----------
    data
        Texts.
    alike
        The share from which two texts count as near-copies.

    Returns
    -------
    pd.DataFrame
        ``split row training alike same_class``, the most alike first; row numbers are ``row_ids``.
    """
    found = [pairs for name in ("valid", "test") if len(pairs := _nearest(data, name))]
    columns = ["split", "row", "training", "alike", "same class"]
    table = pd.concat(found) if found else pd.DataFrame(columns=columns)
    return (
        table[table["alike"] >= alike]
        .sort_values("alike", ascending=False, kind="stable")
        .reset_index(drop=True)
    )


def missing(data: Data) -> pd.DataFrame:
    """Return the share of missing values in each split, a row a column of a table; empty for anything else."""
    if data.kind != "table":
        return pd.DataFrame(columns=["column", *data.splits])
    shares = {name: _gone(table(data, split)).mean() for name, split in data.splits.items()}
    return pd.DataFrame(shares).rename_axis("column").reset_index()


def constant(data: Data) -> tuple[str, ...]:
    """Return the columns or pixels that never vary in training; nothing for texts."""
    if data.kind == "text":
        return ()
    flat = data.train.x.reshape(len(data.train), -1)
    fixed = flat.min(0) == flat.max(0)
    return tuple(name for name, at in zip(*_named_entries(data), strict=True) if fixed[at].all())


def columns(data: Data) -> pd.DataFrame:
    """Return what each column of a table holds in training: type, values or range, share that is missing."""
    rows, frame = [], table(data, data.train)
    described = {c.name: c for c in getattr(data.codec, "columns", ())}
    for name in frame.columns:
        column = described.get(name, Column(str(name)))
        rows.append({"column": str(name), "type": column.what, "values": _range(frame[name], column),
                     "missing": float(_gone(frame[[name]]).to_numpy().mean())})  # fmt: skip
    return pd.DataFrame(rows, columns=["column", "type", "values", "missing"])


def clusters(data: Data) -> dict[str, int]:
    """Count groups of rows that belong together: how many there are, who shares one, and which are torn apart."""
    rows = pd.concat(
        [pd.DataFrame({"split": name, "cluster": split.clusters}) for name, split in data.splits.items()]
    )
    sizes = rows.groupby("cluster").size()
    return {
        "rows": len(rows),
        "clusters": len(sizes),
        "rows that share one": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()),
        "in two splits": int((rows.groupby("cluster")["split"].nunique() > 1).sum()),
    }


def lengths(data: Data) -> pd.DataFrame:
    """Return how long texts are and how much of them is known, a row a split.

    ``median`` and ``longest`` count tokens before a row is cut off; ``cut off`` and ``empty`` are shares of
    texts, ``unknown`` is the share of tokens that are not in the vocabulary.
    """
    rows = [{"split": name, **_lengths(data, split)} for name, split in data.splits.items()]
    return pd.DataFrame(rows)


def _rows(data: Data) -> pd.DataFrame:
    """Return a row a row of the data, with a number that equal inputs share."""
    parts = [
        pd.DataFrame({"split": name, "place": np.arange(len(split)), "label": split.y})
        for name, split in data.splits.items()
    ]
    keys = np.array([key for split in data.splits.values() for key in _keys(split)] + [None], dtype=object)
    return pd.concat(parts, ignore_index=True).assign(input=pd.factorize(keys[:-1])[0])


def _keys(split: Split) -> list[bytes]:
    """Return a digest of each input: the inputs themselves may be large."""
    if split.texts is not None:
        texts = (" ".join(text.lower().split()) for text in split.texts)
        return [hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in texts]
    return [hashlib.sha256((row + 0).tobytes()).digest() for row in split.x]  # -0 is 0


def _shown(data: Data, row: Any) -> str:
    split = data.splits[row["split"]][[row["place"]]]
    if data.kind == "image":
        return f"{row['split']} row {row['place']}"
    if data.kind == "text":
        return _shortened(str(split.raw[0]))
    return _shortened(", ".join(f"{name} = {value}" for name, value in _cells(data, split)))


def _cells(data: Data, split: Split) -> list[tuple[str, str]]:
    words = data.codec.words(split.x)[0] if data.codec is not None else [f"{v:.4g}" for v in split.x[0]]
    return list(zip(table(data, split).columns, words, strict=True))


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SNIPPET else text[: SNIPPET - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _counted(values: pd.Series) -> str:
    return ", ".join(f"{name} ({n})" for name, n in values.value_counts(sort=False).items())


def _named(data: Data) -> dict[int, str]:
    return dict(enumerate(data.class_names))


def _gone(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.isna() | (frame == MISSING)


def _named_entries(data: Data) -> tuple[list[str], list[Any]]:
    """Return the name of every feature and the entries of a flat row that stand for it."""
    if data.kind == "image":
        names = [f"pixel {', '.join(map(str, place))}" for place in np.ndindex(data.input_shape)]
        return names, [[i] for i in range(len(names))]
    members = data.columns or {name: [i] for i, name in enumerate(table(data, data.train[:0]).columns)}
    return list(members), list(members.values())


def _range(values: pd.Series, column: Column) -> str:
    if column.categories:
        shown = ", ".join(column.categories[:5])
        return shown + (f", and {len(column.categories) - 5} more" if len(column.categories) > 5 else "")
    low, high, middle = (_number(v) for v in (values.min(), values.max(), values.median()))
    return f"{low} to {high}, median {middle}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _lengths(data: Data, split: Split) -> dict[str, float]:
    tokenizer: Any = data.tokenizer
    real = ~np.isin(split.x, tokenizer.kept)
    kept = real.sum(1)
    whole = kept if split.texts is None else np.array([len(tokenizer.split(text)) for text in split.texts])
    return {
        "texts": len(split),
        "median": float(np.median(whole)),
        "longest": int(whole.max(initial=0)),
        "cut off": float(np.mean(whole > kept)),
        "unknown": float((split.x == UNK).sum() / max(1, real.sum())),
        "empty": float(np.mean(kept == 0)),
    }


def _nearest(data: Data, name: str) -> pd.DataFrame:
    """Return every text of a split with the training text that is most like it."""
    from scipy import sparse

    held, train = data.splits[name], data.train
    found = [_windows(data, split.x) for split in (held, train)]
    kinds, at = np.unique(np.concatenate([codes for _, codes in found]), return_inverse=True)
    ends = [0, len(found[0][1]), len(at)]
    mine, theirs = (
        sparse.csr_array((np.ones(len(rows)), (rows, at[ends[k] : ends[k + 1]])), (n, len(kinds)))
        for k, (rows, n) in enumerate(((found[0][0], len(held)), (found[1][0], len(train))))
    )
    mine.data[:] = theirs.data[:] = 1  # a window that a text repeats counts once
    rare = (theirs.sum(0) <= COMMON).astype(float)
    left, sizes, starts = mine.multiply(rare).tocsr(), mine.sum(1), range(0, max(1, len(held)), BLOCK)
    blocks = [_best(left[at : at + BLOCK], sizes[at : at + BLOCK], theirs, at) for at in starts]
    i, j, alike = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return pd.DataFrame({"split": name, "row": held.row_ids[i], "training": train.row_ids[j],
                         "alike": alike, "same class": held.y[i] == train.y[j]})  # fmt: skip


def _best(mine: Any, sizes: np.ndarray, theirs: Any, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the texts of a block that share a window with training, the most alike training text, and how alike."""
    both = (mine @ theirs.T).tocoo()
    i, j = both.coords
    alike = both.data / (sizes[i] + theirs.sum(1)[j] - both.data)
    order = np.lexsort((-alike, i))
    own, first = np.unique(i[order], return_index=True)
    return own + start, j[order[first]], alike[order[first]]


def _windows(data: Data, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and a number for every window of words."""
    tokenizer: Any = data.tokenizer
    parts = [x[:, k : x.shape[1] - WINDOW + 1 + k] for k in range(WINDOW)]
    real = ~np.logical_or.reduce([np.isin(part, tokenizer.kept) for part in parts])
    code = np.zeros(parts[0].shape, dtype=np.int64)
    for part in parts:
        code = code * tokenizer.size + part
    return np.nonzero(real)[0], code[real]
