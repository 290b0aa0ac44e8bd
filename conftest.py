"""For every stage of the tests, doctests and notebooks included."""

import os

# Two workers with two threads each are slower than either alone; set before anything loads torch or numpy.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collectstart(collector):
    """Keep nbval from comparing the HTML of tables, whose ids and spacing change from run to run."""
    if getattr(collector, "skip_compare", None):
        collector.skip_compare += ("text/html",)
