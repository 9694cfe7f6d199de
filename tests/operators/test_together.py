"""Combinations of operators, and errors before the start of a run."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import add

import pytest

from glowpy.errors import DefinitionError, GlowError
from tests.batch import in_one_run
from tests.operators.shards import WORDS
from tests.runners import Runner


def test_word_count(new_flow: Runner) -> None:
    lines = [" ".join(WORDS[n:] + WORDS[:n]) for n in range(len(WORDS))]
    counts = (
        new_flow()
        .slice(lines, 4)
        .flat_map(str.split)
        .map(lambda word: (word, 1))
        .partition(3)
        .reduce_by_key(lambda x, y: x + y)
        .sort(key=lambda pair: (-pair[1], pair[0]))
        .collect()
    )
    expected = Counter(word for line in lines for word in line.split())
    assert counts == sorted(expected.items(), key=lambda pair: (-pair[1], pair[0]))


def test_large_rows_and_many_rows(new_flow: Runner) -> None:
    big = ["x" * 3_000_000, "y", "z" * 2_000_000]
    assert new_flow().slice(big, 2).map(lambda row: row + "!").map(len).collect() == [
        3_000_001,
        2,
        2_000_001,
    ]
    rows = new_flow().source(lambda: range(40_000), 3).partition(2).sort().collect()
    assert rows == list(range(40_000))


def test_definition_errors_are_glow_errors_and_start_nothing(new_flow: Runner) -> None:
    flow = new_flow()
    with pytest.raises(DefinitionError, match=r"^test_together\.py:\d+: run\(\) of a flow"):
        flow.run()
    assert issubclass(DefinitionError, GlowError)
    assert reduce(add, [1, 2]) == 3


test_in_one_run = in_one_run()
