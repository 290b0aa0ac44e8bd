"""How much one feature alone tells of the class: a column, a pixel, a word; a leak stands out here.

The rule is learned in training rows: a feature's values are put into bins, and each bin answers its commonest
class. It is judged on validation and test rows. What is right nearly always alone is seldom knowledge.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .records import Data, Split

BINS = 8  # of a column of numbers with more different values than twice as many
SHADES = 8  # of a pixel
LARGEST = 64  # pixels a side; larger images are averaged in blocks first
SURE = 0.95  # balanced accuracy of one feature from which it looks like a leak
TRAINED = "training balanced accuracy"
TELLING = 0.5  # skill in training rows from which it is said that held-out rows do not bear it out
OFTEN = 10  # rows with a word, before it is called telling


def alone(data: Data) -> pd.DataFrame:
    """Return how often each feature alone is right in validation and test rows.

    Parameters
    ----------
    data
        Any data: a feature is an original column, a pixel of a channel, or whether a word stands in a text.

    Returns
    -------
    pd.DataFrame
        A row a feature, the best in training first, so that the first row's held-out numbers were not picked:
        ``feature``; ``accuracy``, a share of held-out rows; ``balanced accuracy``, the mean over classes of the rule that
        weighs all classes alike (one over the number of classes is chance), and ``training balanced accuracy``;
        ``suspect``, whether it knows the class nearly always or far better than the other features; ``fails``, whether what
        it tells in training is half lost in held-out rows: a shortcut, or a number that names rows.
    """
    names, found = {"image": _pixels, "table": _columns, "text": _words}[data.kind](data)
    frame = pd.DataFrame(
        {"feature": names, **dict(zip(("accuracy", "balanced accuracy", TRAINED), found.T, strict=True))}
    )
    held, trained = (skill(frame[name].to_numpy(), data.n_classes) for name in ("balanced accuracy", TRAINED))
    frame["suspect"] = suspects(frame["balanced accuracy"].to_numpy(), data.n_classes)
    frame["fails"] = (trained >= TELLING) & (held < trained / 2)
    return frame.sort_values(TRAINED, ascending=False, kind="stable", ignore_index=True)


def skill(balanced: np.ndarray, n_classes: int) -> np.ndarray:
    """Return balanced accuracy between chance, 0, and perfect, 1."""
    return (balanced - 1 / n_classes) / (1 - 1 / n_classes)


def suspects(balanced: np.ndarray, n_classes: int) -> np.ndarray:
    """Return which features know the class nearly always, or twice as well as all but a few of the others.

    Parameters
    ----------
    balanced
        Balanced accuracy of each feature alone, ``(feature,)``.
    n_classes
        How many classes there are.
    """
    known = skill(balanced, n_classes)
    few = max(1, len(known) // 20)
    usual = np.sort(known)[:-few].max(initial=0.0) if len(known) > 1 else 1.0
    return (balanced >= SURE) | ((known >= 0.6) & (known > 2 * usual))


def words(data: Data, k: int = 10) -> pd.DataFrame:
    """Return the words that speak most for each class, by the log-odds of standing in its training texts.

    Ordered by how many standard errors the log-odds are from zero (Monroe et al. 2008), so rare words do not win.

    Parameters
    ----------
    data
        Texts.
    k
        Words a class.

    Returns
    -------
    pd.DataFrame
        ``class word log_odds errors rows``, the clearest first within each class.
    """
    present, sizes = _presence(data, "train")
    here, there = present + 0.5, present.sum(1, keepdims=True) - present + 0.5
    absent_here, absent_there = sizes + 1 - here, sizes.sum() - sizes + 1 - there
    odds = np.log(here / absent_here) - np.log(there / absent_there)
    errors = odds / np.sqrt(1 / here + 1 / there + 1 / absent_here + 1 / absent_there)
    errors[present.sum(1) < min(OFTEN, sizes.sum() / 20)] = -np.inf
    vocabulary = np.array(data.tokenizer.vocabulary, dtype=object)
    rows = [
        {"class": name, "word": vocabulary[at], "log_odds": odds[at, c], "errors": errors[at, c],
         "rows": int(present[at].sum())}
        for c, name in enumerate(data.class_names)
        for at in np.argsort(-errors[:, c], kind="stable")[:k]
        if errors[at, c] > 0
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["class", "word", "log_odds", "errors", "rows"])


def majority(data: Data) -> float:
    """Return how often "always the commonest class of training" is right in validation and test rows."""
    commonest = np.bincount(data.train.y, minlength=data.n_classes).argmax()
    return float(np.mean(np.concatenate([data.valid.y, data.test.y]) == commonest))


def table(data: Data, split: Split) -> pd.DataFrame:
    """Return the original columns of a split of a table."""
    if data.codec is not None:
        return data.codec.decoded(split.x)
    names = data.feature_names or [f"column {i}" for i in range(split.x.shape[1])]
    return pd.DataFrame(split.x, columns=list(names))


def picture(data: Data) -> np.ndarray:
    """Return how often each pixel alone is right in held-out rows, ``(row, column)``, its best channel's."""
    (channels, *size), found = _blocks(data, "train").shape[1:], _pixels(data)[1]
    return found[:, 0].reshape(channels, *size).max(0)


