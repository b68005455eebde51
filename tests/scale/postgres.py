"""A real PostgreSQL on a loopback port and in a folder of its own, by Debian's programs."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
QUICK = ("fsync=off", "full_page_writes=off", "autovacuum=off")
"""For tests that lose no power."""


class Postgres:
    """A server; it runs as the user `postgres` where this is root, whom it refuses."""

    def __init__(self, folder: Path | None = None, port: int = 0) -> None:
        """`folder` is that of a server that is to be a copy of another one; else an empty one is made."""
        if not _FOUND:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self.bin = _FOUND[-1].parent
        self.port = port or free_port()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="recnews-postgres-"))
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.folder.chmod(0o700)

    def create(self) -> None:
        """Make the files of an empty server."""
        self.run("initdb", "-D", str(self.data), "-U", "recnews", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers; one that was killed may leave a lock for a moment."""
        fixed = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
        options = " ".join(f"-c {setting}" for setting in (*fixed, *settings))
        command = ["-D", str(self.data), "-w", "-t", "30", "-l", str(self.folder / "log"), "-o", options, "start"]
        for attempt in range(5):
            try:
                self.run("pg_ctl", *command)
            except subprocess.CalledProcessError:
                if attempt == 4:
                    raise
                time.sleep(0.5)
            else:
                return

    def stop(self) -> None:
        """Stop it at once, and remove its files."""
        with suppress(subprocess.CalledProcessError):  # it is dead already
            self.run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """End it as a crash does: every process of it by SIGKILL."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, check=False)
        for process in (postmaster, *map(int, found.stdout.split())):
            try:
                os.kill(process, 9)
            except ProcessLookupError:
                continue

    def standby(self, name: str) -> "Postgres":
        """The files of a standby of this server, not started yet."""
        other = Postgres()
        self.run(
            "pg_basebackup", "-D", str(other.data), "-R", "-X", "stream", "-c", "fast", "-N",
            "-d", f"host=127.0.0.1 port={self.port} user=recnews application_name={name}",
        )  # fmt: skip
        return other

    def promote(self) -> None:
        """Let a standby become the primary."""
        self.run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def address(self, database: str) -> str:
        """What `store` in the settings says for a database of it."""
        return f"postgresql+psycopg://recnews@127.0.0.1:{self.port}/{database}"

    def sql(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Rows of the last statement, each run by itself."""
        import psycopg

        rows: list[tuple[object, ...]] = []
        where = f"host=127.0.0.1 port={self.port} user=recnews dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def run(self, program: str, *given: str) -> None:
        """Run one of PostgreSQL's programs."""
        command = [str(self.bin / program), *given]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
