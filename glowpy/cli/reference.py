"""The table of all flags and commands in docs/flags.md, made from the code.

`make docs` runs `python -m glowpy.cli.reference docs/flags.md`, which replaces all text between
the two marks there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from glowpy.cli.commands import commands
from glowpy.flags import FLAGS, Flag

_HEAD = "| given to | flag | type | default | meaning |\n|---|---|---|---|---|\n"
_TYPES = {bool: "bool", int: "whole number", float: "number", str: "text"}
_CLICK_TYPES = {"integer": "whole number", "float": "number", "boolean": "bool"}
_PLACES = {
    "anywhere": "script",
    "cluster": "script, with `-glow`",
    "master": "script, with `-glow` or named channels",
    "standalone": "script, without `-glow`",
    "task": "task",
}
_BEGIN, _END = "<!-- begin: made by `make docs` -->\n", "<!-- end: made by `make docs` -->\n"
_MARKED = re.compile(f"(?<={re.escape(_BEGIN)}).*?(?={re.escape(_END)})", re.DOTALL)


def reference_table() -> str:
    """Every flag of a script, then every command with its options, in markdown."""
    rows = [*map(_row_of_flag, FLAGS), *_rows_of_commands()]
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row_of_flag(flag: Flag) -> tuple[str, ...]:
    kind = _TYPES[type(flag.default)]
    if flag.choices:
        kind = ", ".join(("false", *flag.choices) if flag.alone else flag.choices)
    default = f"`{flag.default}`".lower() if flag.default != "" else ""
    if flag.alone:
        default = "`false`"
    meaning = f"{flag.meaning}; {flag.inert}" if flag.inert else flag.meaning
    return _PLACES[flag.place], f"`-{flag.name}`", kind, default, meaning


def _rows_of_commands() -> Iterator[tuple[str, ...]]:
    for name, command in commands.commands.items():
        of = f"`glowpy {name}`"
        yield of, "", "", "", f"**{' '.join((command.help or '').split())}**"
        with click.Context(command) as context:
            for parameter in command.params:
                if isinstance(parameter, click.Argument):
                    yield of, f"`{str(parameter.name).upper()}`", "text", "", ""
                elif isinstance(parameter, click.Option) and not parameter.hidden:
                    yield of, *_row_of_option(parameter, context)


def _row_of_option(option: click.Option, context: click.Context) -> tuple[str, ...]:
    names = [*option.opts, *option.secondary_opts]
    kind = _CLICK_TYPES.get(option.type.name.removesuffix(" range"), "text")
    if isinstance(option.type, click.Choice):
        kind = ", ".join(map(str, option.type.choices))
    default: Any = option.get_default(context)
    if option.required:
        shown = "required"
    elif isinstance(option.show_default, str):
        shown = option.show_default
    elif option.is_flag:
        shown = f"`{bool(default)}`".lower()
    else:
        shown = f"`{default}`" if default not in ("", None) else ""
    return ", ".join(f"`{name}`" for name in names), kind, shown, option.help or ""


def marked_texts(page: str) -> list[str]:
    """Return each text of a page that stands between the marks."""
    return _MARKED.findall(page)


def main() -> None:
    """Replace the text between the marks of a file by the table."""
    path = Path(sys.argv[1])
    made = f"\n{reference_table()}\n"  # markdown needs an empty line before and after a table
    text, count = _MARKED.subn(lambda _found: made, path.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"{path} has {count} places between `{_BEGIN.strip()}` and `{_END.strip()}`")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
