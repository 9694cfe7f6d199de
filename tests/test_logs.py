"""Logs: each line names its subject by ids, and the number of lines is limited."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glowpy.errors import ConfigError
from glowpy.flags import FLAGS
from glowpy.logs import FIELDS, KEPT_FILES, LEVELS, LogFormatter, RateLimit, start_log
from tests.processes import executors, flags_of, run, server, started


def record(text: str, *values: object, level: int = logging.INFO, **ids: object):
    made = logging.LogRecord("glowpy.x", level, "x.py", 1, text, values, None)
    made.__dict__.update(ids)
    return made


# --- a line -------------------------------------------------------------------------------------


def formatted(lines: LogFormatter, made: logging.LogRecord) -> str:
    return lines.format(made).partition(" INFO ")[2]


def test_a_log_line_has_its_ids_in_one_order() -> None:
    lines = LogFormatter(agent="a:1")
    assert formatted(lines, record("one of %d", 2)) == "glowpy.x agent=a:1: one of 2"
    made = record("x", attempt=7, run="r", group=0, executor="e", agent="b:2", lease="")
    assert formatted(lines, made) == "glowpy.x agent=b:2 run=r executor=e group=0 attempt=7: x"
    assert formatted(LogFormatter(), record("x", run=None)) == "glowpy.x: x"


def test_every_message_is_one_short_line() -> None:
    text = formatted(LogFormatter(), record("%s", "a\nb\x1b[2J\t\u2028é€"))
    assert text == r"glowpy.x: a\nb\x1b[2J\t\u2028é€"
    text = formatted(LogFormatter(), record("%s", "x" * 10_000))
    assert len(text) < 4100 and text.endswith("characters)")


def test_an_exception_stands_below_its_line() -> None:
    made = record("failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "failed\nTraceback" in formatted(LogFormatter(), made)


def test_the_levels_are_the_same_everywhere() -> None:
    (flag,) = (flag for flag in FLAGS if flag.name == "glow.log.level")
    assert flag.choices == LEVELS


# --- not too many -------------------------------------------------------------------------------


def test_lines_of_a_kind_that_come_in_hundreds_are_counted_instead() -> None:
    now = 0.0
    damper = RateLimit(lambda: now)

    def passed(count: int, text: str = "dropped %d", level: int = logging.WARNING) -> list[str]:
        made = [record(text, number, level=level) for number in range(count)]
        return [each.getMessage() for each in made if damper.filter(each)]

    first = passed(1000)
    assert len(first) == 101
    assert first[:100] == [f"dropped {number}" for number in range(100)]
    assert first[100] == "dropped 100 (more like this are left out for 10 s)"
    assert passed(3, "another kind %d") == [f"another kind {number}" for number in range(3)]
    assert passed(3, level=logging.ERROR) == ["dropped 0", "dropped 1", "dropped 2"]
    assert len(passed(500, level=logging.DEBUG)) == 500
    now = 9.9
    assert passed(1) == []
    now = 10.0
    assert passed(2) == ["dropped 0 (901 more like this were left out before)", "dropped 1"]


def test_kinds_without_end_take_no_memory_without_end() -> None:
    damper = RateLimit(lambda: 0.0)
    for number in range(5000):
        assert damper.filter(record(f"text {number}"))
    assert len(damper._kinds) <= 1000


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a logger that is reset afterwards."""
    logger = logging.getLogger("glowpy.of.this.test")
    yield logger.name
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def test_a_file_is_rotated_and_the_oldest_is_deleted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    start_log("debug", file=str(path), file_mb=1, logger=name)
    for number in range(2000):
        logging.getLogger(name).debug("%d %s", number, "x" * 3000)
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT_FILES + 1
    assert all(file.stat().st_size <= 1 << 20 for file in files)
    assert "1999 xxx" in path.read_text().splitlines()[-1]


