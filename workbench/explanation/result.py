"""``Explanation``: numbers for each input feature, and where they came from; it never holds the model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..data.codecs import Codec
from ..errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

ARRAYS = ("values", "inputs", "target", "output", "base_values", "delta", "row_ids", "padding")


@dataclass(frozen=True, eq=False)
class Explanation:
    """One explanation a row.

    Attributes
    ----------
    values
        ``(n, ...)`` of the inputs' shape (Grad-CAM and activations: one channel; tables: one an original
        column; texts: one a token). Zero means that the feature does not count for this method.
    inputs, target, output
        What was explained: rows, class ``(n,)``, explained scalar ``(n,)`` on the scale of
        ``settings["output"]``.
    base_values, delta
        The scalar of the baseline, and ``values.sum - (output - base_values)``, ``(n,)``; None where the
        method promises nothing.
    flags
        What the checks found, name -> sentence (see :mod:`workbench.explanation.checks`).
    settings
        Everything that a replay needs, and what the method measured beside.
    estimand
        What the values estimate, in words.
    n_forward
        How many rows the model evaluated.
    labels
        What stands at each feature of a row, as it is shown: the cells of a table, the tokens of a text.
    padding
        True where a text was not explained, ``(n, length)``: padding and special tokens; else None.
    codec
        How raw rows became inputs, and which entries of them are one feature; None for images.
    fingerprint
        SHA-256 of model, inputs and settings: equal fingerprints promise equal values.
    """

    values: np.ndarray
    inputs: np.ndarray | None
    target: np.ndarray | None
    output: np.ndarray | None
    base_values: np.ndarray | None
    delta: np.ndarray | None
    method: str
    settings: dict[str, Any]
    estimand: str
    signed: bool
    kind: str
    flags: dict[str, str] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    row_ids: np.ndarray | None = None
    labels: tuple[tuple[str, ...], ...] | None = None
    padding: np.ndarray | None = None
    codec: Codec | None = None
    model_fingerprint: str = ""
    seconds: float = 0.0
    n_forward: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Explanation:
        """Return the chosen rows; everything that has a row goes along."""
        if self.scope == "global":
            raise BadInput(
                f"{self.method} explains the model, not rows", "a local explanation", "Use e.values"
            )
        if isinstance(rows, (int, np.integer)):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"row {rows} of {len(self)}")
            rows = [rows]
        chosen = {name: getattr(self, name)[rows] for name in ARRAYS if getattr(self, name) is not None}
        if self.labels is not None:
            chosen["labels"] = tuple(self.labels[i] for i in np.arange(len(self))[rows])
        return replace(self, **chosen, settings=self._settings_of(rows))

    def _settings_of(self, rows: Any) -> dict[str, Any]:
        """Return the settings of chosen rows: what had a row each goes along, given or measured."""
        own = {
            name: value[rows]
            for name, value in self.settings.items()
            if name in ("baselines", "feature_mask") and np.ndim(value) > 1 and len(value) == len(self) > 1
        }
        lists = {
            name: self.settings[name]
            for name in self.settings["measured"]
            if type(self.settings[name]) is list
        }
        arrays = {
            n: v for n, v in self.settings.items() if n in self.settings["measured"] and type(v) is np.ndarray
        }
        own |= {n: v[rows] for n, v in arrays.items() if v.ndim and len(v) == len(self)}
        if beside := self.settings.get("forward_kwargs"):
            own["forward_kwargs"] = {
                n: v[rows] if np.ndim(v) and len(v) == len(self) else v for n, v in beside.items()
            }
        chosen = np.arange(len(self))[rows]
        own |= {name: [value[i] for i in chosen] for name, value in lists.items() if len(value) == len(self)}
        return {**self.settings, **own}

    @property
    def scope(self) -> str:
        """Whether there is an explanation a row ("local") or one of the model ("global")."""
        return "local" if self.inputs is not None else "global"

    @property
    def soundness(self) -> str:
        """What the checks decide: "sound", "caution" or "broken", by the rule of :mod:`workbench.explanation.checks`."""
        from .checks import soundness

        return soundness(self.flags)

    @property
    def deciding(self) -> list[str]:
        """The flags that decide it, what breaks first; notes are left out."""
        from .checks import deciding

        return deciding(self.flags)

    @property
    def mark(self) -> str:
        """The word's mark, which needs neither colour nor a font: ``[ok]``, ``[!]`` or ``[x]``."""
        from .checks import MARKS

        return MARKS[self.soundness]

    @property
    def tokens(self) -> tuple[tuple[str, ...], ...] | None:
        """The tokens of each text, an empty string for padding; None for anything else."""
        return self.labels if self.kind == "text" else None

    @property
    def map(self) -> np.ndarray | None:
        """The signed sum over channels, ``(n, row, column)``; None for anything but images."""
        return self.values.sum(1) if self.scope == "local" and self.values.ndim == 4 else None

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """The values of each input where there were several, each of its input's shape; else all of them."""
        several: Any = self.codec if self.kind == "several" else None
        return (self.values,) if several is None else several.apart(self.values)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of model, inputs, classes and settings."""
        digest = hashlib.sha256(self.model_fingerprint.encode())
        digest.update(
            json.dumps([self.method, files.plain(_digested(self._replayable()))], sort_keys=True).encode()
        )
        digest.update(self.settings.get("rows", "").encode())  # Of a view of the model: which it looked at.
        for array in (self.inputs, self.target):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def _replayable(self) -> dict[str, Any]:
        beside = {*self.settings["measured"], "measured"}
        return {name: value for name, value in self.settings.items() if name not in beside}

    def top(self, k: int = 5, row: int = 0) -> pd.DataFrame:
        """Return the ``k`` features of a row with the largest absolute values, largest first."""
        from .listing import largest

        return largest(self, k, row)

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy table, a line a row and feature: row, feature, target, input, value."""
        from .listing import tidy

        return tidy(self)

    def group(self, by: Any) -> Explanation:
        """Return the same explanation with the values of features added up: sums stay true.

        Parameters
        ----------
        by
            "sentence" or "word" for texts, or a mapping from a name to the names of columns (columns that
            are named nowhere stay as they are).

        Raises
        ------
        BadInput
            A word for another kind of input, or a column that there is not, or that is named twice.
        """
        from .grouping import grouped

        return grouped(self, by)

    def alt(self) -> str:
        """Return one sentence that states the finding with a number, for ``wb.show(e.plot(), e.alt())``.

        Examples
        --------
        >>> import workbench as wb
        >>> wb.explain(lambda x: x @ [[1.0, 0.0], [3.0, 0.0]], [[2.0, 1.0]], "occlusion", target=0).alt()
        'Of one input explained by occlusion (logit), the largest value is +3, at feature 1 (why 0?).'
        """
        from .captions import told

        return told(self)

    def plot(self, n: int = 6, *, beside: Explanation | None = None, **options: Any) -> Figure:
        """Draw the first ``n`` rows: inputs in grey beside their maps, bars for a table, a text in colour.

        Parameters
        ----------
        n
            How many rows at most.
        beside
            Another explanation of the same rows, such as of the compressed model: both are drawn on one
            scale, this one first.
        **options
            ``limit``, the value at full colour; with ``beside``, ``labels``, what the two are called.

        Raises
        ------
        BadInput
            The other explains other rows, or its values are on another scale or of another shape.
        """
        from ..plotting import attributions, couples

        if beside is not None:
            couples.check(self, beside)
            return couples.draw(self[:n], beside[:n], **options)
        return attributions.draw(self[:n] if self.scope == "local" else self, **options)

    def to_shap(self, partial: bool = False) -> Any:
        """Return a ``shap.Explanation``, which shap's own matplotlib plots take (bar, beeswarm, waterfall).

        Columns and words carry their names and raw cells; images have their channels last; a text has its
        own length. ``base_values`` and a row of values add up to the output; where shap's plots call the base
        E[f(X)], it is the output of the baseline unless a background was given.

        Parameters
        ----------
        partial
            Hand over the values alone, whether they sum to anything or not: bar and beeswarm draw them;
            waterfall and force, which need a base value, cannot.

        Raises
        ------
        BadInput
            Values that do not promise to sum to the output, or miss it: a waterfall would draw a sum that
            is none.
        """
        from .conversions import to_shap

        return to_shap(self, partial)

    def to_captum(self) -> Any:
        """Return the values as captum returns them: a tensor, of images with the channels first.

        It has the shape of ``values``: of a table one number an original column, of a text one a token.

        What ``captum.attr.visualization`` draws is ``(row, column, channel)`` of numpy: permute one row,
        ``visualize_image_attr(e.to_captum()[0].permute(1, 2, 0).numpy(), ...)``.
        """
        from .conversions import to_captum

        return to_captum(self)

    def replay(self, model: Any, inputs: Any = None, target: Any = None) -> Explanation:
        """Explain again with the same settings, which gives the same bits.

        Another model or other inputs are taken, and it is said; other inputs are explained for the class that
        the model predicts, or for ``target``. Random draws belong to a row's place in the
        call: a slice that is replayed draws anew. A view of the model that looked at rows is given them again.
        """
        from .door import explain

        if "grouped" in self.settings:
            raise BadInput(
                "The explanation was grouped",
                "the explanation as it was made",
                "Replay that one, and group it again",
            )
        kept = self.target if inputs is None and self.scope == "local" else None
        again = explain(model, self._rows(inputs), self.method, **self._replayable(),
                        target=kept if target is None else target)  # fmt: skip
        if again.model_fingerprint != self.model_fingerprint:
            again.flags["another model"] = "Replayed on a model with another fingerprint."
        return replace(again, feature_names=self.feature_names, class_names=self.class_names,
                       row_ids=self.row_ids if inputs is None else again.row_ids)  # fmt: skip

    def _rows(self, inputs: Any = None) -> Any:
        """Return what was explained, or versions of it as models take them, with what reads it, as a front door takes it."""
        if self.inputs is None or self.codec is None:
            return self.inputs if inputs is None else inputs
        if inputs is not None and not (
            isinstance(inputs, np.ndarray) and inputs.shape[1:] == self.inputs.shape[1:]
        ):
            return inputs
        from .entrance import Given

        rows = self.inputs if inputs is None else inputs
        return Given(
            rows, self.kind, self.codec, raw=self.settings.get("raw", False), row_ids=np.arange(len(rows))
        )

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file with a JSON header; no pickle.

        ``docs/explanation_file.md`` says what stands where: six lines of json and numpy read it.
        """
        from .storage import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Explanation:
        """Read what :meth:`save` wrote.

        Raises
        ------
        BadFile
            Not such a file, a damaged one, or one of another schema.
        """
        from .storage import load

        return load(path)

    def __repr__(self) -> str:
        from .showing import line

        return line(self)

    @property
    def rules(self) -> tuple[str, ...]:
        """What a tree asks, in words: a line a row (``decision_path``) or a leaf (``surrogate_tree``); else empty."""
        from .rules import rendered

        return rendered(self)

    def __str__(self) -> str:
        return "\n".join([repr(self), *self.rules])

    def _repr_html_(self) -> str:
        from .showing import page

        return page(self)


def _digested(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with the SHA-256 of every array in its place: thousands of example rows are no JSON."""
    return {name: [value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
            if isinstance(value, np.ndarray) else value for name, value in settings.items()}  # fmt: skip
