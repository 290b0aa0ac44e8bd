"""Every error says what is wrong, what was expected and what to do, and is a builtin as well."""

import copy
import pickle

import pytest

from workbench import errors
from workbench.errors import (
    BadFile,
    BadInput,
    NotExplainable,
    RunFailed,
    TooFew,
    UnknownName,
    WorkbenchError,
    unknown,
)

BUILTINS = {
    BadInput: ValueError,
    UnknownName: LookupError,
    BadFile: OSError,
    NotExplainable: TypeError,
    RunFailed: RuntimeError,
}
every_error = pytest.mark.parametrize("kind", BUILTINS, ids=lambda kind: kind.__name__)


def test_every_child_is_tested_here():
    children = {e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, WorkbenchError)}
    assert children - {WorkbenchError, TooFew} == set(BUILTINS)


def test_too_few_samples_say_how_many_would_do():
    problem = TooFew("n_samples is 3", 8, "Raise it")
    for one in (problem, pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        assert one.least == 8 and isinstance(one, BadInput)
        assert str(one) == "n_samples is 3. Expected: at least 8. Raise it."


@every_error
def test_the_three_parts_become_three_sentences(kind):
    problem = kind("target is 10", "a class from 0 to 9", "Check the class")
    assert str(problem) == "target is 10. Expected: a class from 0 to 9. Check the class."
    assert (problem.wrong, problem.expected, problem.todo) == (
        "target is 10",
        "a class from 0 to 9",
        "Check the class",
    )


@every_error
def test_a_part_that_ends_itself_gets_no_second_full_stop(kind):
    assert str(kind("It stopped.", "an end", "Is it there?")) == "It stopped. Expected: an end. Is it there?"


@every_error
def test_an_error_is_ours_and_a_builtin(kind):
    for caught in (WorkbenchError, BUILTINS[kind]):
        with pytest.raises(caught, match="what was wrong"):
            raise kind("what was wrong", "what is right", "what to do")


@every_error
def test_two_parts_are_not_enough(kind):
    with pytest.raises(TypeError):
        kind("what was wrong", "what is right")


@every_error
@pytest.mark.parametrize(
    "again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"]
)
def test_an_error_survives_the_way_to_another_process(kind, again):
    problem = again(kind("what was wrong", "what is right", "what to do"))
    assert type(problem) is kind
    assert str(problem) == "what was wrong. Expected: what is right. what to do."
    assert problem.todo == "what to do"


def test_an_unknown_name_is_answered_with_all_and_the_nearest():
    problem = unknown("method", "occlusoin", ["saliency", "occlusion", "lime"])
    assert isinstance(problem, UnknownName)
    assert problem.wrong == "There is no method called 'occlusoin'"
    assert problem.expected == "one of lime, occlusion, saliency"
    assert problem.todo == "Did you mean 'occlusion'?"


def test_a_name_that_is_near_to_nothing_gets_no_guess():
    problem = unknown("method", "zzz", {"saliency": 1, "lime": 2})
    assert problem.todo == "Choose a method from the list"


def test_a_name_that_is_no_string_is_unknown_too():
    assert "called None" in str(unknown("model", None, ["mlp"]))
