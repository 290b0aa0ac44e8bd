"""Models that can be read: the coefficients of a linear one, the path of an input through a decision tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from .estimators import SMALLEST, last_step
from .outputs import OUTPUTS
from .registry import ABSENCE, method
from .rules import Question, is_so, paths, questions, spoken
from .score import Score
from .space import Space


@method("coefficients", ignores=ABSENCE, needs={"coefficients"}, signed=True, scope="global", cost="none",
        estimand="how much a class's score rises with each number that reaches the linear model; the whole model",
        paper="Cox 1958 (logistic regression)",
        misleads="Each is given all others: correlated columns share or cancel; sizes compare only on one scale; "
                 "categories compare with each other, not with zero.")  # fmt: skip
def coefficients(score: Score, inputs: Space | None) -> tuple[torch.Tensor, dict]:
    """Return a linear model's coefficients, ``(class, number)`` or ``(class, channel, row, column)`` (Cox 1958).

    A number is what reaches the linear model: an encoded column such as ``job = cook``, a word, a pixel.
    What a category adds cannot be summed over the category's indicators, so that these stay apart. A model
    of two classes has one score, of which each class gets one half, with its sign.
    """
    glass = last_step(score.model)
    found = glass.coef_.toarray() if hasattr(glass.coef_, "toarray") else np.asarray(glass.coef_)
    weights = np.atleast_2d(found).astype(np.float32)
    if hasattr(glass, "support_vectors_") and len(weights) > 1:
        raise BadInput(f"{type(glass).__name__} has coefficients for pairs of classes", "coefficients for each class",
                       "Fit a LinearSVC, or explain rows with a local method")  # fmt: skip
    if len(weights) == 1 and hasattr(glass, "decision_function"):
        weights = np.concatenate([-weights / 2, weights / 2])
    names = names_out(score.model)
    shape = (getattr(score.model, "spec", None) or {}).get("input_shape", ())
    if names is None and len(shape) == 3 and prod(shape) == weights.shape[1]:
        weights = weights.reshape(-1, *shape)
    return torch.as_tensor(weights), {} if names is None else {"feature_names": names}


def names_out(model: Any) -> tuple[str, ...] | None:
    """Return the names of what reaches the last step of a model, None where nobody names it."""
    steps = getattr(model, "steps", ())
    if len(steps) < 2:
        return tuple(map(str, model.feature_names_in_)) if hasattr(model, "feature_names_in_") else None
    try:
        return tuple(map(str, model[:-1].get_feature_names_out()))
    except (AttributeError, ValueError, TypeError):
        return None


@method("decision_path", ignores=ABSENCE, needs={"tree"}, signed=True, cost="1",
        estimand="how the output changes, from the root of the tree to the input's leaf, at the questions about each feature",
        paper="Saabas 2014 (Interpreting random forests)",
        misleads="Questions near the leaf count more than those near the root, whatever their order means; "
                 "a feature that was not asked about gets zero although another tree might ask.")  # fmt: skip
def decision_path(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    """Return what each question on an input's path changed, summed by feature; and the path in words (Saabas 2014).

    Values sum to the output minus the output at the root, which is ``settings["root"]``; the base value, at
    the baseline, is another number. ``settings["rules"]`` has the path of each row in words: in units of the
    data where the tree reads these, else as its transformers name and scale them. What a tree over words
    asks about a word that is not in the text belongs to no token: it is in ``settings["absent_words"]``.
    """
    glass, rows = last_step(score.model), reaching(score, inputs.x)
    asked, tree = asks(score, inputs), glass.tree_
    leaves = [int(leaf) for leaf in glass.apply(rows)]
    known = paths(tree, leaves)
    rules = {leaf: spoken(steps, asked) for leaf, steps in known.items()}
    (worth, at), held = _of_nodes(score, glass), _holders(score, inputs, asked)
    values = np.zeros((inputs.n, prod(inputs.features)))
    elsewhere = np.zeros(inputs.n)
    for i, leaf in enumerate(leaves):
        for step in known[leaf]:
            change, places = worth[at[i], step.after] - worth[at[i], step.before], held(i, step.number)
            values[i, places] += change / max(1, len(places))
            elsewhere[i] += 0 if places else change
    facts = {"rules": [rules[leaf] for leaf in leaves], "root": worth[at, 0].tolist()}
    facts |= {"absent_words": elsewhere.tolist()} if inputs.tokens else {}
    return torch.as_tensor(values, dtype=torch.float32).view(inputs.n, *inputs.features), facts


def reaching(score: Score, rows: torch.Tensor) -> Any:
    """Return rows as they reach the last step of a model."""
    x = rows.numpy(force=True)
    raw = x.reshape(len(x), -1) if score.codec is None else score.codec.decoded(x)
    model: Any = score.model
    return model[:-1].transform(raw) if len(getattr(model, "steps", ())) > 1 else raw


def _of_nodes(score: Score, glass: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the explained scalar at every node, ``(kind, node)``, for each kind of row, and each row's kind.

    Rows of one kind are explained for the same class and against the same rival.
    """
    values = glass.tree_.value[:, 0]
    if hasattr(glass, "predict_proba"):
        values = np.log(np.clip(values / values.sum(1, keepdims=True), SMALLEST, 1))
    z, output = torch.as_tensor(values, dtype=torch.float64), OUTPUTS[score.output]
    kinds, at = torch.unique(torch.stack([score.target, score.rival], 1), dim=0, return_inverse=True)
    each = [output(z, t.expand(len(z)), r.expand(len(z))) for t, r in kinds]
    return torch.stack(each).numpy(), at.numpy()


