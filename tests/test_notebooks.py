"""Flows in a kernel of Jupyter: names of cells, pictures, progress and errors."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from glowpy import Dataset, Flow, notebook
from tests.gate import Gate
from tests.processes import started

# Prints each message of the kernel as a line of JSON, after the number of its cell.
FRONTEND = """
import json, sys
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="python3")
for number, cell in enumerate(json.load(sys.stdin), start=1):
    def hear(message):
        print(json.dumps([number, message["msg_type"], message["content"]]), flush=True)
    client.execute_interactive(cell, timeout=100, output_hook=hear)
client.stop_channels()
manager.shutdown_kernel()
"""
CELLS = [
    "from glowpy import Flow\n\ndef parse(line):\n    return int(line)",
    'rows = Flow(["-glow.workers=1"]).slice(["1", "2"]).map(parse)\nrows',
    'rows.plot("groups")',
    'Flow(["-glow.workers=1"]).slice(["many"]).map(parse).collect()',
    "rows.groupby",
    """
import socket
def wait(row):
    with socket.create_connection(("127.0.0.1", PORT), timeout=120) as gate:
        gate.sendall(f"work {row} 0\\n".encode())
        gate.recv(1)
    return row
Flow(["-glow.workers=1"]).slice(range(4), 2).map(wait).count()
""",
    "rows.explain()",
]


@pytest.mark.slow
def test_a_kernel(tmp_path: Path) -> None:
    """One kernel for all cells, because a start takes seconds; plans are text without graphviz."""
    (tmp_path / "frontend.py").write_text(FRONTEND, encoding="utf-8")
    environment = {
        "GLOWPY_TIME_SCALE": "0.2",
        "IPYTHONDIR": str(tmp_path),
        "PATH": "",
        "PYTHONWARNINGS": "",
    }
    with Gate() as gate:
        cells = json.dumps([cell.replace("PORT", gate.port) for cell in CELLS])
        with started(tmp_path, "frontend.py", stdin=cells, environment=environment) as running:
            running.stdout.await_match(r"tasks done, \d running on 1 executor")
            gate.open()
            ended = running.finish()
    assert ended.status == 0, ended.stderr
    said: dict[int, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for line in ended.stdout.splitlines():
        number, kind, content = json.loads(line)
        said[number][kind].append(content)

    def result(number: int) -> str:
        (content,) = said[number]["execute_result"]
        assert list(content["data"]) == ["text/plain"]
        text: str = content["data"]["text/plain"]
        return text

    def error(number: int) -> str:
        (content,) = said[number]["error"]
        return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content["traceback"]))

    first, *plan = result(2).splitlines()
    assert first == "<Dataset Map1 (Cell In[2]:1), 1 shard>"
    assert plan == result(7).splitlines() and plan[0].startswith("2 steps in 1 step group")
    assert result(3).startswith("digraph glow {\n")
    text = error(4)
    assert text.count("invalid literal for int() with base 10: 'many'") == 1
    assert "----> 1 Flow(" in text and "/glowpy/" not in text and "ipykernel" not in text
    assert "TaskFailed: Map1 (Cell In[4]:1) failed on" in text and "row: 'many'" in text
    assert re.search(r"\n  Cell In\[1\], line 4, in parse\n +return int\(line\)", text)
    assert error(5).endswith(
        "Cell In[5], line 1\n----> 1 rows.groupby\n\n"
        "AttributeError: a Dataset has no attribute 'groupby'; use key_by(f).group_by_key()"
    )
    (drawn,) = said[6]["display_data"]
    assert re.search(r"^0 Input0>Map1 .* 0/2 +1 running", drawn["data"]["text/plain"])
    last = said[6]["update_display_data"][-1]
    assert re.fullmatch(r"glowpy: run 2 done in .*", last["data"]["text/plain"])
    assert last["transient"] == drawn["transient"], "the same output"
    assert result(6) == "4" and "stream" not in said[6]


def test_a_dataset_is_shown_as_a_picture_where_graphviz_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nwhile read -r line; do :; done\necho "<svg/>"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    rows: Dataset = Flow(["-glow.inline"]).slice([1])
    assert rows._repr_mimebundle_() == {}, "a terminal shows the repr"
    monkeypatch.setattr(notebook, "is_notebook", lambda: True)
    assert rows._repr_mimebundle_() == {"text/plain": repr(rows), "image/svg+xml": "<svg/>\n"}


def test_code_of_a_cell_stands_in_a_traceback_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent knows no cells."""
    cell = tmp_path / "123.py"
    cell.write_text("def parse(line):\n    return int(line)\n")
    monkeypatch.setattr(
        notebook, "cell_name", lambda name: "Cell In[7]" if name == str(cell) else None
    )
    other = '  File "/lib/json.py", line 2, in loads'
    text = f'Traceback:\n  File "{cell}", line 2, in parse\n{other}\n    decode()\nrow: 3'
    assert notebook.with_cell_names(text) == (
        f"Traceback:\n  Cell In[7], line 2, in parse\n    return int(line)\n{other}\n"
        "    decode()\nrow: 3"
    )
    text = f'  File "{cell}", line 2, in parse\n    return int(line)\n           ^^^'
    assert notebook.with_cell_names(text).count("return int") == 1
