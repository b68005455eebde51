"""Go through Dockerfile, compose file and systemd unit in a clean folder, without a container engine.

    python deploy/rehearse.py [FOLDER] [--seconds 120]

`/src`, `/opt/recnews`, `/data` and `/var/lib/recnews` become folders of FOLDER (a temporary one by default).

- Dockerfile: `COPY`, `RUN`, `ENV`, and what it starts, are carried out in the order in which they stand.
- compose.yaml: the commands in the comment at its head are carried out as if they were typed: each service is started
  with its own command and environment and must pass the image's health check unless it has none; the service must open
  to the key that was made, and what the watcher finds must be in the store.
- recnews.service: `systemd-analyze verify` where there is one; then `ExecStart` with its environment and umask.

Whatever is started must stop in the time that it is given; the compose file's services may leave nothing beside their
volume in FOLDER, which is their HOME, too. What only an engine or systemd can do (the base image, the user, volumes,
networks, the sandbox) is not rehearsed. Needs PyYAML, and network access to install packages.
"""

import argparse
import configparser
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE, COMPOSE, UNIT = (ROOT / "deploy" / name for name in ("Dockerfile", "compose.yaml", "recnews.service"))
_PLACES = re.compile(r"(?<![\w./-])(?=/(?:opt/recnews|src|data|var/lib/recnews)\b)")
_ENGINES_OWN = {"restart", "init", "read_only", "cap_drop", "security_opt", "tmpfs", "depends_on", "image"}
_ENACTED = {"build", "ports", "volumes", "command", "environment", "healthcheck", "profiles", "stop_grace_period"}
_ARTICLE = {"id": "rehearsal", "title": "国产大飞机首飞成功", "body": "国产大飞机今天首飞成功。"}
_TYPED = {"recnews.toml": '[watch]\nfeeds = ["incoming"]\nevery = "1s"\nsettle_seconds = 0\n'}


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and argument of each instruction of a Dockerfile, continued lines joined, comments left out."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, argument = line.strip().partition(" ")
            yield name.upper(), argument.strip()