def asks(score: Score, inputs: Space) -> list[Question]:
    """Return what can be asked about each number that reaches the last step of a model."""
    names, steps = names_out(score.model), len(getattr(score.model, "steps", ()))
    if steps < 2:
        raw = score.codec is not None
        return [Question(name, i) for i, name in enumerate(score.codec.names)] if raw else questions(inputs)
    if names is None:
        raise BadInput("The steps before the last do not name what they make", "transformers with get_feature_names_out",
                       "Use a method for any model, such as feature_ablation")  # fmt: skip
    if inputs.tokens:
        return [Question(f"weight of {name!r}", -1) for name in names]
    if score.codec is None:
        return _renamed(names, questions(inputs))
    return [_transformed(name, score.codec) for name in names]


def _renamed(names: Sequence[str], entries: Sequence[Question]) -> list[Question]:
    """Return questions about the numbers of an array, which transformers call x0, x1 and so on."""
    called = {
        f"x{i}": Question(f"{entry.name} (transformed)", entry.feature) for i, entry in enumerate(entries)
    }
    if strange := [name for name in names if name not in called]:
        raise _mixed(strange[0])
    return [called[name] for name in names]


def _transformed(name: str, codec: Any) -> Question:
    """Return the question about a number that transformers made of an original column, told by its name."""
    columns = {column: i for i, column in enumerate(codec.names)}
    plain = name.partition("__")[2] or name
    if plain in columns:
        return Question(name, columns[plain])
    made_of = [column for column in columns if plain.startswith(f"{column}_")]
    if not made_of:
        raise _mixed(name)
    column = max(made_of, key=len)
    value = plain[len(column) + 1 :]
    if value in codec.columns[columns[column]].categories:
        return is_so(column, value, columns[column])
    return Question(name, columns[column])


def _mixed(name: str) -> BadInput:
    return BadInput(f"The model reads {name!r}, which is made of several columns or of one that has another name",
                    "numbers that are made of one column each", "Use a method for any model, such as feature_ablation")  # fmt: skip


def _holders(score: Score, inputs: Space, asked: Sequence[Question]) -> Callable[[int, int], list[int]]:
    """Return what tells the features of a row that a number is about; words that are not in a text have none."""
    if not inputs.tokens:
        return lambda row, number: [asked[number].feature]
    names, reader = names_out(score.model) or (), _reader(score.model)
    fixed = inputs.fixed.numpy(force=True)  # type: ignore[union-attr]
    words = [
        [word if not kept else "" for word, kept in zip(row, hidden, strict=True)]
        for row, hidden in zip(inputs.codec.words(inputs.x.numpy(force=True)), fixed, strict=True)
    ]
    found = [_grams(reader, row) for row in words]
    return lambda row, number: sorted(found[row].get(names[number], ()))


def _reader(model: Any) -> Any:
    readers = [step for _, step in model.steps[:-1] if getattr(step, "analyzer", None) == "word"]
    if len(readers) != 1:
        raise BadInput("The words that the tree asks about cannot be found in the texts", "one vectorizer of words",
                       "Use a method for any model, such as feature_ablation")  # fmt: skip
    return readers[0]


def _grams(reader: Any, words: Sequence[str]) -> dict[str, set[int]]:
    """Return the places of each word and sequence of words, as a vectorizer reads them."""
    plain, split, left_out = (
        reader.build_preprocessor(),
        reader.build_tokenizer(),
        reader.get_stop_words() or (),
    )
    read = [
        (part, place)
        for place, word in enumerate(words)
        for part in split(plain(word))
        if part not in left_out
    ]
    grams: dict[str, set[int]] = {}
    shortest, longest = reader.ngram_range
    for size in range(shortest, longest + 1):
        for i in range(len(read) - size + 1):
            parts, places = zip(*read[i : i + size], strict=True)
            grams.setdefault(" ".join(parts), set()).update(places)
    return grams
