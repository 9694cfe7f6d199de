"""save_text_to_file, on every runner."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from glowpy.errors import OutputError, TaskFailed
from tests.runners import ON_EVERY_RUNNER, ON_THIS_MACHINE, Runner


@ON_EVERY_RUNNER
def test_save_writes_a_line_per_row_in_shard_order(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(["a", 1, None, ("x", 2)], 3).save_text_to_file(path)
    assert path.read_bytes() == b"a\n1\nNone\n('x', 2)\n"


@ON_THIS_MACHINE
@pytest.mark.parametrize("rows", [[], ["only"], ["", ""]])
def test_save_writes_nothing_for_empty_shards(
    new_flow: Runner, tmp_path: Path, rows: list[str]
) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(rows, 3).save_text_to_file(path)
    assert path.read_text() == "".join(f"{row}\n" for row in rows)


@ON_THIS_MACHINE
def test_save_writes_utf8_in_every_locale(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().slice(["Köln", "東京", "🙂", "\u2028"], 2).save_text_to_file(str(path))
    assert path.read_bytes() == "Köln\n東京\n🙂\n\u2028\n".encode()


@ON_THIS_MACHINE
def test_save_of_many_rows_equals_what_was_given(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    new_flow().source(lambda: range(30_000), 1).map(lambda n: "x" * (n % 90)).save_text_to_file(
        path
    )
    assert path.read_text() == "".join("x" * (n % 90) + "\n" for n in range(30_000))


@ON_THIS_MACHINE
def test_a_name_that_ends_in_gz_is_compressed(new_flow: Runner, tmp_path: Path) -> None:
    path = tmp_path / "out.gz"
    rows = [f"{number:06d}" for number in range(50_000)]
    new_flow().slice(rows, 3).save_text_to_file(path)
    assert gzip.decompress(path.read_bytes()).decode() == "".join(f"{row}\n" for row in rows)
    assert path.stat().st_size < len(rows) * 7 / 2
    assert new_flow().text_file(path, 2).collect() == rows
    new_flow().slice([], 2).save_text_to_file(path)
    assert gzip.decompress(path.read_bytes()) == b""


@ON_EVERY_RUNNER
def test_save_replaces_an_older_file_only_when_all_is_there(
    new_flow: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("older")
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        new_flow().slice([1, 0], 2).map(lambda x: 1 / x).save_text_to_file(path)
    assert path.read_text() == "older"
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    new_flow().slice([1, 2], 2).save_text_to_file(path)
    assert path.read_text() == "1\n2\n"
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]


@ON_THIS_MACHINE
def test_save_where_nothing_can_be_written(new_flow: Runner, tmp_path: Path) -> None:
    dataset = new_flow().slice([1])
    with pytest.raises(OutputError, match="is a directory"):
        dataset.save_text_to_file(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write .*none/out: No such file or directory"):
        dataset.save_text_to_file(tmp_path / "none" / "out")


@ON_THIS_MACHINE
def test_save_of_a_row_that_has_no_text(new_flow: Runner, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="UnicodeEncodeError") as failure:
        new_flow().slice(["\ud800"]).save_text_to_file(tmp_path / "out")
    assert repr("\ud800") in str(failure.value)
    assert list(tmp_path.iterdir()) == []
