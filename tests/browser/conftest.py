"""A real browser, and a real JupyterLab that knows nothing of the user's own."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from house import ROOT
from playwright.sync_api import sync_playwright

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # or cells out of sight are not in the page
}
PATIENCE = 60  # seconds until the server answers; two are usual
ON_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, and the folder whose notebooks it shows."""

    base: str
    token: str
    root: Path

    def address(self, notebook):
        """Return where a notebook opens; ``reset`` throws the layout of an earlier visit away."""
        return f"{self.base}/lab/tree/{notebook}?token={self.token}&reset"

    def answers(self):
        """Tell whether the server is up."""
        request = urllib.request.Request(
            f"{self.base}/api/status", headers={"Authorization": f"token {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("There is no chromium on this machine: `make browser` installs it as root", pytrace=False)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory):
    """A JupyterLab on this machine alone, whose kernels are this interpreter and import this source tree."""
    home, root = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    _write_settings(home / "settings")
    _write_kernel(home / "data" / "kernels" / "python3")
    lab = Lab(f"http://127.0.0.1:{_free_port()}", secrets.token_hex(16), root)
    with _running(_command(lab), _environment(home), home / "log.txt") as server:
        _wait(lab, server, home / "log.txt")
        yield lab


def _write_settings(folder):
    for name, settings in SETTINGS.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


def _write_kernel(folder):
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": command, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(kernel))


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _command(lab):
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={lab.base.rpartition(':')[2]}"),
        *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={lab.root}"),
        *(f"--IdentityProvider.token={lab.token}", "--LabApp.expose_app_in_browser=True"),
        *("--ServerApp.terminals_enabled=False", "--LabApp.extension_manager=readonly"),
    ]


def _environment(home):
    """Return the environment of this process with folders of its own for all that Jupyter keeps."""
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    inherited = os.environ.get("PYTHONPATH")
    python_path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    return os.environ | {name: str(home / folder) for name, folder in own.items()} | {"PYTHONPATH": python_path}


@contextmanager
def _running(command, environment, log):
    with log.open("wb") as file:
        server = subprocess.Popen(
            *(command,),
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        yield server
    finally:
        _end(server)


def _end_with_parent():
    """Ask the kernel of Linux for a SIGTERM when the tests are gone: a fixture that is killed ends nothing."""
    LIBC.prctl(ON_PARENTS_DEATH, signal.SIGTERM)


def _end(server):
    server.terminate()  # ends the server's kernels as well
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait(lab, server, log):
    until = time.monotonic() + PATIENCE
    while not lab.answers():
        if server.poll() is not None or time.monotonic() > until:
            pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}", pytrace=False)
        time.sleep(0.1)
