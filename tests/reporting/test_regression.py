"""``workbench check``: two model files in, one of four words and an exit code out."""

import json
import sys

import pytest

import workbench as wb
from workbench import cli
from workbench.errors import BadInput
from workbench.evaluation import verdict
from workbench.evaluation.known_pairs import swapped_answers
from workbench.reporting import regression

ASKED = {"n": 120, "references": 2, "verbose": False}


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=600, valid=60, test=150)


@pytest.fixture(scope="module")
def saved(trained, few, tmp_path_factory):
    """A net, itself once more, and one with other answers, as files."""
    folder = tmp_path_factory.mktemp("models")
    fitted = trained("mlp", few, sizes={"hidden": [24]}, epochs=6, lr=3e-3, seed=0)
    wb.save(fitted, folder / "reference.safetensors")
    wb.save(fitted, folder / "same.safetensors")
    other = swapped_answers(fitted.model)
    other.spec, other.recipe = fitted.model.spec, fitted.model.recipe
    wb.save(other, folder / "other.safetensors")
    return folder


@pytest.fixture(scope="module")
def same(saved, few):
    return regression.checked(saved / "reference.safetensors", saved / "same.safetensors", few, **ASKED)


@pytest.fixture(scope="module")
def other(saved, few):
    return regression.checked(saved / "reference.safetensors", saved / "other.safetensors", few, **ASKED)


def test_a_copy_shows_no_sign_and_other_answers_are_a_move(same, other):
    assert (same.verdict.word, same.verdict.exit_code) == (verdict.NO_SIGN, 0)
    assert (other.verdict.word, other.verdict.exit_code) == (verdict.MOVED, 1)


def test_it_says_which_statistic_decided_against_which_margin(other):
    text, table = regression.told(other), regression.statistics(other)
    assert text.startswith("moved (evidence: weak; exit code 1)")
    assert table["name"].iloc[0] == "similarity of occlusion maps" and len(table) == 5
    assert (table["zone"] == "below").any()
    for name in table["name"]:
        assert name in text
    assert "the larger of (the sham's mean - .05)" in text


def test_a_margin_that_was_given_is_said(saved, few):
    c = regression.checked(
        saved / "reference.safetensors", saved / "same.safetensors", few, margin=0.5, **ASKED
    )
    assert regression.statistics(c)["margin"].iloc[0] == 0.5
    assert "similarity: given, .500" in regression.told(c)


def test_a_machine_reads_the_same(same, tmp_path):
    read = json.loads(regression.write_record(same, tmp_path / "check.json").read_text())
    assert (read["word"], read["exit_code"]) == (same.verdict.word, 0)
    assert read["statistics"][0]["margin"] == pytest.approx(same.primary.margin)
    assert read["fingerprints"] == same.facts["fingerprints"] and read["n"] == 120
    assert read["method"]["strides"] == same.facts["methods"]["occlusion"]["strides"]


def test_without_data_those_of_the_reference_are_taken_and_unknown_ones_asked_for(saved, tmp_path):
    model = wb.load_model(saved / "reference.safetensors")
    assert regression._named(model, saved) == "mnist"
    model.recipe = {**model.recipe, "data": "mine"}
    wb.save(model, tmp_path / "mine.safetensors")
    with pytest.raises(BadInput, match=r"trained on .mine.*--csv"):
        regression.checked(tmp_path / "mine.safetensors", saved / "same.safetensors", references=0, n=5)


def test_the_exit_code_is_the_verdicts(saved, monkeypatch, capsys, tmp_path, few):
    monkeypatch.setattr(regression, "load", lambda name: few)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    asked = [
        "--n",
        "20",
        "--references",
        "0",
        "--json",
        str(tmp_path / "c.json"),
        "--page",
        str(tmp_path / "c.html"),
    ]
    files = [str(saved / "reference.safetensors"), str(saved / "same.safetensors")]
    monkeypatch.setattr(sys, "argv", ["workbench", "check", *files, *asked])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "cannot tell (evidence: weak; exit code 3)" in capsys.readouterr().out
    assert json.loads((tmp_path / "c.json").read_text())["exit_code"] == 3
    assert "cannot tell" in (tmp_path / "c.html").read_text()


def test_a_file_that_is_no_model_ends_with_code_2(monkeypatch, capsys, tmp_path):
    (tmp_path / "a.safetensors").write_text("nothing")
    monkeypatch.setattr(sys, "argv", ["workbench", "check", str(tmp_path / "a.safetensors"), "b.safetensors"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "Expected: " in capsys.readouterr().err
