"""What comes in at the front door: arrays, splits, data frames or texts become checked rows of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ..data.columns import Column, Columns
from ..data.parts import Parts
from ..data.records import Data, Split
from ..data.tokenizer import Tokenizer
from ..errors import BadInput
from .estimators import reads_raw
from .space import copied

NUMBERS = Tokenizer(("[PAD]",), 0, kept=(0,))  # what is known of tokens without their tokenizer


@dataclass(frozen=True)
class Given:
    """Rows as they came in, and how they are read.

    Attributes
    ----------
    x
        ``(n, ...)`` as models take them, not yet checked; None for a method that needs no rows.
    kind
        "image", "table" or "text".
    codec
        How raw rows became ``x``; None for images and bare arrays.
    raw
        Whether the rows were raw: a callable is then given raw rows as well.
    y, row_ids
        Of a split; ``row_ids`` are otherwise numbers from 0.
    shape
        That the model says it takes, or None.
    places
        Of the rows in the whole that they are a part of, ``(n,)``: random draws belong to those. None for a whole.
    """

    x: np.ndarray | None
    kind: str
    codec: Any = None
    raw: bool = False
    y: np.ndarray | None = None
    row_ids: np.ndarray | None = None
    shape: tuple[int, ...] | None = None
    background: Any = None
    flags: dict[str, str] = field(default_factory=dict)
    clusters: np.ndarray | None = None
    texts: list[str] | None = None
    places: np.ndarray | None = None

    def part(self, rows: slice) -> Given:
        """Return some of the rows of a whole, which keep their places in it."""
        named = {name: getattr(self, name) for name in ("x", "y", "row_ids", "clusters", "texts")}
        chosen: dict[str, Any] = {name: value[rows] for name, value in named.items() if value is not None}
        places = (
            self.places if self.places is not None else np.arange(len(self.x if self.x is not None else ()))
        )
        return replace(self, **chosen, places=places[rows])

    def rows_of(self, name: str, value: Any, rows: slice) -> Any:
        """Return the rows of an argument of the call that has an entry for each of these; any other as it is."""
        x: Any = self.x
        axes = self.axes(name)
        shape: tuple = np.shape(value) if axes else getattr(value, "shape", ())
        return value[rows] if shape[:1] == (len(x),) and axes in (None, len(shape)) else value

    def axes(self, name: str) -> int | None:
        """Return how many axes an argument has that has an entry for each row; None for those of the forward."""
        x: Any = self.x
        return {"target": 1, "baselines": x.ndim, "feature_mask": x.ndim}.get(name)

    def reads(self, model: Any) -> Any:
        """Return the codec if the model reads raw rows."""
        return self.codec if self.calls_raw(model) or reads_raw(model, self.codec) else None

    def calls_raw(self, model: Any) -> bool:
        """Whether a callable is given raw rows because raw rows came in."""
        return self.raw and not hasattr(model, "predict") and not isinstance(model, torch.nn.Module)

    def labels(self) -> tuple[tuple[str, ...], ...] | None:
        """Return what stands at every feature, as it is shown."""
        return None if self.codec is None or self.x is None else self.codec.words(self.x)

    def rows(self) -> torch.Tensor:
        """Return checked rows: floats, or token numbers."""
        if self.x is None:
            raise BadInput("inputs is None", "rows to explain", "Pass rows such as data.test[:5]")
        array = self.x
        _check_type(array, self.kind)
        _check_shape(array, self.shape)
        if len(array) == 0:
            raise BadInput(
                f"inputs has shape {array.shape}: an empty batch", "at least one row", "Check the selection"
            )
        if not np.isfinite(array).all():
            row = int(np.argmax(~np.isfinite(array).reshape(len(array), -1).all(1)))
            raise BadInput(f"inputs holds NaN or infinite values, first in row {row}", "finite numbers",
                           "Fill or drop the row")  # fmt: skip
        return copied(array, torch.long if self.kind == "text" else torch.float32)


def given(inputs: Any, model: Any, data: Data | None, background: Any) -> Given:
    """Return what came in, with its kind and the codec that reads it."""
    if isinstance(inputs, Given):
        return replace(inputs, background=background)
    shape = (getattr(model, "spec", None) or {}).get("input_shape")
    shape = tuple(shape) if shape and isinstance(model, torch.nn.Module) else None
    codec = inputs.codec if isinstance(inputs, Split) else data.codec if data is not None else None
    if _is_frame(inputs):
        return _of_frame(inputs, codec, background, shape)
    if _is_texts(inputs):
        return _of_texts(list(inputs), model, codec, background, shape)
    if isinstance(inputs, tuple):
        return _of_parts(inputs, model, background)
    background = _encoded_background(background, codec)
    if inputs is None:
        return Given(None, "weights", codec, shape=shape, background=background)
    if isinstance(inputs, Split) and inputs.texts is not None and reads_raw(model, codec):
        made = _of_texts(list(inputs.texts), model, None, background, shape)
        return replace(made, y=inputs.y, row_ids=inputs.row_ids, clusters=inputs.clusters)
    if isinstance(inputs, Split):
        kind = codec.kind if codec is not None else "image" if inputs.x.ndim == 4 else "table"
        return Given(
            inputs.x,
            kind,
            codec,
            False,
            inputs.y,
            inputs.row_ids,
            shape,
            background,
            clusters=inputs.clusters,
        )
    array = inputs.detach().cpu().numpy() if isinstance(inputs, torch.Tensor) else np.asarray(inputs)
    kind = _told(array, model, codec)
    codec = codec if codec is not None and codec.kind == kind else NUMBERS if kind == "text" else None
    return Given(
        array, kind, codec, False, None, np.arange(len(array)) if array.ndim else None, shape, background
    )


def _of_frame(frame: Any, codec: Any, background: Any, shape: Any) -> Given:
    """Encode raw rows; without data the background says what the columns are, and numbers are taken as they are."""
    if codec is None and not _is_frame(background) and not all(t.kind in "fiu" for t in frame.dtypes):
        raise BadInput("Rows with words were given without data", "data=, or background= with rows of the same columns",
                       "Pass data=, so that the columns' means and categories are known")  # fmt: skip
    if codec is not None and codec.kind == "text":
        raise BadInput(
            "A data frame was given with data of texts", "texts", "Pass its column of texts: frame['text']"
        )
    flags = {}
    if codec is None and background is None:
        flags["raw baseline"] = (
            "The rows came without data: an absent column is 0 in its own unit, unless baselines= says otherwise."
        )
    codec = codec or (Columns.learned(background) if _is_frame(background) else _as_they_are(frame))
    background = _encoded_background(background, codec)
    rows = np.arange(len(frame))
    return Given(codec.encoded(frame), codec.kind, codec, True, None, rows, shape, background, flags)


def _as_they_are(frame: Any) -> Columns:
    gaps = {str(name): bool(frame[name].isna().any()) for name in frame.columns}
    return Columns(
        tuple(
            Column(name, means=(0.0, 0.0) if gap else (0.0,), has_missing=gap) for name, gap in gaps.items()
        )
    )


def _of_texts(texts: list[str], model: Any, codec: Any, background: Any, shape: Any) -> Given:
    """Encode texts: with the data's tokenizer for a network, else with one that loses no word of them."""
    if isinstance(model, torch.nn.Module) and codec is None:
        raise BadInput("Texts were given without data", "data=, whose tokenizer the network was trained with",
                       "Pass data=")  # fmt: skip
    if isinstance(model, torch.nn.Module) and codec.kind != "text":
        raise BadInput(f"Texts were given with data of kind {codec.kind!r}", "data whose rows are texts",
                       "Pass the data that the network was trained with")  # fmt: skip
    flags = {}
    if not isinstance(model, torch.nn.Module):
        codec = Tokenizer.of(texts)
    else:
        cut = sum(len(one) + 1 > codec.length for one in map(codec.split, texts))
        if cut:
            flags["cut off"] = (
                f"{cut} of {len(texts)} texts are longer than {codec.length} tokens: the rest was not read."
            )
    rows, own = np.arange(len(texts)), None if isinstance(model, torch.nn.Module) else texts
    return Given(codec.encoded(texts), "text", codec, True, None, rows, shape, background, flags, texts=own)


