"""``explore``: a panel that explains one input after the other, of one model or of an original and its compressed form."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw
import numpy as np
from torch import nn

from .. import html
from ..data.records import Data
from ..errors import BadInput, WorkbenchError
from ..evaluation.sheet import SIMILAR
from ..evaluation.similarities import similarity
from ..explanation.door import explain
from ..explanation.registry import methods as known_methods
from ..explanation.result import Explanation
from ..plotting import couples
from ..plotting.canvas import png
from ..zoo.holder import unwrap

OWN = "the answer of the first model"
FIRST = "integrated_gradients"
NO_MAP = (
    "attention",
    "decision_path",
    "prototypes",
    "activation",
    "exact_shapley",
)  # no map of one input on a common scale
TICK = 0.2  # seconds between two looks at the clock


class Explorer(ipw.VBox):
    """The panel of :func:`explore`.

    A click carries its choices into a worker; what comes back is shown only if nothing newer was asked for. ``.shown`` holds
    the explanations on the screen, by the model's name.
    """

    def __init__(self, models: Mapping[str, Any], data: Data, split: str) -> None:
        self.models, self.data, self.rows = dict(models), data, data.splits[split]
        self.shown: dict[str, Explanation] = {}
        self.worker: threading.Thread | None = None
        self._number = 0
        # Held from asking whether a question is the newest one until that is acted on.
        self._turn = threading.RLock()
        able = [set(_able(model, data)) for model in self.models.values()]
        names = sorted(set.intersection(*able))
        if not names:
            raise BadInput(
                "No method explains all of these models",
                "models that a common method explains",
                "Look at wb.methods(model, data)",
            )
        self.at = ipw.BoundedIntText(
            value=0, min=0, max=len(self.rows) - 1, description="Input", layout={"width": "160px"}
        )
        self.back, self.on = ipw.Button(description="Previous"), ipw.Button(description="Next")
        self.target = ipw.Dropdown(options=[OWN, *data.class_names], description="Class")
        self.method = ipw.Dropdown(
            options=names, value=FIRST if FIRST in names else names[0], description="Method"
        )
        self.options = ipw.Text(
            placeholder="n_steps=20, output='centred_logit'", description="Options", layout={"width": "420px"}
        )
        self.start = ipw.Button(description="Explain", button_style="primary")
        self.cancel = ipw.Button(description="Cancel", disabled=True)
        self.said = ipw.HTML()
        self.picture = ipw.Image(
            format="png", layout={"max_width": "100%", "width": "auto", "align_self": "flex-start"}
        )
        super().__init__([ipw.HBox([self.at, self.back, self.on, self.target]), ipw.HBox([self.method, self.options]),
                          ipw.HBox([self.start, self.cancel]), self.said, self.picture])  # fmt: skip
        self.add_class("wb-explore")
        for button, name in (
            (self.start, "wb-explain"),
            (self.cancel, "wb-cancel"),
            (self.on, "wb-on"),
            (self.back, "wb-back"),
            (self.said, "wb-said"),
        ):
            button.add_class(name)
        self.start.on_click(lambda _: self.run())
        self.cancel.on_click(lambda _: self.stop())
        self.on.on_click(lambda _: self._go(1))
        self.back.on_click(lambda _: self._go(-1))
        self._say("Choose an input and a method, then press Explain (Tab and Enter do it too).")

    def _go(self, step: int) -> None:
        self.at.value = int(np.clip(self.at.value + step, self.at.min, self.at.max))
        self.run()

    def _say(self, text: str, wrong: bool = False) -> None:
        self.said.value = str(html.note(text, tone="moved" if wrong else "neutral"))

    def run(self) -> None:
        """Explain what is chosen now, in the background; an older question is dropped."""
        self.stop(quietly=True)
        try:
            asked = {"method": self.method.value, **_options(self.options.value)}
        except BadInput as problem:
            self._say(str(problem), wrong=True)
            return
        choice = None if self.target.value == OWN else list(self.data.class_names).index(self.target.value)
        with self._turn:
            self._number += 1
            number, self.cancel.disabled = self._number, False
        self.worker = threading.Thread(
            target=self._work, args=(number, int(self.at.value), choice, asked), daemon=True
        )
        self.worker.start()
        threading.Thread(target=self._watch, args=(self.worker, number), daemon=True).start()

    def stop(self, quietly: bool = False) -> None:
        """Give up what is being explained; what was on the screen stays."""
        with self._turn:
            self._number += 1
            if self.worker is not None and self.worker.is_alive() and not quietly:
                self._say("Cancelled. What was on the screen stays.")
            self.cancel.disabled = True

    def _watch(self, worker: threading.Thread, number: int) -> None:
        """Say how long a question takes, while it is the newest one."""
        started = time.monotonic()
        while worker.is_alive():
            with self._turn:
                if number != self._number:
                    return
                self._say(f"Working for {time.monotonic() - started:.0f} s ...")
            worker.join(TICK)

    def _work(self, number: int, at: int, choice: int | None, asked: dict[str, Any]) -> None:
        """Explain one input by every model; whatever goes wrong is said in the panel."""
        try:
            found = self._explained(number, at, choice, asked)
            picture, text = _drawn(found), self._told(at, found)
        except KeyboardInterrupt:
            return
        except WorkbenchError as problem:
            self._failed(number, str(problem))
        except Exception as problem:  # A thread's error is invisible otherwise.
            self._failed(number, f"{type(problem).__name__}: {problem}")
        else:
            with self._turn:
                if number == self._number:
                    self.shown, self.picture.value, self.said.value = found, picture, text
                    self.stop(quietly=True)

    def _failed(self, number: int, text: str) -> None:
        with self._turn:
            if number == self._number:
                self._say(text, wrong=True)
                self.stop(quietly=True)

    def _explained(
        self, number: int, at: int, choice: int | None, asked: dict[str, Any]
    ) -> dict[str, Explanation]:
        row, target = self.rows[[at]], choice
        found = {}
        for name, model in self.models.items():
            with self._stoppable(model, number):
                found[name] = explain(model, row, data=self.data, target=target, **asked)
            target = target if target is not None else int(found[name].target[0])  # type: ignore[index]
        return found

    @contextmanager
    def _stoppable(self, model: Any, number: int) -> Iterator[None]:
        """Let a network stop before its next forward when something newer was asked for, and put everything back."""

        def look(*_: Any) -> None:
            if number != self._number:
                raise KeyboardInterrupt

        look()
        net = unwrap(model)
        hook = net.register_forward_pre_hook(look) if isinstance(net, nn.Module) else None
        try:
            yield
        finally:
            if hook is not None:
                hook.remove()

    def _told(self, at: int, found: dict[str, Explanation]) -> str:
        """Return what stands above the picture: class, output, time and flags of each, and how alike two are."""
        names = self.data.class_names
        rows = [{"model": name, "explained class": names[int(e.target[0])], "output": f"{float(e.output[0]):.3f} ({e.settings['output']})",  # type: ignore[index]
                 "time": f"{1000 * e.seconds:.0f} ms", "found": "; ".join(f"{k}: {v}" for k, v in e.flags.items()) or "nothing"}
                for name, e in found.items()]  # fmt: skip
        facts = {"input": f"{at}, row {self.rows.row_ids[at]}, class {names[int(self.rows.y[at])]}"}
        if len(found) == 2:
            scores = similarity(*found.values())
            facts["alike"] = ", ".join(
                f"{said} {float(scores[name][0]):.3f}" for name, said in SIMILAR.items()
            )
        import pandas as pd

        return html.record("Explained", facts, html.table(pd.DataFrame(rows).set_index("model")))


def explore(models: Any, data: Data, *, split: str = "test") -> Explorer:
    """Return a panel that explains inputs one after the other, of one model, or of two on one scale.

    The work is done in the background, can be cancelled, and says how long it takes; errors are shown in the panel.

    Parameters
    ----------
    models
        A model; a dict of one or two by name; or a ``Compressed``, which is shown beside its original.
    data
        Whose rows are explained.
    split
        "test", "valid" or "train".

    Returns
    -------
    Explorer
        A widget; show it as the last line of a cell.

    Raises
    ------
    BadInput
        More than two models, no rows, or no method that explains all of them.
    """
    if not isinstance(data, Data) or split not in data.splits or not len(data.splits[split]):
        raise BadInput(
            f"There are no rows to explore in {split!r}",
            "Data with rows in 'test', 'valid' or 'train'",
            "Choose another split",
        )
    named = _named(models)
    if not 1 <= len(named) <= 2:
        raise BadInput(
            f"{len(named)} models were given", "one, or two to be shown on one scale", "Choose two of them"
        )
    return Explorer(named, data, split)


def _named(models: Any) -> dict[str, Any]:
    if isinstance(models, Mapping):
        return {str(name): model for name, model in models.items()}
    if hasattr(models, "original"):
        return {"original": models.original, "compressed": models}
    return {"model": models}


def _able(model: Any, data: Data) -> list[str]:
    """Return the methods that give attributions of this model's inputs."""
    table = known_methods(unwrap(model), data)
    return [
        str(name) for name in table.index[table["can"] & (table["scope"] == "local")] if name not in NO_MAP
    ]


def _options(text: str) -> dict[str, Any]:
    """Read options such as ``n_steps=20``: plain values only, nothing is executed.

    Examples
    --------
    >>> _options("window=(4, 4), output='logit'")
    {'window': (4, 4), 'output': 'logit'}
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise ValueError("not of the form name=value")
        found = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as problem:
        raise BadInput(
            f"The options {text!r} cannot be read ({problem})", "name=value, name=value", "Write n_steps=20"
        ) from problem
    for taken in ("method", "target", "data"):
        if taken in found:
            raise BadInput(
                f"{taken} stands among the options", "options of the method", f"Choose the {taken} above"
            )
    return found


def _drawn(found: dict[str, Explanation]) -> bytes:
    if len(found) == 2:
        return png(couples.draw(*found.values(), labels=list(found)))
    return png(next(iter(found.values())).plot())