def own_environment() -> dict[str, str]:
    """This process's variables, without those that would make another recnews, or another Python, of the image's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECNEWS_", "PYTHON"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"}


class Image:
    """A folder that stands for the root of the image, and what the Dockerfile says of it."""

    def __init__(self, root: Path, seconds: float) -> None:
        self.root, self.place, self.seconds = root, root, seconds
        self.environment = own_environment()
        self.commands: dict[str, list[str]] = {"ENTRYPOINT": [], "CMD": [], "HEALTHCHECK": []}
        self.port = ""
        self.volumes: list[str] = []

    def step(self, name: str, argument: str) -> None:
        """Carry out one instruction. Raises `SystemExit` when it fails, as everything here does."""
        print(f"{name} {argument}", flush=True)
        if name == "FROM":
            self.place, self.environment = self.root, own_environment()
        elif name == "WORKDIR":
            self.place = self.here(argument)
            self.place.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            self.copy(argument.split())
        elif name == "RUN":
            self.run(argument)
        elif name == "ENV":
            pairs = [word.partition("=") for word in shlex.split(argument)]
            self.environment |= {key: self.moved(value) for key, _, value in pairs}
        else:
            self.declare(name, argument)

    def declare(self, name: str, argument: str) -> None:
        """An instruction that is for later."""
        if name in self.commands:
            self.commands[name] = json.loads(argument[argument.index("[") :])
        elif name == "EXPOSE":
            self.port = argument
        elif name == "VOLUME":
            self.volumes = argument.split()
        elif name == "USER":
            print("  (an engine's own)")
        else:
            sys.exit(f"Dockerfile: {name} is not known to {Path(__file__).name}")

    def run(self, command: str) -> None:
        """A shell command, with the image's paths moved into the folder."""
        if "chown" in command and os.geteuid() != 0:
            print("  (only root gives files away: without chown)")
            command = command.split("&&", maxsplit=1)[0]
        done = subprocess.run(
            ["/bin/sh", "-ec", self.moved(command)], cwd=self.place, env=self.environment, check=False
        )
        if done.returncode:
            sys.exit(f"Dockerfile: RUN failed with {done.returncode}: {command}")

    def copy(self, words: list[str]) -> None:
        """Files of the project, or of an earlier stage, which is the same folder here."""
        if words[0].startswith("--from="):
            if not self.here(words[1]).exists():
                sys.exit(f"Dockerfile: no stage before has made {words[1]}")
            return
        *sources, target = words
        for source in sources:
            goal = self.here(target)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, goal, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            elif (ROOT / source).is_file():
                goal.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, goal)
            else:
                sys.exit(f"Dockerfile: the project has no {source} to copy")

    def here(self, path: str) -> Path:
        """Where a path of the image lies."""
        return Path(self.moved(path)) if path.startswith("/") else self.place / path

    def moved(self, text: str) -> str:
        """A text with the image's folders replaced by those here."""
        return _PLACES.sub(lambda _: str(self.root), text)

    def words(self, words: list[str], port: str = "") -> list[str]:
        """A command as it is run here: on a port of its own, for what is started may not share the image's."""
        if port:
            words = [re.sub(rf"\b{self.port}\b", port, word) for word in words]
        return [self.moved(word) for word in words]

    def files(self) -> set[Path]:
        """What there is outside the homes; bytecode aside, which Python may or may not keep."""
        below = (path for path in (self.root / "opt").rglob("*") if path.suffix != ".pyc")
        return {*self.root.iterdir(), *below}

    def healthy(self, name: str, process: subprocess.Popen[bytes], port: str) -> None:
        """Wait until the image's health check passes."""
        check = self.words(self.commands["HEALTHCHECK"], port)

        def passes() -> bool:
            return subprocess.run(check, env=self.environment, capture_output=True, check=False).returncode == 0

        self.wait(f"{name}: the health check does not pass", passes, {name: process})
        print(f"{name}: the health check passes", flush=True)

    def wait(self, problem: str, done: Callable[[], bool], processes: dict[str, subprocess.Popen[bytes]]) -> None:
        """Wait until something is so, while the processes live."""
        deadline = time.monotonic() + self.seconds
        while not done():
            for name, process in processes.items():
                if process.poll() is not None:
                    sys.exit(f"{name}: ended by itself with {process.returncode}")
            if time.monotonic() > deadline:
                sys.exit(f"{problem}, after {self.seconds:g} seconds")
            time.sleep(0.5)


