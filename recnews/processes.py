"""Python processes beside this one, fed over pipes.

Plain ones that run a module: forked from a process with threads `multiprocessing` may hang, and spawned it runs the
caller's main script again. They end when their pipe does, so none outlives a killed parent.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def start(module: str) -> "subprocess.Popen[bytes]":
    """Run a module, with this process's path and one thread for arithmetic. Raises `OSError` when that cannot be."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.Popen(  # noqa: S603 - a module of our own
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
    )  # fmt: skip


def end(process: "subprocess.Popen[bytes]") -> None:
    """End it, whatever it is doing."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was still to be written to one that is gone
            if pipe:
                pipe.close()
    process.wait()
