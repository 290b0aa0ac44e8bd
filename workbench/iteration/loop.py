"""The record of the loop: what people said, what it changed, and whether it held after compression."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .. import html
from ..errors import BadInput
from .feedback import Feedback

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

VERSIONS = ("clean", "with the shortcut", "repaired", "compressed", "compressed with keep")
NOBODY = "Nobody has marked or rated anything about this model: no ratings yet."


@dataclass(frozen=True, eq=False)
class Loop:
    """What people said, and a rehearsal of the loop with a planted shortcut in the same data.

    Attributes
    ----------
    rehearsal
        A row a version of :data:`VERSIONS`, as in :meth:`Refined.table`.
    planted
        What the shortcut is, in words.
    marked, of
        Training rows that a simulated reviewer marked, and how many there are.
    people
        ``decisions reviewers`` and ``ratings`` (their means), of a real store; empty where nobody decided anything.
    repaired
        The versions of the real model, where people marked rows of its training data.
    asked
        What a quiz found, in words; "" where nobody was asked.
    """

    rehearsal: list[dict[str, Any]]
    planted: str
    marked: int
    of: int
    people: dict[str, Any]
    repaired: list[dict[str, Any]]
    asked: str = ""

    def __post_init__(self) -> None:
        if missing := [name for name in VERSIONS if name not in {row["version"] for row in self.rehearsal}]:
            raise BadInput(
                f"The rehearsal lacks {missing[0]!r}",
                f"a row each of {', '.join(VERSIONS)}",
                "Judge all of them",
            )

    def table(self) -> pd.DataFrame:
        """Return a row a version of the rehearsal."""
        return _table(self.rehearsal)

    @property
    def sentence(self) -> str:
        """What may be said of the rehearsal, in one sentence with its numbers."""
        flips, right = (
            {name: f"{row[what]:.1%}" for name, row in self.table().iterrows()}
            for what in ("flips", "accuracy")
        )
        return (f"When only the planted shortcut changes, {flips['with the shortcut']} of the fooled net's answers do (of a clean net's, "
                f"{flips['clean']}); after {self.marked:,} of {self.of:,} training rows were marked, {flips['repaired']}; compressed "
                f"{flips['compressed']}, with the marks kept {flips['compressed with keep']}. Right are {right['with the shortcut']} before, "
                f"{right['repaired']} repaired, {right['compressed with keep']} compressed with keep, {right['clean']} of the clean net's.")  # fmt: skip

    def plot(self) -> Figure:
        """Draw how often each version's answers change with the shortcut alone, and how many are right."""
        from ..plotting import repairs

        return repairs.flips(self.table())

    @property
    def alt(self) -> str:
        """The picture in words."""
        return f"Flips and accuracy of {len(VERSIONS)} versions. {self.sentence}"

    def section(self) -> html.Markup:
        """Return the report's section."""
        from ..plotting.canvas import png

        parts = [html.paragraph(html.strong("What people said. "), self.said)]
        if self.repaired:
            parts.append(html.table(_readable(self.repaired), "This model, before and after people's marks"))
        parts += [html.paragraph(html.strong("What people foresee. "), self.asked or "Nobody was asked: see the quiz in notebook 05."),
                  html.paragraph(html.strong("A rehearsal: what would happen if they objected? "), f"Planted: {self.planted}. {self.sentence}"),
                  html.figure(png(self.plot()), self.alt, "Left: rows whose answer changes in at least half of ten exchanges of the part, with 95 % intervals. The reviewer of the rehearsal is simulated: it knows where the shortcut is.")]  # fmt: skip
        return html.section("What people said, what changed, whether it holds", *parts)

    @property
    def said(self) -> str:
        """What people said in all, in a sentence."""
        if not self.people:
            return NOBODY
        rated = (
            ", ".join(f"{name} {value:.1f} of 5" for name, value in self.people["ratings"].items())
            or "no ratings yet"
        )
        return f"{self.people['decisions']:,} decisions of {len(self.people['reviewers'])} people ({', '.join(self.people['reviewers'])}); {rated}."

    def plain(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Loop:
        """Return what :meth:`plain` wrote."""
        return cls(**plain)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return html.join(html.paragraph(html.strong(self.sentence)), html.table(_readable(self.rehearsal)))


SHOWN = {"accuracy": "right, shortcut moved", "without shortcut": "right, shortcut removed", "flips": "answers changed with the part alone",
         "mostly flipped": "rows mostly changed", "low": "low", "high": "high", "hidden": "logit moved when hidden"}  # fmt: skip


def people_of(feedback: Feedback | None) -> dict[str, Any]:
    """Return what a store says in all, or nothing where there is none or nobody decided anything."""
    table = feedback.table() if feedback is not None and len(feedback) else None
    if table is None:
        return {}
    ratings = {
        name: float(table[name].dropna().mean())
        for name in ("understandable", "matches")
        if table[name].notna().any()
    }
    return {"decisions": len(table), "reviewers": sorted(table["reviewer"].unique()), "ratings": ratings}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows).set_index("version")


def _readable(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return versions as they are read: of data without a known shortcut nobody knows what it is like without it."""
    table = _table(rows)
    return table[[name for name in SHOWN if name in table]].rename(columns=SHOWN).round(3)
