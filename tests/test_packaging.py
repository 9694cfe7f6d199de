"""The wheel works without a checkout: fresh environment, commands, hello world in every mode.

pip installs the dependencies by name, from the index that this machine is set up for.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
BUILT_FROM = ("pyproject.toml", "README.md", "LICENSE", "glowpy")
INSTALL_DEADLINE_S = 300
RUN_DEADLINE_S = 60
STOP_DEADLINE_S = 10

HELLO_WORLD = """
from glowpy import Flow

flow = Flow()
(flow.text_file("people.txt", 3)
     .filter(lambda line: not line.startswith("#"))
     .flat_map(lambda line: line.split(":"))
     .map(lambda token: 1)
     .reduce(lambda x, y: x + y)
     .map(lambda count: print("count:", count))
     .run())
"""
PEOPLE = "# name:town\nada:london\nalan:wilmslow\n# end\ngrace:new york\n"
COUNT = 6


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that no earlier build/ folder can add a file."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=without)
        else:
            shutil.copy(ROOT / name, source / name)
    dist = tmp_path_factory.mktemp("dist")
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(dist), str(source))
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ folder of a fresh environment with the wheel installed."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=INSTALL_DEADLINE_S)
    pip(str(folder / "bin" / "python"), "install", str(wheel))
    return folder / "bin"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder outside the checkout: a script, its input, and a folder for temporary files."""
    (tmp_path / "hello_world.py").write_text(HELLO_WORLD, encoding="utf-8")
    (tmp_path / "people.txt").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def pip(python: str, command: str, *arguments: str) -> None:
    words = [python, "-m", "pip", "--disable-pip-version-check", command, "--quiet", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_DEADLINE_S)
    assert done.returncode == 0, f"pip {command} failed:\n{done.stdout}{done.stderr}"


def clean_environment(workplace: Path) -> dict[str, str]:
    """An environment without any path to the checkout or to the environment of this test."""
    leads_back = {"PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in leads_back}
    return kept | {"TMPDIR": str(workplace / "tmp"), "PYTHONUNBUFFERED": "1"}


def run(workplace: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        cwd=workplace,
        env=clean_environment(workplace),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_DEADLINE_S,
    )
    assert done.returncode == 0, (
        f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done


def lines_with(text: str, part: str) -> list[str]:
    return [line for line in text.splitlines() if part in line]


def assert_nothing_is_left(installed: Path, workplace: Path) -> None:
    """Assert that no process of the fresh environment and no temporary file remains."""
    environment = str(installed.parent)
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(environment) for word in process.info["cmdline"] or ())
    ]
    _, alive = psutil.wait_procs(left, timeout=STOP_DEADLINE_S)
    assert not alive, [process.info["cmdline"] for process in alive]
    assert list((workplace / "tmp").iterdir()) == []


@contextmanager
def server(installed: Path, workplace: Path, command: str, *options: str) -> Iterator[str]:
    """`glowpy COMMAND` while the block runs; yields the host:port of its first line."""
    log = workplace / f"{command}.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [installed / "glowpy", command, *options],
            cwd=workplace,
            env=clean_environment(workplace),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield listening_address(process, command, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def listening_address(process: subprocess.Popen[bytes], command: str, log: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + RUN_DEADLINE_S
    said = b""
    while not (match := re.search(rf"^glowpy {command} listening on (\S+)\n", said.decode(), re.M)):
        patience_s = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([process.stdout], [], [], patience_s)
        heard = os.read(process.stdout.fileno(), 4096) if ready else b""
        assert heard, f"glowpy {command} does not listen; it said {said!r}\n{log.read_text()}"
        said += heard
    return match[1]


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        about = archive.read(metadata).decode()
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "glowpy").rglob("*.py")}
    info = metadata.removesuffix("METADATA")
    assert {name for name in names if not name.startswith(info)} == sources | {"glowpy/py.typed"}
    assert f"{info}licenses/LICENSE" in names
    assert "License-Expression: Apache-2.0" in about
    assert "Requires-Python: >=3.10" in about


def test_the_command_and_the_package_come_from_the_wheel(
    wheel: Path, installed: Path, workplace: Path
) -> None:
    show = "import glowpy; print(glowpy.__file__); print(glowpy.__version__)"
    file, version = run(workplace, installed / "python", "-c", show).stdout.split()
    assert Path(file).is_relative_to(installed.parent)
    assert wheel.name.startswith(f"glowpy-{version}-"), "pyproject.toml and glowpy disagree"

    shown = run(workplace, installed / "glowpy", "--help").stdout
    assert {"master", "agent", "cluster"} <= set(shown.split())
    assert version in run(workplace, installed / "glowpy", "--version").stdout
    assert shown == run(workplace, installed / "python", "-m", "glowpy", "--help").stdout


def test_hello_world_standalone(installed: Path, workplace: Path) -> None:
    done = run(workplace, installed / "python", "hello_world.py")
    assert done.stdout == f"count: {COUNT}\n"
    assert_nothing_is_left(installed, workplace)


def test_hello_world_on_a_cluster_of_its_own(installed: Path, workplace: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("localhost", 8930)) == 0:
            pytest.fail(
                "something listens on localhost:8930: the driver would take it for a master"
            )
    done = run(workplace, installed / "python", "hello_world.py", "-glow")
    (line,) = lines_with(done.stdout, "count:")
    assert re.fullmatch(rf"127\.\d+\.\d+\.\d+:\d+> count: {COUNT}", line)
    assert lines_with(done.stderr, "cluster"), f"the own cluster is not announced: {done.stderr!r}"
    assert_nothing_is_left(installed, workplace)


def test_the_plan_of_hello_world(installed: Path, workplace: Path) -> None:
    done = run(workplace, installed / "python", "hello_world.py", "-glow", "-glow.flow.plot")
    assert done.stdout.startswith("digraph glow {\n")
    assert done.stdout.rstrip().endswith("}")
    assert lines_with(done.stdout, "LocalReduce")
    assert not lines_with(done.stdout, "count:"), "plotting must not run the flow"
    assert_nothing_is_left(installed, workplace)


def test_hello_world_on_a_cluster_started_by_hand(installed: Path, workplace: Path) -> None:
    with ExitStack() as cluster:
        master = cluster.enter_context(
            server(installed, workplace, "master", "--address", "127.0.0.1:0")
        )
        place = ["--host", "127.0.0.1", "--port", "0", "--dir", str(workplace / "agent")]
        agent = cluster.enter_context(
            server(installed, workplace, "agent", "--master", master, *place)
        )
        flags = ["-glow", f"-glow.leader={master}"]
        done = run(workplace, installed / "python", "hello_world.py", *flags)
        assert lines_with(done.stdout, "count:") == [f"{agent}> count: {COUNT}"]
    assert_nothing_is_left(installed, workplace)
