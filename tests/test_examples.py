"""The examples, in every mode, against plain Python on the same data."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.processes import IN_EVERY_MODE, IN_MOST_MODES, flags_of, run
from tests.test_script_modes import EXAMPLES, assert_announced, without_agents

ROOT = Path(__file__).resolve().parent.parent

USERS = "root:x:0:0:root\n# no user\nbin:x:1:1:bin\nann:x:7:0:Ann Rot:root\n"
GROUPS = "root:x:0\nBin, x7 ann\nbin\n"

# runs an example in one mode
Print = Callable[..., list[str]]


@pytest.fixture
def printed(mode: str, cluster: str, tmp_path: Path) -> Print:
    """Run an example and return the printed lines, without the addresses of agents."""
    (tmp_path / "users").write_text(USERS, encoding="utf-8")
    (tmp_path / "groups").write_text(GROUPS, encoding="utf-8")

    def of_example(name: str, *words: str, by_tasks: bool = False) -> list[str]:
        ended = run(tmp_path, EXAMPLES / name, *words, *flags_of(mode, cluster))
        assert_announced(mode, ended)
        lines = ended.stdout.splitlines()
        return without_agents(lines, mode) if by_tasks else lines

    return of_example


def fields() -> list[str]:
    lines = [line for line in USERS.splitlines() if not line.startswith("#")]
    return [field for line in lines for field in line.split(":")]


@IN_EVERY_MODE
def test_programs_1_and_2(printed: Print, mode: str) -> None:
    assert printed("glow_word_count.py", "1", "users", by_tasks=True) == [f"count: {len(fields())}"]
    assert printed("glow_word_count.py", "2", "users", by_tasks=True) == sorted(USERS.splitlines())


@IN_MOST_MODES
def test_programs_3_and_4(printed: Print, mode: str) -> None:
    times = Counter(fields())
    expected = [f"{field} : {field} : {field}" for field, n in times.items() for _ in range(n * n)]
    found = printed("glow_word_count.py", "3", "users", by_tasks=True)
    assert sorted(found) == sorted(expected)

    def words(text: str) -> Counter[str]:
        lines = text.lower().splitlines()
        return Counter(word for line in lines for word in re.split(r"[^a-z0-9]+", line))

    left, right = words(USERS), words(GROUPS)
    expected = [f"{word} : {left[word]} : {right[word]}" for word in left.keys() & right.keys()]
    found = printed("glow_word_count.py", "4", "users", "groups", by_tasks=True)
    assert sorted(found) == sorted(expected)


@IN_MOST_MODES
def test_programs_5_and_6(printed: Print, mode: str) -> None:
    seen = [f"source {n}" for n in range(5) for _ in range(2)]
    products = [f"{n} : {2 * n} : {3 * n}" for n in range(5) for _ in range(4)]
    lines = printed("glow_word_count.py", "5")
    if mode == "inline":  # two threads of one process print, and a line and its end are two writes
        assert Counter("".join(lines)) == Counter("".join(seen + products))
    else:
        assert sorted(lines) == sorted(seen + products)
    expected = [f"{n + 7} : {2 * n + 7}" for n in range(5)]
    assert sorted(printed("glow_word_count.py", "6")) == sorted(expected)


@IN_MOST_MODES
def test_program_7(printed: Print, mode: str, tmp_path: Path) -> None:
    assert printed("glow_word_count.py", "7", "users", "saved.txt") == []
    saved = (tmp_path / "saved.txt").read_text(encoding="utf-8").splitlines()
    assert saved == sorted(fields(), key=str.lower)


@IN_MOST_MODES
def test_invert_file(printed: Print, mode: str, tmp_path: Path) -> None:
    index: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(GROUPS.splitlines()):
        for word in line.split():
            index[word].append(number)
    expected = [f"{word} : {numbers}" for word, numbers in index.items()]
    expected += [f"{word} : {count}" for word, count in Counter(GROUPS.split()).items()]
    found = printed("invert_file.py", str(tmp_path / "groups"), by_tasks=True)
    assert sorted(found) == sorted(expected)


@pytest.mark.slow
@IN_MOST_MODES
def test_stack_analysis(printed: Print, mode: str, tmp_path: Path) -> None:
    found = printed("stack_analysis.py")
    tags: Counter[str] = Counter()
    months: Counter[str] = Counter()
    for row in ElementTree.parse(tmp_path / "posts.xml").iter("row"):
        if row.get("PostTypeId") == "1":
            names = re.findall("<(.*?)>", row.get("Tags", ""))
            tags.update(names if len(names) > 1 else [])
            months[row.get("CreationDate", "")[:7]] += 1
    assert len(tags) == 10 and len(months) > 6
    by_count = sorted(tags.items(), key=lambda pair: (pair[1], pair[0]))
    expected = [f"{count} {tag}" for tag, count in by_count]
    assert found == expected + [f"{month} {count}" for month, count in sorted(months.items())]


@IN_MOST_MODES
def test_sql_source(printed: Print, mode: str, tmp_path: Path) -> None:
    found = printed("sql_source.py")
    query = """
        SELECT last_seen, users.email, count(posts.id), coalesce(sum(size_bytes), 0)
        FROM users LEFT JOIN posts ON users.email = posts.email WHERE last_seen < '2023-06-01'
        GROUP BY users.email ORDER BY last_seen, users.email
    """
    with closing(sqlite3.connect(tmp_path / "blog.sqlite")) as database:
        rows: list[tuple[Any, ...]] = database.execute(query).fetchall()
    assert len(rows) > 100 and 0 in {count for _, _, count, _ in rows}
    assert found == [
        f"{email} last seen {seen}, {count} posts, {size} bytes"
        for seen, email, count, size in rows
    ]


def test_every_example_is_documented() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"[{path.name}]({path.name})" in text
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")
    )
    assert [p.name for p in EXAMPLES.glob("*.py") if f'"{p.name}"' not in tests] == []


def test_a_program_that_is_none(tmp_path: Path) -> None:
    ended = run(tmp_path, EXAMPLES / "glow_word_count.py", "8", status=1)
    assert ended.stdout == ""
    assert ended.stderr == "there are programs 1 to 7, not '8'\n"