def _pixels(data: Data) -> tuple[list[str], np.ndarray]:
    train, held = (_blocks(data, name) for name in ("train", "held out"))
    names = [f"pixel {', '.join(map(str, place))}" for place in np.ndindex(train.shape[1:])]
    # A pixel's values lie side by side in memory, or every look at one runs through all images.
    shades = [
        np.minimum(x.reshape(len(x), -1).T * SHADES, SHADES - 1).astype(np.int64, order="C")
        for x in (train, held)
    ]
    return names, np.array([_told(a, b, data) for a, b in zip(*shades, strict=True)])


def _blocks(data: Data, name: str) -> np.ndarray:
    """Return images of at most 64 x 64 pixels: larger ones as the means of blocks."""
    x = data.train.x if name == "train" else np.concatenate([data.valid.x, data.test.x])
    steps = [-(-side // LARGEST) for side in x.shape[2:]]
    if max(steps) == 1:
        return x
    n, channels, height, width = x.shape
    rows, columns = height // steps[0], width // steps[1]
    cut = x[:, :, : rows * steps[0], : columns * steps[1]]
    return cut.reshape(n, channels, rows, steps[0], columns, steps[1]).mean((3, 5))


def _columns(data: Data) -> tuple[list[str], np.ndarray]:
    train = table(data, data.train)
    held = pd.concat([table(data, data.valid), table(data, data.test)], ignore_index=True)
    found = [_told(*_binned(train[name], held[name]), data) for name in train.columns]
    return [str(name) for name in train.columns], np.array(found).reshape(-1, 3)


def _binned(train: pd.Series, held: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin of each value: categories and a few numbers as they are, many numbers in equal shares."""
    if not pd.api.types.is_numeric_dtype(train):
        places = {value: place for place, value in enumerate(train.unique())}
        return train.map(places).to_numpy(dtype=np.int64), held.map(places).fillna(len(places)).to_numpy(
            dtype=np.int64
        )
    seen = train.dropna().to_numpy(dtype=float)
    edges = np.unique(seen)
    if len(edges) > 2 * BINS:
        edges = np.unique(np.quantile(seen, np.linspace(0, 1, BINS + 1)[1:-1], method="nearest"))
    a, b = (
        np.searchsorted(edges, one.to_numpy(dtype=float)) for one in (train, held)
    )  # NaN comes behind all
    gone = len(edges) + 1
    return np.where(train.isna(), gone, a), np.where(held.isna(), gone, b)


def _told(train: np.ndarray, held: np.ndarray, data: Data) -> tuple[float, float, float]:
    """Return accuracy and balanced accuracy in held-out rows, and balanced accuracy in training, of a binned feature."""
    classes, answers = data.n_classes, np.concatenate([data.valid.y, data.test.y])
    bins = int(max(train.max(initial=0), held.max(initial=0))) + 1
    counts = np.bincount(train * classes + data.train.y, minlength=bins * classes).reshape(bins, classes)
    sizes = counts.sum(0)
    counts = np.where(counts.any(1, keepdims=True), counts, sizes)  # an empty bin answers the commonest class
    rule, fair = counts.argmax(1), (counts / np.maximum(1, sizes)).argmax(1)
    return (float(np.mean(rule[held] == answers)), _balanced(fair[held], answers, classes),
            _balanced(fair[train], data.train.y, classes))  # fmt: skip


def _balanced(said: np.ndarray, y: np.ndarray, classes: int) -> float:
    sizes = np.bincount(y, minlength=classes)
    right = np.bincount(y, said == y, minlength=classes)
    return float(np.mean(right[sizes > 0] / sizes[sizes > 0]))


def _words(data: Data) -> tuple[list[str], np.ndarray]:
    """Return what the presence of each word tells; like :func:`_told`, for all words at once."""
    there, sizes = _presence(data, "train")
    held, held_sizes = _presence(data, "held out")
    gone, held_gone = sizes - there, held_sizes - held
    right = _hits(there, held).sum(1) + _hits(gone, held_gone).sum(1)
    fair = (_hits(there / sizes, held) + _hits(gone / sizes, held_gone)) / np.maximum(1, held_sizes)
    trained = (_hits(there / sizes, there) + _hits(gone / sizes, gone)) / sizes
    occurring = held_sizes > 0
    found = np.column_stack([right / held_sizes.sum(), fair[:, occurring].mean(1), trained.mean(1)])
    real = [i for i in range(data.tokenizer.size) if i not in data.tokenizer.kept]
    return [data.tokenizer.vocabulary[i] for i in real], found[real]


def _hits(learned: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how many rows are right, ``(word, class)``, where each word answers its class of the largest weight."""
    out = np.zeros(counts.shape)
    at = np.arange(len(counts))
    answer = np.where(learned.any(1), learned.argmax(1), 0)
    out[at, answer] = counts[at, answer]
    return out


def _presence(data: Data, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return in how many texts of each class a word stands, ``(word, class)``, and how many texts there are."""
    splits = [data.train] if name == "train" else [data.valid, data.test]
    x, y = np.concatenate([s.x for s in splits]), np.concatenate([s.y for s in splits])
    words, classes = data.tokenizer.size, data.n_classes
    pairs = np.unique(np.arange(len(x))[:, None] * words + x)
    row, word = pairs // words, pairs % words
    counts = np.bincount(word * classes + y[row], minlength=words * classes).reshape(words, classes)
    counts[list(data.tokenizer.kept)] = 0
    return counts.astype(float), np.maximum(np.bincount(y, minlength=classes), 1e-9 if name != "train" else 1)
