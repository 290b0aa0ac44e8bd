"""What the panels share: a click is one message that carries what was on the screen, and is answered in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..errors import WorkbenchError

HERE = Path(__file__).parent
Action = Callable[[dict[str, Any]], dict[str, Any]]


def script(name: str) -> str:
    """Return the code of a panel in the browser, after what all of them share."""
    return "".join((HERE / part).read_text("utf-8") for part in ("panel.js", name))


class Panel(anywidget.AnyWidget):
    """A panel that shows ``item``, and answers a click by the action of the name that it carries.

    Parameters
    ----------
    item
        What is on the screen.
    actions
        By name: the message of a click ``->`` what is said back.
    """

    _css = HERE / "panel.css"
    item = traitlets.Dict().tag(sync=True)

    def __init__(self, item: dict[str, Any], actions: Mapping[str, Action]) -> None:
        self._actions = actions
        super().__init__(item=item)
        self.on_msg(self._heard)

    def _state(self) -> dict[str, Any]:
        """Return what every answer carries."""
        return {}

    def _heard(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Answer a click; whatever goes wrong is said in the panel."""
        try:
            reply = self._actions[message["do"]](message)
        except WorkbenchError as problem:
            reply = {"said": str(problem), "error": True}
        except Exception as problem:  # A callback's error is invisible otherwise.
            reply = {"said": f"Nothing was stored: {type(problem).__name__}: {problem}", "error": True}
        self.send({**reply, **self._state()})
