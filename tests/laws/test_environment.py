"""One set of versions: pyproject.toml, constraints.txt and environment.yml name the same packages."""

import re
import tomllib

import yaml
from house import ROOT

# What conda-forge calls by another name.
CONDA = {"pytorch": "torch"}


def plain(name):
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text):
    """Read a constraints file: package -> version. A line that is no exact pin is an error."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line) for line in lines]
    wrong = [line for line, match in zip(lines, matches, strict=True) if not match]
    assert not wrong, f"not an exact pin: {wrong}"
    return {plain(match[1]): match[2] for match in matches}


def declared(pyproject):
    """List what the package and its test extra ask for by name."""
    project = tomllib.loads(pyproject)["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return {plain(re.match(r"[A-Za-z0-9._-]+", name).group()) for name in asked}


def conda(text):
    """Read an environment file: package -> version, those from pip included."""
    entries = yaml.safe_load(text)["dependencies"]
    from_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    pairs = [re.split("=+", entry) for entry in [*(e for e in entries if isinstance(e, str)), *from_pip]]
    return {plain(CONDA.get(name, name)): version[0] if version else "" for name, *version in pairs}


def differences(pyproject, constraints, environment):
    """List where the three files disagree."""
    asked, pinned, solved = declared(pyproject), pins(constraints), conda(environment)
    solved.pop("pip", None)
    solved.pop("python", None)
    return [
        *(f"{name} has no pin" for name in sorted(asked - set(pinned))),
        *(f"{name} is not in environment.yml" for name in sorted(asked - set(solved))),
        *(f"{name} is in environment.yml alone" for name in sorted(set(solved) - asked)),
        *(
            f"{n}: {solved[n]}, pinned {pinned[n]}"
            for n in sorted(solved)
            if n in pinned and pinned[n] != solved[n]
        ),
    ]


PROJECT = (
    '[project]\ndependencies = ["torch", "lazy_loader"]\noptional-dependencies.test = ["pytest>=9", "nbval"]'
)
PINNED = "torch==2.13.0\nlazy-loader==0.6\npytest==9.2.0\n"
SOLVED = "dependencies: [python=3.11, pytorch=2.12.0, pytest=9.2.0, tqdm=4.0, {pip: [lazy_loader==0.6]}]"


def test_every_kind_of_difference_is_found():
    assert differences(PROJECT, PINNED, SOLVED) == [
        "nbval has no pin",
        "nbval is not in environment.yml",
        "tqdm is in environment.yml alone",
        "torch: 2.12.0, pinned 2.13.0",
    ]


def test_the_three_files_agree():
    files = [
        (ROOT / name).read_text("utf-8") for name in ("pyproject.toml", "constraints.txt", "environment.yml")
    ]
    assert differences(*files) == []


def test_torch_is_pinned_without_a_build():
    assert pins((ROOT / "constraints.txt").read_text("utf-8"))["torch"] == "2.13.0"


def test_the_environment_has_the_python_that_the_tests_run_on():
    text = (ROOT / "environment.yml").read_text("utf-8")
    assert conda(text)["python"] == "3.11"
