"""Below the front door nobody asks what kind of data or which class of model it has before it."""

import ast

import pytest
from house import Source, assert_kept, sources

# The door and the two adapters are there to ask, and a result knows what it was made from.
DOOR = {"__init__", "door", "score", "space", "result", "registry", "checks"}


def asking(source):
    """Yield comparisons of ``.kind`` and questions for the class of a model."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Compare) and any(_is_kind(side) for side in [node.left, *node.comparators]):
            yield node.lineno, "compares .kind: ask the Space"
        if isinstance(node, ast.Match) and _is_kind(node.subject):
            yield node.lineno, "matches .kind: ask the Space"
    for node, name in source.calls:
        if name == "isinstance" and any(_is_module(source, part) for part in ast.walk(node.args[1])):
            yield node.lineno, "asks for the class of a model: ask the Score"


def _is_kind(node):
    return isinstance(node, ast.Attribute) and node.attr == "kind"


def _is_module(source, node):
    return source.name(node).endswith("nn.Module") or source.name(node) == "torch.nn.modules.module.Module"


def families(registry, stems):
    """List the modules that a registry's source names: the strings of its one tuple of module names."""
    tuples = [node for node in ast.walk(ast.parse(registry)) if isinstance(node, ast.Tuple) and node.elts]
    named = [{getattr(item, "value", None) for item in node.elts} for node in tuples]
    return next((names for names in named if names <= stems), set())


def below_the_door(found):
    """Choose the sources of methods and of metrics: what the registry names, else all but the door's own."""
    rooms = [s for s in found if s.room in {"explanation", "evaluation"}]
    registry = next((s.text for s in rooms if s.path == "explanation/registry.py"), "")
    named = families(registry, {_stem(s) for s in rooms})
    return [s for s in rooms if _stem(s) not in DOOR and (not named or _stem(s) in named or _declares(s))]


def _stem(source):
    return source.path.split("/")[-1].removesuffix(".py")


def _declares(source):
    """Tell whether a source holds a function under ``@method`` or ``@metric``."""
    functions = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)]
    marks = [mark.func for f in functions for mark in f.decorator_list if isinstance(mark, ast.Call)]
    return any(source.name(mark).rpartition(".")[2] in {"method", "metric"} for mark in marks)


@pytest.mark.parametrize(
    "text",
    [
        "if data.kind == 'image': pass",
        "x = 'text' != self.space.kind",
        "ok = data.kind in ('image', 'table')",
        "match data.kind:\n    case 'image': pass",
        "from torch import nn\nisinstance(model, nn.Module)",
        "import torch\nisinstance(model, (int, torch.nn.Module))",
        "from torch.nn import Module\nisinstance(model, Module)",
    ],
)
def test_a_question_is_found(text):
    assert len(list(asking(Source("explanation/gradients.py", text)))) == 1


@pytest.mark.parametrize("text", ["kind = data.kind", "from torch import nn\nisinstance(layer, nn.Conv2d)"])
def test_what_is_allowed_is_not_found(text):
    assert list(asking(Source("explanation/gradients.py", text))) == []


def test_the_family_modules_come_from_the_registry_where_it_names_them():
    registry = Source(
        "explanation/registry.py", "NEEDS = ('batch', 'gradient')\n_FAMILIES = ('gradients',)\n"
    )
    paths = ["explanation/gradients.py", "explanation/helper.py", "explanation/door.py", "zoo/holder.py"]
    metric = Source("evaluation/faithfulness.py", "@metric('deletion')\ndef deletion(): pass")
    rest = [Source(path, "") for path in paths]
    assert [s.path for s in below_the_door([registry, metric, *rest])] == [
        metric.path,
        "explanation/gradients.py",
    ]
    assert [s.path for s in below_the_door(rest)] == ["explanation/gradients.py", "explanation/helper.py"]


def test_nobody_below_the_door_asks():
    assert_kept(asking, below_the_door(sources()))
