"""Makes the pictures of the README from runs of the examples: `make pictures`.

`live_view.svg` is a terminal of 80 columns during a run of word_count.py. `plan.svg` is the plan of
hello_world.py, printed by `-glow.flow.plot=steps` and drawn by graphviz.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import pyte.screens
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.terminal import on_terminal

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
WORD_COUNT = "word_count.py"
HELLO_WORLD = "hello_world.py"
COLUMNS, LINES = 80, 12
# The view begins after two seconds: the files are read twice, so that there is one.
FILES = [str(Path(sysconfig.get_path("stdlib")) / "**" / "*.py")] * 2
SHOWN_AT = r"\b[3-7]/8\b"
# The reader's own font: a picture in a README must load nothing from elsewhere.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.S)


def live_view() -> str:
    """Return the screen of a run of which some of eight tasks have ended, as SVG."""
    words = (WORD_COUNT, "-glow.workers=2", *FILES)
    with on_terminal(EXAMPLES, *words, size=(COLUMNS, LINES)) as terminal:
        terminal.await_match(SHOWN_AT)
        lines = [to_text(terminal.cells(number)) for number in range(LINES)]
        terminal.press(b"\x03")
        terminal.finish()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("\n").join(line for line in lines if line.plain))
    title = f"python {WORD_COUNT} '**/*.py'"
    return console.export_svg(title=title, code_format=SVG_FORMAT, unique_id="view")


def to_text(cells: Mapping[int, pyte.screens.Char]) -> Text:
    line = Text()
    for style, same in groupby((cells[column] for column in range(COLUMNS)), style_of):
        line.append("".join(cell.data for cell in same), style)
    line.rstrip()
    return line


def style_of(cell: pyte.screens.Char) -> Style:
    return Style(color=color_of(cell.fg), bold=cell.bold)


def color_of(name: str) -> str | None:
    """Return the name or number of rich for a colour of pyte."""
    if name == "default":
        return None
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return {"brown": "yellow"}.get(name, name.replace("bright", "bright_"))


def plan() -> str:
    """Return the plan of hello_world.py, from left to right, as SVG."""
    dot = run(sys.executable, HELLO_WORLD, "-glow.flow.plot=steps")
    return run("dot", "-Tsvg", "-Grankdir=LR", "-Granksep=0.2", standard_input=dot)


def run(*command: str, standard_input: str = "") -> str:
    ended = subprocess.run(
        command,
        cwd=EXAMPLES,
        input=standard_input,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ended.stdout


if __name__ == "__main__":
    (HERE / "live_view.svg").write_text(live_view(), encoding="utf-8")
    (HERE / "plan.svg").write_text(plan(), encoding="utf-8")
