"""Random numbers in tasks: repeatable under a seed, different otherwise, equal on each runner."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glowpy import Channel, Flow
from glowpy.driver.seeds import seeds_of
from glowpy.planner.run_description import RunDescription, Seeds, Sink
from glowpy.task.draws import Draws, kept_generators
from tests.processes import IN_EVERY_MODE, flags_of, run
from tests.runners import ON_EVERY_RUNNER, Runner

DRAWING = """
import random
import numpy as np
from glowpy import Flow
{seeding}

def draw(row):
    return row, round(random.random(), 9), round(float(np.random.rand()), 9)

rows = Flow().slice(range(6), 3).map(draw)
print(rows.collect())
print(rows.collect())
print(random.random(), np.random.rand())
"""
SEEDED = DRAWING.format(seeding="random.seed(1); np.random.seed(2)")


@pytest.fixture(scope="module")
def inline_draws(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The output of the seeded script in one process."""
    directory = tmp_path_factory.mktemp("inline")
    (directory / "draw.py").write_text(SEEDED)
    return run(directory, "draw.py", "-glow.inline").stdout


@IN_EVERY_MODE
def test_a_seed_at_the_top_of_the_script_repeats_all_draws(
    mode: str, tmp_path: Path, cluster: str, inline_draws: str
) -> None:
    (tmp_path / "draw.py").write_text(SEEDED)
    words = ["-glow.workers=1"] if mode == "plain" else []
    ended = run(tmp_path, "draw.py", *flags_of(mode, cluster), *words)
    assert ended.stdout == inline_draws, ended.stderr
    first, second, driver = ended.stdout.splitlines()
    assert first != second, "two runs of one script draw different numbers"
    random.seed(1)
    assert driver == f"{random.random()} {np.random.RandomState(2).rand()}", "as without a flow"


def test_groups_of_one_run_draw_different_numbers_and_so_do_two_starts(tmp_path: Path) -> None:
    (tmp_path / "draw.py").write_text(DRAWING.format(seeding=""))
    outputs = [run(tmp_path, "draw.py", "-glow.workers=2").stdout for _ in range(2)]
    assert outputs[0] != outputs[1]
    drawn = [row[1:] for row in eval(outputs[0].splitlines()[0])]
    assert len({number for pair in drawn for number in pair}) == 12


@pytest.mark.parametrize("words", [["-glow.inline"], []])
def test_a_seed_flag_covers_modules_that_only_a_task_loads(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "draw.py").write_text(
        "from glowpy import Flow\n"
        "def draw(row):\n"
        "    import random\n"
        "    return random.random()\n"
        "print(Flow().slice(range(4), 2).map(draw).collect())\n"
    )
    seeds = ("7", "7", "8")
    first, again, other = (
        run(tmp_path, "draw.py", *words, f"-glow.seed={seed}").stdout for seed in seeds
    )
    assert first == again != other


@ON_EVERY_RUNNER
def test_a_run_leaves_the_generators_of_the_driver_alone(new_flow: Runner) -> None:
    random.seed(5)
    np.random.seed(5)
    expected = random.Random(5).random(), np.random.RandomState(5).rand()
    rows = new_flow().slice(range(4), 2).map(lambda _row: random.random() + np.random.rand())
    assert len(set(rows.collect())) == 4
    assert (random.random(), np.random.rand()) == expected


@ON_EVERY_RUNNER
def test_groups_fed_by_a_channel_each_draw_their_own_numbers(new_flow: Runner) -> None:
    def drawn() -> list[float]:
        random.seed(3)
        numbers: Channel = Channel()
        found: Channel = Channel()
        flow = new_flow("-glow.seed=3")
        flow.channel(numbers, shards=2).map(lambda _row: random.random()).add_output(found)
        run = flow.start()
        for number in range(8):
            numbers.send(number)
        numbers.close()
        rows = list(found)
        run.wait()
        assert random.random() == random.Random(3).random()
        return rows

    assert len(set(drawn())) == 8


def description(seeds: Seeds, run_number: int = 1) -> RunDescription:
    return RunDescription("r", run_number, 0, (0,), Sink.ROWS, 1, {}, "", "here", seeds=seeds)


def numbers_of(seeds: Seeds, run_number: int, step_group: int, task: int) -> tuple[float, float]:
    with kept_generators():
        Draws(description(seeds, run_number), step_group, task).seed()
        return random.random(), np.random.rand()


def test_run_step_group_task_and_seed_each_make_another_sequence() -> None:
    seeds, other = Seeds(1, 1), Seeds(2, 2)
    places = [(seeds, 1, 1, 1), (seeds, 1, 1, 2), (seeds, 1, 2, 1), (seeds, 2, 1, 1)]
    places.append((other, 1, 1, 1))
    assert len({numbers_of(*place) for place in places}) == len(places)
    assert numbers_of(*places[0]) == numbers_of(*places[0])


def test_turns_go_on_with_the_sequence_of_their_own_group() -> None:
    whole = Draws(description(Seeds(1, 1)), 1, 1)
    with kept_generators():
        whole.seed()
        expected = [random.random() for _ in range(4)]
    one, two = (Draws(description(Seeds(1, 1)), 1, task) for task in (1, 2))
    before = random.getstate()
    drawn = []
    for _ in range(2):
        one.resume()
        drawn += [random.random(), random.random()]
        one.pause()
        two.resume()
        random.random()
        two.pause()
    assert drawn == expected
    assert random.getstate() == before


def test_seeds_follow_the_generators_of_the_driver_and_travel() -> None:
    with kept_generators():
        random.seed(1)
        np.random.seed(1)
        first = seeds_of(-1)
        assert first == seeds_of(-1), "taking them draws nothing"
        random.random()
        assert seeds_of(-1).of_random != first.of_random
        assert seeds_of(-1).of_numpy == first.of_numpy
        np.random.rand()
        assert seeds_of(-1).of_numpy != first.of_numpy
    assert RunDescription.from_bytes(description(first).to_bytes()).seeds == first
    assert seeds_of(4)[:2] == (4, 4)


def test_taking_seeds_loads_no_generator() -> None:
    code = (
        "import sys; from glowpy.driver.seeds import seeds_of; before = set(sys.modules); "
        "seeds_of(-1); seeds_of(3); print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_sample_draws_the_same_rows_with_any_seed() -> None:
    samples = [
        Flow(["-glow.inline", f"-glow.seed={seed}"]).slice(range(99), 3).sample(0.5).collect()
        for seed in (1, 2)
    ]
    assert samples[0] == samples[1]
