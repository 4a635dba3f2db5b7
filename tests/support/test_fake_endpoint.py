"""The server as a program: it tells its port, and takes faults as it takes requests."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.request import urlopen

from tests.conftest import ROOT


def test_as_a_program_it_serves_on_the_port_that_it_prints() -> None:
    command = [sys.executable, "tests/support/fake_endpoint.py", "--dim", "4", "--also", '{"old": 8}']
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            with urlopen(f"http://127.0.0.1:{port}/stats", timeout=10) as answer:
                assert json.load(answer)["requests"] == 0
        finally:
            process.kill()
