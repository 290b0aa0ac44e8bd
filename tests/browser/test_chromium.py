"""A machine without chromium is told how to get it; nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

from house import ROOT

HERE = Path(__file__).parent


def test_a_missing_chromium_is_an_error_that_says_how_to_get_it():
    test = f"{HERE / 'test_lab.py'}::test_an_error_is_found"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", test]
    answer = subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": ""}, capture_output=True, text=True)
    assert "1 error in" in answer.stdout
    assert "There is no chromium on this machine: `make browser` installs it" in answer.stdout
