"""A real browser, and a real JupyterLab that knows nothing of anybody's settings."""

import ctypes
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from house import ROOT
from lab import ENDED, IDLE, RUN
from lab import PATIENCE as PAGE_PATIENCE
from nbformat import v4
from playwright.sync_api import expect, sync_playwright

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # or cells out of sight are not in the page
}
OWN_FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}
HOST, PATIENCE = "127.0.0.1", 60  # seconds until the server answers; two are usual
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LIBC = ctypes.CDLL(None)
expect.set_options(timeout=PAGE_PATIENCE)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its port and token, the folder of its notebooks, the kernel that they name."""

    port: int
    token: str
    root: Path
    kernel: dict[str, str]

    @property
    def base(self):
        """Where all that it serves begins."""
        return f"http://{HOST}:{self.port}/"

    def address(self, notebook):
        """Return where a notebook opens; ``reset`` throws the layout of an earlier visit away."""
        return f"{self.base}lab/tree/{notebook}?token={self.token}&reset"


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("There is no chromium on this machine: `make browser` installs it", pytrace=False)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """A JupyterLab for this machine alone, whose kernel is this interpreter with this source tree."""
    home, root = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    # A name of its own: an installed "python3" comes before that of any folder.
    kernel = {"name": "tested", "display_name": "Tested", "language": "python"}
    _write_settings(home / "settings")
    _write_kernel(home / "data" / "kernels" / kernel["name"], kernel)
    lab, log = Lab(_free_port(), secrets.token_hex(16), root, kernel), home / "log.txt"
    with _running(_command(lab), _environment(home), log) as server:
        _wait(lab, server, log)
        yield lab


def _write_settings(folder):
    for name, settings in SETTINGS.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))


def _write_kernel(folder, kernel):
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": command, **kernel}))


def _free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _command(lab):
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *(f"--ServerApp.ip={HOST}", f"--ServerApp.port={lab.port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={lab.root}", f"--IdentityProvider.token={lab.token}"),
        *("--LabApp.expose_app_in_browser=True", "--ServerApp.terminals_enabled=False"),
        "--LabApp.extension_manager=readonly",  # the usual one asks PyPI
    ]


def _environment(home):
    """Return this process's environment, with new folders for all that Jupyter keeps."""
    folders = {name: str(home / folder) for name, folder in OWN_FOLDERS.items()}
    sources = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    return os.environ | folders | {"PYTHONPATH": os.pathsep.join(sources)}


@contextmanager
def _running(command, environment, log):
    with log.open("wb") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT,
                                  start_new_session=True, preexec_fn=_end_with_parent)  # fmt: skip
    try:
        yield server
    finally:
        _end(server)


def _end_with_parent():
    """Have Linux send a SIGTERM when the tests are gone: a killed process runs no ``finally``."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(server):
    server.terminate()  # ends its kernels as well
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait(lab, server, log):
    until = time.monotonic() + PATIENCE
    while not _answers(lab.port):
        if server.poll() is not None or time.monotonic() > until:
            pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}", pytrace=False)
        time.sleep(0.1)


def _answers(port):
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def asked():
    """Every address that a page asked for."""
    return []


@pytest.fixture(scope="module")
def ran(browser, jupyterlab, asked):
    """Write a notebook, open it, and run it to its end: ``page = ran("a.ipynb", "print(1)")``."""
    context = browser.new_context(viewport={"width": 1280, "height": 1600})
    context.set_default_timeout(PAGE_PATIENCE)

    def page(name, *sources):
        metadata, cells = {"kernelspec": jupyterlab.kernel}, [v4.new_code_cell(source) for source in sources]
        nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), jupyterlab.root / name)
        opened = context.new_page()
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(jupyterlab.address(name))
        opened.wait_for_function(IDLE)
        opened.evaluate(RUN)
        opened.wait_for_function(ENDED)
        opened.wait_for_function(IDLE)
        return opened

    yield page
    context.close()
