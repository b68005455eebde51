"""The service keeps to what its OpenAPI says, whatever is sent: no 5xx, no answer that is not described there."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service_world import running

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
)  # fmt: skip


@pytest.mark.skipif(not importlib.util.find_spec("schemathesis"), reason="schemathesis is not installed")
@pytest.mark.skipif(not importlib.util.find_spec("fastapi"), reason="the extra `serve` is not installed")
def test_no_answer_that_is_not_described(home: Path, tmp_path: Path) -> None:
    with running(home, env={"RECNEWS_SERVICE__RATE": "0"}) as service:
        program = "from schemathesis.cli import schemathesis; schemathesis()"
        words = ("run", f"{service.url}/openapi.json", "--checks", ",".join(CHECKS), "--seed", "1", "--no-color")
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "--phases", "examples,coverage,fuzzing", "--max-examples", "25"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.partition("FAILURES")[2][:4000] + done.stderr[-1000:]
        assert "Tested: 23" in done.stdout
        answered = [line for line in service.lines() if line["event"] == "request" and line["route"] != "/health/ready"]
        assert not [line for line in answered if line["status"] >= 500]
