"""Complete scripts of users: tests/scripts/NAME.py prints NAME.out in every mode.

The scripts are in the style of users, with globals, closures, classes in `__main__` and several
runs each. NAME.err has the lines of standard error in sorted order, without the addresses of
agents; without that file, standard error must be empty.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.processes import flags_of, run
from tests.test_script_modes import AGENT, ANNOUNCED, WAITING

FOLDER = Path(__file__).resolve().parent / "scripts"
SCRIPTS = sorted(str(path.relative_to(FOLDER))[: -len(".out")] for path in FOLDER.rglob("*.out"))

WORDS = {"errors_in_logs": ["--level", "WARNING", "-v", "--shards=3"]}
ENVIRONMENT = {"errors_in_logs": {"ERROR_THRESHOLD": "2"}}

# Sets of text have another order under each PYTHONHASHSEED.
MODES_AND_SEEDS = [("inline", "1"), ("plain", "2"), ("cluster", "5")]
RUNS = [
    *((name, *each) for name in SCRIPTS for each in MODES_AND_SEEDS),
    ("errors_in_logs", "own cluster", "4"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode", "seed"), RUNS)
def test_a_script_prints_the_same_in_every_mode(
    name: str, mode: str, seed: str, cluster: str, tmp_path: Path
) -> None:
    script = FOLDER / f"{name}.py"
    words, variables = WORDS.get(name, []), ENVIRONMENT.get(name, {})
    if mode == "cluster":  # in other modes, tasks inherit the script's environment
        words = [*words, *(f"-glow.env={variable}" for variable in variables)]
    environment = {"PYTHONHASHSEED": seed, **variables}
    ended = run(tmp_path, script, *flags_of(mode, cluster), *words, environment=environment)
    assert ended.stdout == script.with_suffix(".out").read_text(encoding="utf-8")
    errors = script.with_suffix(".err")
    expected = errors.read_text(encoding="utf-8") if errors.exists() else ""
    noted = re.sub(f"(?m)^(?:{AGENT}|{ANNOUNCED}|{WAITING})", "", ended.stderr)
    assert sorted(noted.splitlines()) == expected.splitlines()
    assert os.listdir(tmp_path) == []


def test_every_script_has_its_output() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")}
    scripts |= {f"{path.parent.name}/main" for path in FOLDER.glob("*/main.py")}
    assert scripts == set(SCRIPTS)