def _of_parts(arrays: tuple, model: Any, background: Any) -> Given:
    """Join the inputs of a model that takes several."""
    made = [a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else np.asarray(a) for a in arrays]
    codec = Parts.of(made, model)
    background = codec.joined(background) if isinstance(background, tuple) else background
    return Given(
        codec.encoded(made), codec.kind, codec, True, None, np.arange(len(made[0])), None, background
    )


def _encoded_background(background: Any, codec: Any) -> Any:
    if _is_frame(background):
        if codec is None:
            raise BadInput("background is a data frame, but inputs are numbers", "both raw or both numbers",
                           "Pass data=, or the background as an array")  # fmt: skip
        return codec.encoded(background)
    return background


def _is_frame(rows: Any) -> bool:
    return hasattr(rows, "columns") and hasattr(rows, "iloc")


def _is_texts(rows: Any) -> bool:
    if isinstance(rows, str):
        raise BadInput("inputs is one string", "a list of texts", "Put it into a list: [text]")
    if not isinstance(rows, Sequence) and not (getattr(rows, "ndim", 0) == 1 and hasattr(rows, "tolist")):
        return False
    found = list(rows) if isinstance(rows, Sequence) or rows.dtype.kind not in "fiub" else []
    words = [isinstance(text, str) for text in found]
    if any(words) and not all(words):
        at = words.index(False)
        raise BadInput(f"Text {at} is {found[at]!r}", "a string in every row", "Fill or drop it")
    return len(words) > 0 and all(words)


def _told(array: np.ndarray, model: Any, codec: Any) -> str:
    """Tell the kind of a bare array: token numbers are whole numbers that a network with tokens is given."""
    reads_tokens = (getattr(model, "spec", None) or {}).get("tokens") or any(
        isinstance(m, torch.nn.Embedding)
        for m in (model.modules() if isinstance(model, torch.nn.Module) else ())
    )
    if (
        array.dtype.kind in "iu"
        and array.ndim == 2
        and (reads_tokens or getattr(codec, "kind", "") == "text")
    ):
        return "text"
    return "image" if array.ndim == 4 else "table"


def _check_type(array: np.ndarray, kind: str) -> None:
    if kind == "text" and array.dtype.kind not in "iu":
        raise BadInput(f"inputs has type {array.dtype}", "token numbers (integers), or texts", "Encode them")
    if kind != "text" and array.dtype.kind != "f":
        whole = array.dtype.kind in "iub"
        todo = (
            "Convert them; divide pixels by 255"
            if whole
            else "Convert them; one row of a frame is frame.iloc[[0]]"
        )
        raise BadInput(
            f"inputs has type {array.dtype}",
            "floats, a data frame, a Split such as data.test[:5], or texts",
            todo,
        )


def _check_shape(array: np.ndarray, shape: tuple[int, ...] | None) -> None:
    if array.ndim < 2 or (array.ndim == 3 and shape is None) or (shape and array.shape[1:] != shape):
        wanted = f"(n, {', '.join(map(str, shape))})" if shape else "(n, channel, row, column) or (n, column)"
        todo = "Add the batch axis: inputs[None]" if shape and array.shape == shape else "Reshape the inputs"
        raise BadInput(f"inputs has shape {array.shape}", f"shape {wanted}", todo)