@contextmanager
def running(
    name: str, words: list[str], environment: dict[str, str], place: Path, *, grace: int, umask: int = -1
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block takes, which must then stop when it is told to."""
    print(f"{name}: {shlex.join(words)}", flush=True)
    require(name, words[0], environment)
    process = subprocess.Popen(words, cwd=place, env=environment, umask=umask)
    try:
        yield process
    except BaseException:
        process.terminate()  # what has gone wrong is told, not how this ends
        raise
    early = process.poll()
    process.terminate()
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit(f"{name}: does not stop within {grace} seconds")
    # The watcher may be stopped as it is.
    if early is not None or process.returncode not in {0, -signal.SIGTERM}:
        sys.exit(f"{name}: {'ended by itself' if early is not None else 'stopped'} with {process.returncode}")
    print(f"{name}: stops when it is told to", flush=True)


def require(name: str, program: str, environment: dict[str, str]) -> None:
    """Say so when a program is not there, before Python says it less well."""
    if not shutil.which(program, path=environment["PATH"]):
        sys.exit(f"{name}: there is no program {program}")


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


class Compose:
    """The services of the compose file, started and fed by the commands of its comment."""

    def __init__(self, image: Image, text: str) -> None:
        self.image = image
        document = yaml.safe_load(text)
        self.services: dict[str, dict[str, Any]] = document["services"]
        self.volumes = set(document.get("volumes", ()))
        self.lines = re.findall(r"^#   docker compose (.*)", text, re.MULTILINE)
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {name: free_port() for name in self.services}
        self.key = ""
        self.fits()

    def rehearse(self) -> None:
        """Type what the comment says, then see that the services work on the same home."""
        incoming = self.image.here("/data/incoming")
        incoming.mkdir()
        (incoming / "article.jsonl").write_text(f"{json.dumps(_ARTICLE, ensure_ascii=False)}\n", encoding="utf-8")
        with ExitStack() as stack:
            for line in self.lines:
                print(f"docker compose {line}", flush=True)
                self.typed(line, stack)
            if missing := self.services.keys() - self.started.keys():
                sys.exit(f"compose.yaml: no command of its comment starts {', '.join(missing)}")
            self.key_opens("recnews")
            self.image.wait("watch: its article is not in the store", self.knows_article, self.started)
            print("watch: its article is in the store", flush=True)

    def fits(self) -> None:
        """The file and the Dockerfile speak of the same image."""
        mounts = {mount for service in self.services.values() for mount in service.get("volumes", ())}
        if mounts != {f"{name}:{place}" for name in self.volumes for place in self.image.volumes}:
            sys.exit(f"compose.yaml: {', '.join(sorted(mounts))} is not one volume for the image's VOLUME")
        for name, service in self.services.items():
            if unknown := service.keys() - _ENGINES_OWN - _ENACTED:
                sys.exit(f"compose.yaml: {name}: {', '.join(unknown)} is not known to {Path(__file__).name}")
            build = service.get("build")
            if build and (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() != DOCKERFILE:
                sys.exit(f"compose.yaml: {name} is not built from {DOCKERFILE.name}")
            for port in service.get("ports", ()):
                if port.rpartition(":")[2] != self.image.port:
                    sys.exit(f"compose.yaml: {name}: {port} leads to a port that the image does not expose")

    def typed(self, line: str, stack: ExitStack) -> None:
        """A `docker compose` command; none but those of the comment."""
        parser = argparse.ArgumentParser("docker compose", add_help=False)
        parser.add_argument("-f")
        parser.add_argument("--profile", action="append", default=[])
        commands = parser.add_subparsers(dest="command", required=True)
        run = commands.add_parser("run", add_help=False)
        run.add_argument("--rm", action="store_true")
        run.add_argument("-T", action="store_true")
        run.add_argument("--entrypoint", type=shlex.split, default=self.image.commands["ENTRYPOINT"])
        run.add_argument("service", choices=self.services)
        run.add_argument("words", nargs=argparse.REMAINDER)
        commands.add_parser("up", add_help=False).add_argument("-d", action="store_true")
        line, _, file = line.partition(" <")
        given = parser.parse_args(shlex.split(line))
        if ROOT / given.f != COMPOSE:
            sys.exit(f"compose.yaml: its comment speaks of {given.f}")
        if given.command == "run":
            self.once(given.service, given.entrypoint, given.words, _TYPED[file] if file else "")
        else:
            for name, service in self.services.items():
                if name not in self.started and set(service.get("profiles", given.profile)) <= set(given.profile):
                    self.start(name, service, stack)

    def once(self, name: str, entrypoint: list[str], words: list[str], given: str) -> None:
        """A command in a container of its own. What it prints is not shown: it may be a key."""
        environment = self.environment(self.services[name])
        words = self.image.words([*entrypoint, *words])
        require(name, words[0], environment)
        program = shutil.which(words[0], path=environment["PATH"]) or words[0]
        done = subprocess.run(
            [program, *words[1:]], cwd=self.image.place, env=environment, input=given, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{name}: {shlex.join(words)} failed with {done.returncode}: {done.stderr.strip()}")
        self.key = done.stdout.strip() or self.key

    def start(self, name: str, service: dict[str, Any], stack: ExitStack) -> None:
        """A service for as long as the rehearsal takes."""
        command = [*self.image.commands["ENTRYPOINT"], *service.get("command", self.image.commands["CMD"])]
        port = self.ports[name]
        grace = int(service.get("stop_grace_period", "10s").removesuffix("s"))
        words = self.image.words(command, port)
        self.started[name] = stack.enter_context(
            running(name, words, self.environment(service), self.image.place, grace=grace)
        )
        if not service.get("healthcheck", {}).get("disable"):
            self.image.healthy(name, self.started[name], port)

    def environment(self, service: dict[str, Any]) -> dict[str, str]:
        """The image's variables and the service's. The user has no name there, so its HOME is the root."""
        own = {name: self.image.moved(str(value)) for name, value in service.get("environment", {}).items()}
        return self.image.environment | {"HOME": str(self.image.root)} | own

    def knows_article(self) -> bool:
        """Whether a third process, beside service and watcher, finds the article in what they share."""
        words = self.image.words([*self.image.commands["ENTRYPOINT"], "articles", "show", _ARTICLE["id"]])
        return subprocess.run(words, env=self.environment({}), capture_output=True, check=False).returncode == 0

    def key_opens(self, name: str) -> None:
        """The key that was made is one for the service."""
        address = f"http://127.0.0.1:{self.ports[name]}/metrics"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.key}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=10).close()
        except OSError as error:
            sys.exit(f"{name}: /metrics does not open to the key that was made: {error}")
        print(f"{name}: opens to the key that was made", flush=True)


class Unit:
    """What systemd would start, where it would start it."""

    def __init__(self, image: Image, text: str) -> None:
        self.image = image
        unit = configparser.ConfigParser(interpolation=None, delimiters="=", comment_prefixes="#")
        unit.read_string(text)
        self.service = unit["Service"]
        self.state = image.here(f"/var/lib/{self.service['StateDirectory']}")
        pairs = [pair.partition("=") for pair in shlex.split(self.service["Environment"])]
        own = {key: image.moved(value) for key, _, value in pairs}
        if own.get("RECNEWS_HOME") != str(self.state):
            sys.exit(f"{UNIT.name}: RECNEWS_HOME is not its StateDirectory, the one place it may write to")
        self.environment = own_environment() | {"HOME": str(self.state)} | own
        self.verify(text)

    def verify(self, text: str) -> None:
        """Have systemd read the unit, with its paths moved, for it looks whether the program is there."""
        program = shutil.which("systemd-analyze")
        if not program:
            print(f"{UNIT.name}: there is no systemd-analyze here to verify it", flush=True)
            return
        copy = self.image.root / UNIT.name
        copy.write_text(self.image.moved(text), encoding="utf-8")
        done = subprocess.run([program, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
        # It exits with 0 for what it ignores, and speaks of units of this machine, too.
        problems = [line for line in done.stderr.splitlines() if UNIT.name in line]
        if problems or done.returncode:
            sys.exit(f"{UNIT.name}: systemd-analyze verify: " + ("\n".join(problems) or done.stderr.strip()))
        print(f"{UNIT.name}: systemd-analyze verify finds nothing", flush=True)

    def rehearse(self) -> None:
        """Start it and stop it."""
        self.state.mkdir(parents=True)
        port = free_port()
        words = self.image.words(shlex.split(self.service["ExecStart"]), port)
        grace, umask = int(self.service["TimeoutStopSec"]), int(self.service["UMask"], 8)
        with running(UNIT.name, words, self.environment, self.image.root, grace=grace, umask=umask) as process:
            self.image.healthy(UNIT.name, process, port)


def rehearse(root: Path, seconds: float) -> None:
    """Everything, in an empty folder."""
    image = Image(root, seconds)
    for name, argument in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        image.step(name, argument)
    compose = Compose(image, COMPOSE.read_text(encoding="utf-8"))
    unit = Unit(image, UNIT.read_text(encoding="utf-8"))
    before = image.files()
    compose.rehearse()
    if strewn := image.files() - before:
        sys.exit(f"compose.yaml: written outside the volume: {', '.join(map(str, sorted(strewn)))}")
    unit.rehearse()


def main() -> None:
    """Go through all steps in the folder that was named, or in a temporary one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="must be empty; a temporary one by default")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to wait for an answer")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recnews-image-") as temporary:
        root = (given.folder or Path(temporary)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            sys.exit(f"{root} is not empty")
        rehearse(root, given.seconds)


if __name__ == "__main__":
    main()