def test_a_log_that_cannot_be_written(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=f"cannot write the log file {tmp_path}: Is a directory"):
        start_log("info", file=str(tmp_path), logger=name)
    start_log("info", file="/dev/full", logger=name)
    logging.getLogger(name).info("x" * 100_000)
    logging.getLogger(name).info("nobody is harmed")
    assert capfd.readouterr() == ("", "")


def test_a_second_start_replaces_the_first(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    for level in ("error", "info"):
        start_log(level, logger=name)
    logging.getLogger(name).info("once")
    assert capfd.readouterr().err.count("once") == 1


# --- everywhere ---------------------------------------------------------------------------------

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) (glowpy[\w.]*)"
    rf"((?: (?:{'|'.join(FIELDS)})=\S+)*): .+"
)
SCRIPT = """
import os, signal
from glowpy import Flow

def work(row):
    if row == 3 and not os.path.exists("died"):
        open("died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return row

print(Flow().slice(range(6), 3).map(work).reduce(max).collect())
"""


def ids_in(text: str) -> list[tuple[str, dict[str, str]]]:
    """The logger and the ids of each line."""
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match, f"not a line of a log: {line!r}"
        ids = dict(word.split("=", 1) for word in match[3].split())
        found.append((match[2], ids))
    return found


@pytest.mark.slow
def test_an_attempt_is_found_in_all_logs(tmp_path: Path) -> None:
    """One executor dies: driver, agent and master log the events under the same ids."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    log_file = tmp_path / "agent.log"
    level = ("--log-level", "debug")
    with (
        server(tmp_path, "master", "--address", "127.0.0.1:0", *level) as master,
        server(
            tmp_path,
            "agent",
            *("--port", "0", "--master", master.address, "--max-executors", "2"),
            *("--log-file", str(log_file), *level),
        ) as agent,
    ):
        master.log.await_match(" joined: 2 executors")
        words = [*flags_of("cluster", master.address), "-glow.log.level=debug", "-glow.quiet"]
        with started(tmp_path, "script.py", *words) as running:
            ended = running.finish()
        assert ended.status == 0 and ended.stdout == "[5]\n", running.so_far()
    driver, of_master = ids_in(ended.stderr), ids_in(master.log.text)
    of_agent = ids_in(log_file.read_text())
    assert agent.log.text == "", "it goes to the file"
    (run_id,) = {ids["run"] for _name, ids in driver}
    assert all(
        ids["agent"] == agent.address for name, ids in of_agent if name == "glowpy.agent.server"
    )
    begun = {
        ids["attempt"]: (ids["run"], ids["group"], ids["executor"], ids["agent"])
        for _name, ids in of_agent
        if "group" in ids
    }
    assert len(begun) >= 5, "four groups, one of them twice"
    assert {about[0] for about in begun.values()} == {run_id}
    told = {
        ids["attempt"]: (ids["run"], ids["group"], ids["executor"], ids["agent"])
        for _name, ids in driver
        if "attempt" in ids and "executor" in ids
    }
    assert begun.items() <= told.items()
    granted = [ids for _name, ids in of_master if "lease" in ids]
    assert granted and all(ids["run"] == run_id for ids in granted)
    assert {ids["agent"] for ids in granted} == {agent.address}
    dead = [line for line in ended.stderr.splitlines() if "signal SIGKILL" in line]
    assert dead and " WARNING " in dead[0] and "executor=" in dead[0]


def test_without_the_flag_a_driver_logs_nothing(tmp_path: Path) -> None:
    (tmp_path / "died").touch()
    (tmp_path / "script.py").write_text(
        "import logging\nlogging.basicConfig(level=logging.DEBUG)\n" + SCRIPT, encoding="utf-8"
    )
    assert run(tmp_path, "script.py").stderr == ""
    quiet = run(tmp_path, "script.py", "-glow.log.level=info").stderr
    assert {name for name, _ids in ids_in(quiet)} == {"glowpy.driver.view.run_log"}
    assert executors() == []
