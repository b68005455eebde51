"""Go through the steps of the Dockerfile in a clean folder, without a container engine, and see the service answer.

    python deploy/rehearse.py [FOLDER]

`/src`, `/opt/recnews` and `/data` become folders of FOLDER (a temporary one by default); `COPY`, `RUN`, `ENV`,
`HEALTHCHECK`, `ENTRYPOINT` and `CMD` are carried out there in the order in which they stand. What only an engine can do
(the base image, `USER`, the volume) is not rehearsed, and is said so. Needs network access to install packages.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("/opt/recnews", "/src", "/data")
_READY_SECONDS = 120


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and argument of each instruction of a Dockerfile, continued lines joined, comments left out."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, argument = line.strip().partition(" ")
            yield name.upper(), argument.strip()


class Rehearsal:
    """A folder that stands for the root of the image."""

    def __init__(self, root: Path) -> None:
        self.root, self.place = root, root
        self.environment = dict(os.environ)
        self.commands: dict[str, list[str]] = {}

    def step(self, name: str, argument: str) -> None:
        """Carry out one instruction. Raises `SystemExit` when it fails."""
        print(f"{name} {argument}", flush=True)
        if name == "WORKDIR":
            self.place = self.here(argument)
            self.place.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            self.copy(argument.split())
        elif name == "RUN":
            self.run(argument)
        elif name == "ENV":
            for pair in shlex.split(argument):
                key, _, value = pair.partition("=")
                self.environment[key] = self.moved(value)
        elif name in ("ENTRYPOINT", "CMD"):
            self.commands[name] = [self.moved(word) for word in json.loads(argument)]
        elif name == "HEALTHCHECK":
            self.commands[name] = [self.moved(word) for word in json.loads(argument[argument.index("[") :])]
        elif name in ("FROM", "USER", "VOLUME", "EXPOSE"):
            print("  (an engine's own)")
        else:
            sys.exit(f"{name} is not known to this script")

    def run(self, command: str) -> None:
        """A shell command, with the image's paths moved into the folder."""
        if "chown" in command and os.geteuid() != 0:
            print("  (only root gives files away: without chown)")
            command = command.split("&&", maxsplit=1)[0]
        done = subprocess.run(
            ["/bin/sh", "-ec", self.moved(command)], cwd=self.place, env=self.environment, check=False
        )
        if done.returncode:
            sys.exit(f"failed with {done.returncode}")

    def copy(self, words: list[str]) -> None:
        """Files of the project, or of an earlier stage, which is the same folder here."""
        if words[0].startswith("--from="):
            if not self.here(words[1]).exists():
                sys.exit(f"{words[1]} was not made by the stage before")
            return
        *sources, target = words
        for source in sources:
            goal = self.place / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, goal, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, goal)

    def serve(self) -> None:
        """Start what the image starts, on a free port, and ask it what its health check asks."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        entry = self.commands["ENTRYPOINT"]
        key = self.output([*entry, "keys", "create", "--scope", "read"])
        print(f"keys create: {len(key.split())} words")  # not the key
        start = [port if word == "8080" else word for word in [*entry, *self.commands["CMD"]]]
        check = [word.replace(":8080", f":{port}") for word in self.commands["HEALTHCHECK"]]
        print(shlex.join(start), flush=True)
        server = subprocess.Popen(start, cwd=self.here("/data"), env=self.environment)
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while subprocess.run(check, env=self.environment, capture_output=True, check=False).returncode:
                if server.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the service does not answer")
                time.sleep(0.5)
            print("the health check passes")
        finally:
            server.terminate()
        if server.wait(timeout=30) != 0:
            sys.exit(f"the service ended with {server.returncode}")
        print("the service stops when it is told to")

    def output(self, words: list[str]) -> str:
        """What a command prints. Raises `CalledProcessError`."""
        path = self.environment["PATH"]
        found = shutil.which(words[0], path=path) or words[0]
        return subprocess.run(
            [found, *words[1:]], env=self.environment, check=True, capture_output=True, text=True
        ).stdout

    def here(self, path: str) -> Path:
        """Where a path of the image lies."""
        return Path(self.moved(path)) if path.startswith("/") else self.place / path

    def moved(self, text: str) -> str:
        """A text with the image's folders replaced by those here."""
        for place in PLACES:
            text = text.replace(place, f"{self.root}{place}")
        return text


def main() -> None:
    """Go through all steps in the folder that was named, or in a temporary one."""
    with tempfile.TemporaryDirectory(prefix="recnews-image-") as temporary:
        rehearsal = Rehearsal(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(temporary))
        for name, argument in instructions((ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")):
            rehearsal.step(name, argument)
        rehearsal.serve()


if __name__ == "__main__":
    main()
