"""A Ray cluster of one machine that others may connect to, as `ray start` makes one, but on loopback alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.support.command import wait_for

TOKEN = "of-a-test-that-listens-on-loopback-alone"
LOOPBACK = """
from ray._private import services
services.resolve_ip_for_localhost = lambda host: host
"""
"""Read by each Python that Ray starts: told of loopback, it would take the address of the network."""
READY = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False)
while ray.available_resources().get("CPU", 0) < int(sys.argv[2]):
    time.sleep(0.1)
"""
"""Ends once whoever connects finds all cores: it answers before, and a cold start may be slower than their patience."""


@dataclass(frozen=True, slots=True)
class Head:
    """Its address for Ray's client, the environment of who may enter, and the command that starts another node."""

    address: str
    env: Mapping[str, str]
    node: Sequence[str]
    node_env: Mapping[str, str]

    @contextmanager
    def another_node(self, *, cores: int) -> Iterator[None]:
        """Start one more machine of the cluster, as an autoscaler does, on this one; end it with what runs on it."""
        with _started([*self.node, f"--num-cpus={cores}"], self.node_env):
            yield


@contextmanager
def ray_head(*, cores: int = 2) -> Iterator[Head]:
    """Start one, and end it with all that it started."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    gcs, client = free_port(), free_port()
    # Not pytest's folder: paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="ray-head-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder, "sitecustomize.py").write_text(LOOPBACK, "utf-8")
        node = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
        node += ["--node-ip-address=127.0.0.1", f"--object-store-memory={80 * 2**20}", "--disable-usage-stats"]
        line = [*node, "--head", f"--port={gcs}", f"--ray-client-server-port={client}", f"--num-cpus={cores}"]
        line += ["--include-dashboard=false", f"--temp-dir={folder}"]
        # What is tested is no shortage of memory: a machine that runs other tests beside these may have one.
        env = {**os.environ, **token, "PYTHONPATH": f"{folder}:{ROOT}", "RAY_memory_monitor_refresh_ms": "0"}
        with _started(line, env):
            wait_for(lambda: answers(client), seconds=120)
            address = f"ray://127.0.0.1:{client}"
            wait_for(lambda: is_ready(address, cores, env), seconds=120)
            yield Head(address, token, [*node, f"--address=127.0.0.1:{gcs}"], env)


@contextmanager
def _started(line: Sequence[str], env: Mapping[str, str]) -> Iterator[None]:
    """Run a command in a session of its own, and end all of that."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(line, env=env, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def is_ready(address: str, cores: int, env: Mapping[str, str]) -> bool:
    line = [sys.executable, "-c", READY, address, str(cores)]
    return subprocess.run(line, env=env, capture_output=True, timeout=120, check=False).returncode == 0


def answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
