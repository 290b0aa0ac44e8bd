"""Every public function says in one sentence what it does, and the public face describes its arguments."""

import ast
import re

import pytest
from house import PACKAGE, Source, assert_kept, sources

SELDOM_SAID = {"self", "cls"}


def undescribed(source):
    """Yield the public functions and classes of a module whose docstring does not open with one sentence."""
    defined = [node for node in source.tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    for node in defined:
        if not node.name.startswith("_") and not opens_with_a_sentence(_doc(node)):
            yield node.lineno, f"{node.name}: the first line of its docstring is no sentence"


def opens_with_a_sentence(docstring):
    """Tell whether the first line stands alone and ends with a full stop."""
    first, _, rest = docstring.partition("\n")
    return first.endswith(".") and (not rest or rest.startswith("\n"))


def unexplained(function):
    """List the arguments of a function that the Parameters section of its docstring does not name."""
    docstring = _doc(function)
    section = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\w+\n-{3,}\n|\Z)", docstring, re.MULTILINE | re.DOTALL)
    a = function.args
    given = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
    names = [argument.arg for argument in given if argument and argument.arg not in SELDOM_SAID]
    heads = re.findall(r"^\*{0,2}\w.*$", section.group(1), re.MULTILINE) if section else []
    said = {name for head in heads for name in re.findall(r"\w+", head.split(" : ")[0])}
    return [name for name in names if name not in said]


def badly_underlined(docstring):
    """List the section headings whose underline is not as long as the heading."""
    found = re.findall(r"^(\w[\w ]*)\n(-{3,})$", docstring, re.MULTILINE)
    return [heading for heading, line in found if len(heading) != len(line)]


def public_face(stub, found):
    """Yield every public name with its definition; None where the named module does not define it."""
    modules = {s.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): s for s in found}
    for node in ast.parse(stub).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            body = modules[node.module].tree.body if node.module in modules else []
            defined = {part.name: part for part in body if isinstance(part, (ast.FunctionDef, ast.ClassDef))}
            yield alias.name, defined.get(alias.name)


def complaints(stub, found):
    """List what is missing in the docstrings of the public face."""
    for name, node in public_face(stub, found):
        if node is None:
            yield f"{name}: the module that the stub names does not define it"
            continue
        yield from (
            f"{name}: the underline of {h!r} has another length" for h in badly_underlined(_doc(node))
        )
        if isinstance(node, ast.FunctionDef):
            yield from (f"{name}: its Parameters do not name {argument}" for argument in unexplained(node))


def _doc(node):
    return ast.get_docstring(node) or ""


@pytest.mark.parametrize(
    "text",
    [
        "def load(): pass",
        "def load():\n    'Load data'",
        "def load():\n    '''Load data\n    by name.\n    '''",
        "class Data:\n    x = 1",
    ],
)
def test_a_missing_sentence_is_found(text):
    assert len(list(undescribed(Source("data/made_up.py", text)))) == 1


def test_a_sentence_and_what_is_private_are_left_alone():
    text = "def load():\n    '''Load data.\n\n    More of it.\n    '''\ndef _private(): pass\n"
    assert list(undescribed(Source("data/made_up.py", text))) == []


FIT = '''
def fit(model, data, *, epochs, lr, **rest):
    """Train a copy.

    Parameters
    ----------
    model
        Any module; data is not said here.
    epochs, lr : int
        How long, and how fast.
    **rest
        The rest.

    Returns
    -------
    data
        Not an argument.
    """
'''


def test_an_argument_without_a_word_is_found():
    assert unexplained(ast.parse(FIT).body[0]) == ["data"]
    assert unexplained(ast.parse("def f(x):\n    'Do.'").body[0]) == ["x"]
    assert unexplained(ast.parse("def f():\n    'Do.'").body[0]) == []


def test_an_underline_of_another_length_is_found():
    assert badly_underlined("Do.\n\nReturns\n----\nint") == ["Returns"]
    assert badly_underlined("Do.\n\nReturns\n-------\nint") == []


def test_a_public_name_without_a_definition_is_found():
    stub = "from .training import fit, train"
    found = list(complaints(stub, [Source("training.py", FIT)]))
    assert found == [
        "fit: its Parameters do not name data",
        "train: the module that the stub names does not define it",
    ]


def test_every_public_function_opens_with_a_sentence():
    assert_kept(undescribed)


def test_the_public_face_describes_its_arguments():
    found = list(complaints((PACKAGE / "__init__.pyi").read_text("utf-8"), sources()))
    assert not found, "\n".join(["incomplete", *found])
