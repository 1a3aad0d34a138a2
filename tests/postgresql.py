"""A PostgreSQL of the tests' own, started as a user who is not root, in a temporary folder, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    found = (
        [Path(on_path)] if on_path else sorted(path for place in _PLACES for path in Path(place).glob("**/bin/initdb"))
    )
    return found[-1].parent if found else None


@contextmanager
def cluster() -> Generator[str]:
    """The URL of its database ``postgres``; skips the test where PostgreSQL or its driver is missing."""
    pytest.importorskip("psycopg", reason="the driver for PostgreSQL is missing: pip install 'penchant[postgresql]'")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here; tests/install_system_packages.sh installs Debian's")
    user = None
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="penchant-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, user=user, stdout=subprocess.DEVNULL, timeout=120)

    try:
        if user is not None:
            shutil.chown(folder, user)
        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "penchant", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://penchant@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
