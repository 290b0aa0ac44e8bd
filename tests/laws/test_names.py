"""No public name is the name of a module, and a folder's ``__init__`` holds nothing but a docstring."""

import ast

from house import PACKAGE, Source, assert_kept, sources


def public_names(stub):
    """List what a stub file imports, or lists in ``__all__``."""
    tree = ast.parse(stub)
    given = {a.asname or a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
    listed = {
        item.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
        for item in node.value.elts
    }
    return given | listed


def module_names(paths):
    """List the names that the import of anything below the package binds somewhere: folders and modules."""
    parts = {part.removesuffix(".py") for path in paths for part in path.split("/")}
    return parts - {"__init__", "__main__"}


def collisions(stub, paths):
    """List the public names that an import of the module of that name would replace."""
    return sorted(public_names(stub) & module_names(paths))


def more_than_a_docstring(source):
    """Yield what the ``__init__`` of a folder holds beside its docstring."""
    folder = source.path.endswith("/__init__.py")
    body = source.tree.body
    if folder and not ast.get_docstring(source.tree):
        yield 1, "has no docstring"
    for node in body if folder else ():
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield node.lineno, "holds more than a docstring"


def test_a_collision_is_found():
    stub = "from .explanation.door import explain, methods\n__all__ = ['explain', 'methods', 'run']\n"
    paths = ["explanation/__init__.py", "explanation/methods.py", "run/engine.py"]
    assert collisions(stub, paths) == ["methods", "run"]


def test_code_in_the_init_of_a_folder_is_found():
    assert list(more_than_a_docstring(Source("zoo/__init__.py", '"""The zoo."""\nfrom . import storage\n')))
    assert list(more_than_a_docstring(Source("zoo/__init__.py", "")))
    assert not list(more_than_a_docstring(Source("zoo/__init__.py", '"""The zoo."""\n')))


def test_no_public_name_is_the_name_of_a_module():
    stub = (PACKAGE / "__init__.pyi").read_text("utf-8")
    assert public_names(stub)
    assert collisions(stub, [source.path for source in sources()]) == []


def test_the_init_of_a_folder_holds_only_a_docstring():
    assert_kept(more_than_a_docstring)


def test_every_folder_of_sources_has_an_init():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
