"""The table of all flags and commands in the documentation is made from the code."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from glowpy.cli import reference
from glowpy.cli.commands import commands
from glowpy.cli.reference import marked_texts, reference_table
from glowpy.flags import FLAGS

FLAGS_PAGE = Path(__file__).parent.parent / "docs" / "flags.md"


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    page = FLAGS_PAGE.read_text(encoding="utf-8")
    assert marked_texts(page) == [f"\n{reference_table()}\n"], "run `make docs`"
    rows = [line for line in page.splitlines() if line.startswith(("| `glowpy ", "| script"))]
    assert [row for row in rows if rows.count(row) > 1] == []
    made = reference_table().splitlines()
    assert [row for row in rows if row not in made] == [], "outside the marks"


def test_the_reference_has_a_row_for_each_flag_and_option() -> None:
    head, line, *rows = reference_table().splitlines()
    assert {row.replace(r"\|", "").count("|") for row in (head, line, *rows)} == {6}
    for flag in FLAGS:
        (row,) = (row for row in rows if f"| `-{flag.name}` |" in row)
        assert flag.meaning in row
    for name, command in commands.commands.items():
        of = [row for row in rows if row.startswith(f"| `glowpy {name}` |")]
        shown = [each for each in command.params if not getattr(each, "hidden", False)]
        assert len(of) == 1 + len(shown), "the command, and its options"
        for option in shown:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.opts[0]} says nothing of itself"
                (row,) = (row for row in of if f"`{option.opts[0]}`" in row)
                assert row.endswith(f"| {option.help} |")


@pytest.mark.parametrize(
    "row",
    [
        "| script | `-glow.task.memoryMB` | whole number | `64` | memory request",
        "| script | `-glow.flow.stat` | false, table, json | `false` | print the cost",
        "| script, with `-glow` | `-glow.rack` | text |  | preferred rack of executors |",
        "| `glowpy agent` | `--max.executors`, `--max-executors` | whole number | cores | Maximum",
        "| `glowpy agent` | `--log-level` | debug, info, warning, error | `info` | Lowest",
        "| `glowpy status` | `--watch` | bool | `false` | Refresh",
        "| `glowpy status` | `--pause` | number | `2.0` | Seconds between",
        "| `glowpy keys` | `FILE` | text |",
        "| `glowpy send` | `--to` | text | required | Name",
    ],
)
def test_defaults_and_types_are_documented(row: str) -> None:
    assert row in reference_table()


def test_the_table_in_a_file_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    begin, end = reference._BEGIN, reference._END
    former = "| an | old |\n\nline without bars\n| row |\n"
    page.write_text(f"before\n\n{begin}{former}{end}\nafter\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["reference", str(page)])
    for _ in range(2):
        reference.main()
        text = page.read_text(encoding="utf-8")
        assert text == f"before\n\n{begin}\n{reference_table()}\n{end}\nafter\n"
    page.write_text(f"{end} no text between marks {begin}", encoding="utf-8")
    with pytest.raises(SystemExit, match="has 0 places between"):
        reference.main()
