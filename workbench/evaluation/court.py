"""``Court``: many methods explain the same rows and are asked the same questions, whose answers are known once.

How faithful is a map, by deletion and insertion? What does nonsense reach on these rows, and the same method
on a randomized model? Does the map stay where the input moves a little? What did it cost?
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data.records import Data, Split
from ..errors import BadInput, WorkbenchError
from ..explanation.checks import soundness
from ..explanation.door import explain
from ..explanation.result import Explanation
from ..explanation.score import class_scores
from ..state import generator, untouched
from ..zoo.holder import unwrap
from .axiomatic import relative_gap
from .behaviour import answers
from .controls import randomized
from .faithfulness import deletion, insertion
from .floors import of_inputs
from .judging import asked
from .similarities import similarity

QUESTIONS = {"deletion": deletion, "insertion": insertion}
NEAR = 1 / 3  # of the noise that comparisons add: a tenth of an image's range
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Trial:
    """What was measured of one method; a reason instead where it could not be.

    Attributes
    ----------
    scores
        Deletion and insertion, a mean probability an input, ``(inputs,)`` each.
    untrained
        The same of the method's maps of a randomized model; empty where there are none.
    stability
        Mean cosine of the maps of inputs and of noisy copies with the same answer, drawn anew.
    gap, error, fit
        Median completeness gap, a share of the output's difference; standard error of a value, in units of
        the output; weighted R² of a surrogate. NaN where the method promises none.
    evaluations, seconds
        For one input.
    word
        What the checks of the result say: sound, caution, broken.
    """

    method: str
    settings: str = ""
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    untrained: dict[str, np.ndarray] = field(default_factory=dict)
    stability: float = NAN
    gap: float = NAN
    error: float = NAN
    fit: float = NAN
    evaluations: float = NAN
    seconds: float = NAN
    word: str = ""
    reason: str = ""


class Court:
    """Rows of a model's test data, on which methods are tried.

    Parameters
    ----------
    model
        Any model; it comes back as it was.
    data, n
        The first ``n`` test rows are explained; training rows make the floors.
    seed
        Of everything random.
    """

    def __init__(self, model: Any, data: Data, n: int, seed: int) -> None:
        self.model, self.data, self.seed = unwrap(model), data, seed
        self.rows: Split = data.test[:n]
        outputs = class_scores(model, data.test[:2]).shape[1]
        # One score of two classes is read as a logit; one score of more or fewer is a number of its own.
        self.output = "raw" if outputs == 1 and data.n_classes != 2 else "centred_logit"
        self.unit = "output" if self.output == "raw" else "probability"
        self.evaluations = 0
        self._first: Explanation | None = None

    def tried(self, method: str, options: dict[str, Any]) -> Trial:
        """Return what is measured of a method.

        Parameters
        ----------
        method, options
            As for :func:`workbench.explain`.

        Raises
        ------
        WorkbenchError
            The method cannot explain these rows, or its values cannot be judged.
        """
        e = explain(
            self.model, self.rows, method, data=self.data, output=self.output, seed=self.seed, **options
        )
        if not np.isfinite(e.values).all():
            raise BadInput("The values hold NaN or infinite numbers", "finite values", "Look at the method")
        self._first = self._first or replace(e, settings={**e.settings, "baselines": None})
        n, error, fit = len(e), e.settings.get("error"), e.settings.get("fit")
        stability, warm = self._stability(e)
        trial = Trial(
            method, scores=self.judged(e.values), untrained=self._untrained(e), stability=stability,
            gap=NAN if e.delta is None else float(np.nanmedian(relative_gap(e))),
            error=NAN if error is None else float(np.nanmean(error)), fit=NAN if fit is None else float(np.nanmean(fit)),
            evaluations=e.n_forward / n, seconds=min(e.seconds, warm) / n, word=soundness(e.flags),
        )  # fmt: skip
        self.evaluations += 3 * e.n_forward  # and on the randomized model, and of the noisy copies
        return trial

    def judged(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return the answers to the questions for some maps, ``(inputs,)`` each."""
        score, space = self._asked
        with untouched(self.model, seed=self.seed):
            before = score.n_forward
            found = {name: question(score, space, values) for name, question in QUESTIONS.items()}
        self.evaluations += score.n_forward - before
        return found

    @cached_property
    def _asked(self) -> tuple[Any, Any]:
        if self._first is None:
            raise BadInput("Nothing was explained yet", "a method that can", "Try one")
        with untouched(self.model, seed=self.seed):
            return asked(self._first, self.model)

    @cached_property
    def nonsense(self) -> dict[str, dict[str, np.ndarray]]:
        """What maps of the inputs alone reach, by their name and question; empty before the first trial."""
        if self._first is None:
            return {}
        maps = of_inputs(self._first, self._asked[1], self.data, self.seed)
        return {name: self.judged(values) for name, values in maps.items()}

    @cached_property
    def _randomized(self) -> Any:
        return randomized(self.model, self.data, self.seed)

    def _untrained(self, e: Explanation) -> dict[str, np.ndarray]:
        """Return the scores of the same method on a randomized model; none where that cannot be explained."""
        try:
            values = e.replay(self._randomized).values
        except WorkbenchError:
            return {}
        return self.judged(values) if np.isfinite(values).all() else {}

    @cached_property
    def _near(self) -> tuple[np.ndarray, np.ndarray]:
        """Noisy copies of the inputs, and which of them differ from their original and have its answer."""
        assert self._first is not None
        _, space = self._asked
        noisy = space.noisy(generator(self.seed, 4))
        noisy = space.x + NEAR * (noisy - space.x) if space.spatial else noisy
        differs = (noisy != space.x).flatten(1).any(1).numpy(force=True)
        x = noisy.numpy(force=True)
        return x, differs & (answers(self.model, x, self._first.codec) == self._first.target)

    def _stability(self, e: Explanation) -> tuple[float, float]:
        """Return the mean cosine to maps of noisy copies, and the seconds of that call: the first may load a library."""
        noisy, stays = self._near
        again = replace(e, inputs=noisy, settings={**e.settings, "seed": self.seed + 1}).replay(self.model)
        if not stays.any():
            return NAN, again.seconds
        alike = similarity(e.values[stays], again.values[stays], metrics=("cosine",))["cosine"]
        return float(alike.mean()), again.seconds
