"""What is dangerous has one place: writing files, global state, HTML and matplotlib."""

import ast
import re

import pytest
from house import Source, assert_kept

OPENERS = {"open", "fdopen", "memmap", "open_memmap"}
WRITERS = {
    "json": {"dump"},
    "joblib": {"dump"},
    "nbformat": {"write"},
    "numpy": {"save", "savez", "savez_compressed", "savetxt"},
    "os": {"rename", "replace"},
    "pickle": {"dump"},
    "safetensors.numpy": {"save_file"},
    "safetensors.torch": {"save_file"},
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move"},
    "tempfile": {"NamedTemporaryFile", "mkstemp"},
    "torch": {"save"},
    "torch.jit": {"save"},
}
TO_A_PATH = {"to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "tofile", "savefig"}

SETTERS = {
    "numpy": {"seterr"},
    "numpy.random": {"seed", "set_state"},
    "os": {"putenv"},
    "random": {"seed", "setstate"},
    "torch": {
        *("manual_seed", "seed", "set_rng_state", "set_num_threads", "set_num_interop_threads"),
        *("set_default_device", "set_default_dtype", "set_flush_denormal", "use_deterministic_algorithms"),
    },
    "torch.cuda": {"manual_seed", "manual_seed_all", "set_rng_state"},
    "torch.random": {"manual_seed", "seed", "set_rng_state"},
}
MAKERS = {"bare_copy", "convert_fx", "deepcopy", "build", "from_spec", "twin"}
GLOBALS = ("torch.backends.", "os.environ")

TAGS = (
    "html|head|body|meta|link|style|script|title|main|header|footer|section|article|nav|div|span|p|pre|code|h[1-6]|"
    "ul|ol|li|dl|dt|dd|table|thead|tbody|tr|td|th|caption|figure|figcaption|img|svg|canvas|br|hr|a|b|i|em|strong|"
    "small|sup|sub|details|summary|button|input|label|select|option|iframe"
)
TAG = re.compile(rf"</?(?:{TAGS})(?=[\s/>]|$)", re.IGNORECASE)


def writing(source):
    """Yield the calls that write a file, outside ``files.py``."""
    if source.path == "files.py":
        return
    for node, name in source.calls:
        last = name.rpartition(".")[2]
        if (
            _listed(name, WRITERS)
            or (last in OPENERS and _mode(node))
            or (last in TO_A_PATH and not _in_memory(node))
            or (last in {"write_text", "write_bytes"} and not name.startswith("workbench.files."))
        ):
            yield node.lineno, f"{last} writes a file: ask workbench.files"


def _listed(name, table):
    home, _, last = name.rpartition(".")
    return last in table.get(home, ())


def _mode(call):
    """Tell whether any argument of a call is a mode that writes, such as "wb" or "a"."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(re.fullmatch(r"(?=.*[wax+])[rwaxbt+]{1,3}", text) for text in texts)


def _in_memory(call):
    """Tell whether a writer returns its text, or fills something that is called a buffer."""
    where = [*call.args[:1], *(k.value for k in call.keywords if k.arg in {"fname", "path_or_buf"})]
    return all(isinstance(node, ast.Name) and node.id.endswith("buffer") for node in where)


def setting(source):
    """Yield what changes global state, outside ``state.py``."""
    if source.path == "state.py":
        return
    for node, name in source.calls:
        if _listed(name, SETTERS):
            yield node.lineno, f"{name} changes global state: ask workbench.state"
    for node, target in _assigned(source.tree):
        if f"{source.name(target)}".startswith(GLOBALS):
            yield node.lineno, f"{source.name(target)} is global state: ask workbench.state"


def switching(source):
    """Yield what changes a model's mode, outside ``state.py``, the zoo and the training loop.

    What was made in the same breath, such as ``copy.deepcopy(model).eval()``, is nobody else's yet.
    """
    if source.room in {"state", "zoo", "training"}:
        return
    for node, name in source.calls:
        switch = re.fullmatch(r".+\.(eval|train)", name) and all(
            isinstance(a, ast.Constant) for a in node.args
        )
        if switch and not _new(source, node.func.value):
            yield (
                node.lineno,
                f".{node.func.attr}() changes a model's mode: ask workbench.state, or copy first",
            )
    for node, target in _assigned(source.tree):
        if isinstance(target, ast.Attribute) and target.attr == "training":
            yield node.lineno, "a model's mode is assigned: ask workbench.state"


def _new(source, node):
    return isinstance(node, ast.Call) and source.name(node.func).rpartition(".")[2] in MAKERS


def _assigned(tree):
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield node, target.value if isinstance(target, ast.Subscript) else target


def tagging(source):
    """Yield the string literals that hold HTML tags, outside ``html.py`` and templates; docstrings may."""
    if source.path == "html.py" or "templates/" in source.path:
        return
    docstrings = {id(node.value) for node in ast.walk(source.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(source.tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
        if isinstance(text, str) and (tag := TAG.search(text)):
            yield node.lineno, f"{tag.group()} is HTML: ask workbench.html"


def drawing(source):
    """Yield the imports of matplotlib outside ``plotting/``."""
    if source.room != "plotting":
        for line, target, _ in source.imports:
            if target.split(".")[0] in {"matplotlib", "mpl_toolkits", "seaborn"}:
                yield line, "imports matplotlib: ask workbench.plotting"


BAD = {
    writing: [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('x')",
        "import os\nos.fdopen(handle, 'wb')",
        "path.write_text(text)",
        "from pathlib import Path\nPath('a').write_bytes(b'')",
        "import numpy as np\nnp.savez_compressed(path, x=x)",
        "import numpy\nnumpy.save(path, x)",
        "import torch\ntorch.save(model, path)",
        "from torch import save as keep\nkeep(model, path)",
        "from safetensors.torch import save_file\nsave_file(tensors, path)",
        "frame.to_csv(path)",
        "frame.to_json(path_or_buf='a.json')",
        "figure.savefig('a.png')",
        "import json\njson.dump(content, file)",
        "import os\nos.replace(a, b)",
    ],
    setting: [
        "import torch\ntorch.manual_seed(0)",
        "from torch import manual_seed\nmanual_seed(0)",
        "import numpy as np\nnp.random.seed(0)",
        "import random\nrandom.seed(0)",
        "import torch as t\nt.set_num_threads(1)",
        "import torch\ntorch.use_deterministic_algorithms(True)",
        "import torch\ntorch.backends.quantized.engine = 'x86'",
        "import os\nos.environ['A'] = 'b'",
    ],
    switching: [
        *("model.eval()", "model.train(False)", "self.model.train()", "unwrap(model).eval()"),
        "module.training = True",
    ],
    tagging: ['x = "<td>"', 'x = f"<div class={name}>"', 'x = "</table>"', 'x = "one<br/>two"'],
    drawing: [
        "import matplotlib.pyplot as plt",
        "from matplotlib.figure import Figure",
        "def draw():\n    import matplotlib",
    ],
}

GOOD = {
    writing: [
        "open(path)",
        "path.open('rb')",
        "from .. import files\nfiles.write_text(path, text)",
        "from ..files import write_bytes\nwrite_bytes(path, content)",
        "text = frame.to_csv()",
        "figure.savefig(buffer, format='png')",
        "import json\njson.dumps(content)",
        "name.replace('a', 'b')",
    ],
    setting: [
        "import torch\ntorch.Generator().manual_seed(0)",
        "import numpy as np\nnp.random.default_rng(0)",
        "import os\nhome = os.environ['HOME']",
        "import torch\nengine = torch.backends.quantized.engine",
    ],
    switching: [
        *("frame.eval(expression)", "data.train.x", "if model.training: pass"),
        "import copy\ncopy.deepcopy(model).eval()",
    ],
    tagging: ['"""Return <td>."""', 'x = "<pad>"', 'x = "a < b"', 'x = "List<int>"'],
    drawing: ["from ..plotting import maps"],
}


@pytest.mark.parametrize(("law", "text"), [(law, text) for law, texts in BAD.items() for text in texts])
def test_a_breach_is_found(law, text):
    assert len(list(law(Source("compression/made_up.py", text)))) == 1


@pytest.mark.parametrize(("law", "text"), [(law, text) for law, texts in GOOD.items() for text in texts])
def test_what_is_allowed_is_not_found(law, text):
    assert list(law(Source("compression/made_up.py", text))) == []


@pytest.mark.parametrize(
    ("law", "home"),
    [
        (writing, "files.py"),
        (setting, "state.py"),
        (switching, "zoo/networks.py"),
        (switching, "training.py"),
        (tagging, "html.py"),
        (drawing, "plotting/maps.py"),
    ],
)
def test_a_law_does_not_hold_at_home(law, home):
    assert not any(list(law(Source(home, text))) for text in BAD[law])


@pytest.mark.parametrize("law", BAD)
def test_the_package_keeps_to_its_places(law):
    assert_kept(law)
