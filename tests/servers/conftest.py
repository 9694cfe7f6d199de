"""Real servers for tests, started from the packages of the system, for `make test-servers`.

A test is skipped if its server is missing; the reason names the package.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ProcessLines

_STOP_S = 60.0


def program(name: str) -> str:
    """Path of a program of PostgreSQL; Debian installs these outside of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        pytest.skip("PostgreSQL is missing here: apt-get install postgresql")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The connection string of a PostgreSQL on a socket in a private directory."""
    initdb, postgres = program("initdb"), program("postgres")
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [initdb, "--pgdata", f"{folder}/data", "--auth", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            user=owner.pw_uid,  # PostgreSQL refuses to run as root
            group=owner.pw_gid,
        )
        server = subprocess.Popen(
            [postgres, "-D", f"{folder}/data", "-k", folder, "-c", "listen_addresses="],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            user=owner.pw_uid,
            group=owner.pw_gid,
        )
        assert server.stderr is not None
        log = ProcessLines(server.stderr)
        try:
            log.await_match("ready to accept connections")
            yield f"host={folder} user={owner.pw_name} dbname=postgres"
        finally:
            server.send_signal(signal.SIGINT)  # disconnects all clients
            server.wait(_STOP_S)
            log.finish()
