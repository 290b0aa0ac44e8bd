"""How long does ``import workbench`` take, beside the libraries that it stands on?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from harness import Table, interleave, run

STATEMENTS = {
    "nothing (the interpreter)": "pass",
    "import workbench": "import workbench",
    "wb.explain (loads torch)": "import workbench as wb; wb.explain",
    "import torch": "import torch",
    "import captum.attr": "import captum.attr",
    "import lime": "import lime.lime_tabular, lime.lime_image",
    "import shap": "import shap",
}


def _interpreter(statement: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)


def measure() -> Table:
    """Time each statement in a fresh interpreter, caches warm."""
    timings = interleave({name: _interpreter(code) for name, code in STATEMENTS.items()}, repeats=5, warmup=1)
    empty = timings["nothing (the interpreter)"]
    rows = [
        {
            "statement": name,
            "seconds, median": timing.median,
            "quartiles": f"{timing.low:.3g} - {timing.high:.3g}",
            "beyond the interpreter": timing.median - empty.median,
        }
        for name, timing in timings.items()
    ]
    note = "A fresh process each, interleaved, five rounds after one that is not counted; files in the system's cache."
    return Table("What an import costs", rows, notes=[note])


if __name__ == "__main__":
    run(measure)
