"""run, collect and count, on every runner."""

from __future__ import annotations

from operator import add
from pathlib import Path

from tests.operators.shards import WORDS
from tests.runners import ON_EVERY_RUNNER, Runner


@ON_EVERY_RUNNER
def test_count_counts_rows_of_all_shards(new_flow: Runner) -> None:
    flow = new_flow()
    dataset = flow.slice(range(100), 7)
    assert dataset.count() == 100
    if new_flow.is_inline:
        assert dataset.filter(lambda x: x > 95).count() == 4
        assert flow.slice([], 2).count() == 0
        assert dataset.partition(3).count() == 100


@ON_EVERY_RUNNER
def test_run_gives_nothing_and_runs_each_leaf(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    numbers = flow.slice(range(4), 2)

    def note(number: int) -> None:
        (tmp_path / str(number)).touch()

    numbers.map(lambda n: note(n))
    numbers.map(lambda n: note(n + 100))
    flow.run()
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == [0, 1, 2, 3, *range(100, 104)]


@ON_EVERY_RUNNER
def test_a_run_computes_only_the_needed_steps(new_flow: Runner, tmp_path: Path) -> None:
    flow = new_flow()
    numbers = flow.slice(range(3))
    numbers.map(lambda n: (tmp_path / "touched").touch())
    numbers.map(lambda n: n + 1).run()
    assert not (tmp_path / "touched").exists()


@ON_EVERY_RUNNER
def test_a_dataset_can_be_read_many_times_and_the_flow_may_grow(new_flow: Runner) -> None:
    flow = new_flow()
    words = flow.slice(WORDS, 3)
    assert words.count() == len(WORDS)
    longest = words.map(len).reduce(max).collect()[0]
    assert words.filter(lambda word: len(word) == longest).collect() == ["quick", "brown", "jumps"]
    assert words.collect() == WORDS


@ON_EVERY_RUNNER
def test_one_dataset_with_two_readers_in_one_run(new_flow: Runner) -> None:
    flow = new_flow()
    squares = flow.slice(range(5), 2).map(lambda x: x * x)
    squares.map(lambda x: x + 1)
    squares.reduce(add)
    flow.run()
    assert squares.reduce(add).collect() == [30]
