"""``Comparison``: what was measured of a pair of models and its controls; everything said is computed from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, html
from ..data.kinds import KINDS
from ..errors import BadFile, unknown
from .alignment import FLOWS, ROWS
from .intervals import Interval, bootstrap_mean, index_interval, tail_probability
from .maps import RIVAL
from .margins import Measured, examine, kept_margin, similarity_margin
from .shares import accuracy_difference, share_interval
from .similarities import SIMILARITIES
from .verdict import Verdict, decide
from .wording import doubt, sentence

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

SHOWN = ("original", "compressed", "trained on", "another run")
PER_CENT = 100.0


@dataclass(frozen=True, eq=False)
class Comparison:
    """Five columns of evidence about a pair of models.

    Attributes
    ----------
    similarities
        ``{(method, similarity): {column: (runs, n)}}``: how alike each model's maps are to the original's.
    kept
        ``{condition: {column: (runs, test rows)}}``: whether the original's answer was given.
    right
        ``{column: (runs, test rows)}``: whether the true class was given; "original" is among the columns.
    maps, answers
        Primary maps ``(n, ...)`` and answers ``(n,)`` of the models that are drawn side by side.
    rows
        ``x y target row_ids`` of the explained rows; ``clusters`` of all test rows; of tables and texts also
        ``labels`` (what stands at each feature), ``feature_names`` and ``padding``.
    merit
        ``{model: {metric: (scores, floor)}}``: how good each model's own explanations are.
    facts
        Settings, steps, margins, notes, fingerprints.
    confidence
        ``{column: (runs, test rows)}``: the softmax of the answer that each model gives.
    layers
        ``{layer: {measure: {column: array}}}``, of :func:`~workbench.evaluation.alignment.by_layer`.
    rules
        ``{whose: (test rows,)}``: where a small tree answers like a model, of
        :func:`~workbench.evaluation.surrogates.fidelities`.
    """

    similarities: dict[tuple[str, str], dict[str, np.ndarray]]
    kept: dict[str, dict[str, np.ndarray]]
    right: dict[str, np.ndarray]
    maps: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]
    rows: dict[str, Any]
    merit: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    confidence: dict[str, np.ndarray] = field(default_factory=dict)
    layers: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    rules: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many rows were explained."""
        return self.facts["n"]

    @property
    def labels(self) -> np.ndarray:
        """The group of every test row, ``(test rows,)``."""
        return np.array(self.facts["labels"])

    def _clusters(self, method: str) -> np.ndarray:
        """Return the clusters of the rows that a method explained: all that were compared, or the first of them."""
        return self.rows["clusters"][: self.of(method)["compressed"].shape[1]]

    def of(self, method: str, similarity: str = "cosine") -> dict[str, np.ndarray]:
        """Return the similarities of one method by column, ``(runs, n)``."""
        if (method, similarity) not in self.similarities:
            raise unknown(
                "method and similarity", f"{method}, {similarity}", (", ".join(k) for k in self.similarities)
            )
        return self.similarities[method, similarity]

    def interval(self, method: str, similarity: str = "cosine") -> Interval:
        """Return the compressed model's mean similarity with its 95 % interval over inputs, for this pair."""
        return bootstrap_mean(
            self.of(method, similarity)["compressed"][0], self._clusters(method), seed=self.facts["seed"]
        )

    def index(self, method: str, similarity: str = "cosine") -> Interval:
        """Return where the compressed model stands between other runs (0) and the method's own noise (1).

        NaN with the reason where there are no references or no room. Never average it over methods.
        """
        columns = self.of(method, similarity)
        alike = 1.0 if SIMILARITIES[similarity].higher_is_alike else -1 / PER_CENT
        values = {name: alike * runs for name, runs in columns.items()}
        if not len(values["self"]):
            return Interval(
                np.nan, np.nan, np.nan, "no second maps of the original: its own noise is not known"
            )
        return index_interval(values["compressed"][0], values["references"], values["self"][0], self._clusters(method),
                              seed=self.facts["seed"])  # fmt: skip

    def table(self) -> pd.DataFrame:
        """Return a row a method and similarity; ``low`` and ``high`` belong to ``compressed``."""
        import pandas as pd

        return pd.DataFrame([self._row(method, similarity) for method, similarity in self.similarities])

    def _row(self, method: str, similarity: str) -> dict[str, Any]:
        columns, interval = self.of(method, similarity), self.interval(method, similarity)
        means = {name: float(runs.mean()) if len(runs) else float("nan") for name, runs in columns.items()}
        return {"method": method, "similarity": similarity, "self": means["self"], "sham": means["sham"],
                "compressed": interval.value, "low": interval.low, "high": interval.high,
                "references": means["references"], "randomized": means["randomized"],
                "index": self.index(method, similarity).value, "trained_on": method.removesuffix(RIVAL) in self.facts["trained_on"],
                "role": "primary" if (method, similarity) == (self.facts["primary"], "cosine") else "secondary",
                "n": columns["compressed"].shape[1]}  # fmt: skip

    def secondary(self) -> pd.DataFrame:
        """Return compressed minus sham for the methods that decide nothing, with tail probabilities after Holm.

        Methods that were trained on are left out: they would agree whatever happened.
        """
        import pandas as pd

        from .intervals import holm

        rows = []
        for method, similarity in self.similarities:
            columns = self.of(method, similarity)
            held_out = method not in (self.facts["primary"], *self.facts["trained_on"])
            if similarity == "cosine" and held_out and len(columns["sham"]):
                difference = columns["compressed"][0] - columns["sham"][0]
                p = tail_probability(difference, self._clusters(method), seed=self.facts["seed"])
                rows.append({"method": method, "compressed - sham": difference.mean(), "p": p})
        frame = pd.DataFrame(rows, columns=["method", "compressed - sham", "p"])
        return frame.assign(**{"p after Holm": holm(frame["p"].to_numpy())})

    @cached_property
    def primary(self) -> Measured:
        """The primary similarity with its interval and the margin that was fixed before."""
        primary = self.facts["primary"]
        return Measured(f"similarity of {primary} maps", *self.interval(primary)[:3], self._margin())

    def _margin(self, rows: Any = slice(None)) -> float:
        """Return what the primary similarity has to reach in some of the explained rows: as fixed, or by the rule."""
        if self.facts["margin"] is not None:
            return self.facts["margin"]
        columns = self.of(self.facts["primary"])
        return similarity_margin(_mean(columns["sham"][:, rows]), _mean(columns["references"][:, rows]))

    @cached_property
    def behaviour(self) -> tuple[Measured, ...]:
        """Answers kept in each condition, with the margins that were fixed before."""
        found = []
        for condition, columns in self.kept.items():
            interval = share_interval(columns["compressed"][0], self.rows["clusters"])
            margin = kept_margin(_mean(columns["references"]))
            where = f"with the {condition}" if " " in condition else f"on {condition} inputs"
            found.append(Measured(f"answers kept {where}", *interval[:3], margin))
        return tuple(found)

    @cached_property
    def advantage(self) -> float:
        """Accuracy of the original minus that of the randomized model, in points."""
        return PER_CENT * (_mean(self.right["original"]) - _mean(self.right["randomized"]))

    @cached_property
    def accuracy(self) -> Interval:
        """Accuracy of the compressed model minus the original's, with its 95 % interval; a fraction."""
        return accuracy_difference(
            self.right["original"][0], self.right["compressed"][0], self.rows["clusters"]
        )

    @cached_property
    def verdict(self) -> Verdict:
        """What may be said: one of four words, in numbers, with its doubt and the evidence."""
        decided = decide(
            n=self.n, references=self.facts["references"], advantage=self.advantage, similarity=self.primary,
            kept=self.behaviour, groups=self._groups(), real_artifact=self.facts["real_artifact"],
            sham=self.facts["sham"],
        )  # fmt: skip
        return decided.told(self._sentence(decided), self._doubt())

    def _sentence(self, decided: Verdict) -> str:
        columns, report = self.of(self.facts["primary"]), self.facts["report"]
        gained = {} if not report else {
            "smaller": report["before"]["bytes"] / report["after"]["bytes"],
            "faster": report["before"]["ms_batch"] / report["after"]["ms_batch"],
        }  # fmt: skip
        return sentence(decided, n=self.n, noun=self.facts["noun"], asked=KINDS[self.facts["kind"]].hiding, similarity=self.primary,
                        kept=float(self.kept["clean"]["compressed"][0][: self.n].mean()),
                        sham=_mean(columns["sham"]), references=_mean(columns["references"]), **gained)  # fmt: skip

    def _doubt(self) -> str:
        changed = int((~self.kept["clean"]["compressed"][0][: self.n]).sum())
        groups = self.by_group()
        worst = groups.sort_values("similarity").iloc[0]["group"] if len(groups) else ""
        return doubt(changed, noun=self.facts["noun"], worst=f"{self.facts['groups']} {worst}" if worst != "" else "",
                     more=self.facts["notes"])  # fmt: skip

    def _groups(self) -> list[Any]:
        """Return every group's tests, each against the margin of the same rule within the group."""
        if not self.facts["references"]:
            return []
        word, labels, found = self.facts["groups"], self.labels, []
        columns = self.of(self.facts["primary"])
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            own = rows[rows < self.n]
            if len(own) > 1:
                found.append(examine(f"similarity for {word} {label}", columns["compressed"][0][own],
                                     self._margin(own), self.rows["clusters"][own]))  # fmt: skip
            kept = self.kept["clean"]
            found.append(examine(f"answers kept for {word} {label}", kept["compressed"][0][rows],
                                 kept_margin(_mean(kept["references"][:, rows])), self.rows["clusters"][rows]))  # fmt: skip
        return found

    def by_group(self) -> pd.DataFrame:
        """Return a row a group: rows, accuracies and their difference, answers kept, similarity, its interval and margin."""
        import pandas as pd

        return pd.DataFrame([self._group_row(label) for label in np.unique(self.labels)])

    def _group_row(self, label: Any) -> dict[str, Any]:
        rows = np.flatnonzero(self.labels == label)
        own, columns = rows[rows < self.n], self.of(self.facts["primary"])
        drift = (bootstrap_mean(columns["compressed"][0][own], self.rows["clusters"][own])
                 if len(own) else Interval(np.nan, np.nan, np.nan))  # fmt: skip
        change = accuracy_difference(self.right["original"][0][rows], self.right["compressed"][0][rows],
                                     self.rows["clusters"][rows])  # fmt: skip
        return {"group": str(label), "n": len(rows), "n explained": len(own),
                "accuracy before": self.right["original"][0][rows].mean(),
                "accuracy after": self.right["compressed"][0][rows].mean(),
                "difference": change.value, "difference low": change.low, "difference high": change.high,
                "answers kept": self.kept["clean"]["compressed"][0][rows].mean(),
                "similarity": drift.value, "low": drift.low, "high": drift.high,
                "references": _mean(columns["references"][:, own])}  # fmt: skip

    def by_layer(self) -> pd.DataFrame:
        """Return where in the network it moved: a row a layer and measure, "cka" and "conductance".

        ``low`` and ``high`` are the 95 % interval of the compressed model's conductance over rows; empty where the
        original is no network of layers.
        """
        import pandas as pd

        rows = [self._layer_row(layer, measure) for layer, found in self.layers.items() for measure in found]
        return pd.DataFrame(
            rows,
            columns=[
                "layer",
                "measure",
                "sham",
                "compressed",
                "low",
                "high",
                "references",
                "randomized",
                "n",
            ],
        )

    def _layer_row(self, layer: str, measure: str) -> dict[str, Any]:
        columns = self.layers[layer][measure]
        low = high = np.nan
        own, n = columns["compressed"][0], min(self.n, ROWS if measure == "cka" else FLOWS)
        if measure == "conductance" and np.isfinite(own).all():
            _, low, high, _ = bootstrap_mean(own, self.rows["clusters"][: len(own)], seed=self.facts["seed"])
        means = {column: _mean(runs) for column, runs in columns.items()}
        return {"layer": layer, "measure": measure, **means, "low": low, "high": high, "n": n}

    def worst(self, k: int = 3) -> np.ndarray:
        """Return the positions of the ``k`` rows whose primary maps are least alike."""
        return np.argsort(self.of(self.facts["primary"])["compressed"][0], kind="stable")[:k]

    def median(self, k: int = 3) -> np.ndarray:
        """Return the positions of the ``k`` rows in the middle of the order by similarity."""
        order = np.argsort(self.of(self.facts["primary"])["compressed"][0], kind="stable")
        start = max(0, (len(order) - k) // 2)
        return order[start : start + k]

    @property
    def summary(self) -> str:
        """The verdict in one paragraph."""
        return str(self.verdict)

    def plot(self) -> Figure:
        """Draw where the compressed model stands, one axis a method."""
        from ..plotting import comparisons

        return comparisons.standing(self)

    def to_html(self, path: str | Path) -> Path:
        """Write one self-contained page: the verdict, the table, the pictures."""
        from . import sheet

        return files.write_text(path, html.page(f"Verdict: {self.verdict.word}", *sheet.sections(self)))

    def save(self, path: str | Path) -> Path:
        """Write everything to one safetensors file."""
        words = {name: value for name, value in self.rows.items() if not isinstance(value, np.ndarray)}
        header = {"what": "comparison", "facts": self.facts, "words": words}
        return files.write_tensors(path, dict(_flat(self._tree())), header)

    def _tree(self) -> dict[str, Any]:
        named = {f"{m} {s}": columns for (m, s), columns in self.similarities.items()}
        merit = {
            m: {k: {"scores": a, "floor": np.asarray(b)} for k, (a, b) in s.items()}
            for m, s in self.merit.items()
        }
        return {"similarities": named, "kept": self.kept, "right": self.right, "maps": self.maps,
                "answers": self.answers, "merit": merit, "confidence": self.confidence, "layers": self.layers, "rules": self.rules,
                "rows": {name: value for name, value in self.rows.items() if isinstance(value, np.ndarray)}}  # fmt: skip

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read what :meth:`save` wrote."""
        tensors, header = files.read_tensors(path)
        if header.get("what") != "comparison":
            raise BadFile(
                f"{path} is not a comparison", "a file written by Comparison.save", "Check the path"
            )
        tree = _nested(tensors)
        facts = header["facts"]
        known = {tuple(k.split()): v for k, v in tree["similarities"].items()}
        tree["similarities"] = {
            (m, s): known[m, s] for m in facts["methods"] for s in SIMILARITIES if (m, s) in known
        }
        tree["rows"] |= {name: _tuples(value) for name, value in header["words"].items()}
        tree["maps"] = {name: tree["maps"][name] for name in SHOWN if name in tree["maps"]}
        tree["kept"] = {name: tree["kept"][name] for name in facts["conditions"]}
        tree["layers"] = {name: tree["layers"][name] for name in facts.get("layers", ())}
        tree["merit"] = {
            m: {k: (v["scores"], v["floor"]) for k, v in s.items()} for m, s in tree["merit"].items()
        }
        return cls(**tree, facts=facts)

    def __repr__(self) -> str:
        return f"Comparison({self.verdict.word}; {self.primary}; {self.facts['references']} references, n = {self.n})"

    def _repr_html_(self) -> str:
        from . import sheet

        return html.join(sheet.claim(self), html.table(self.table()))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _mean(runs: np.ndarray) -> float:
    return float(runs.mean()) if runs.size else float("nan")


def _flat(tree: dict[str, Any], prefix: str = "") -> Any:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _nested(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in tensors.items():
        *parents, leaf = name.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree
