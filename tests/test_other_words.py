"""The error for an unknown attribute suggests the right name."""

from __future__ import annotations

import re
from typing import Any

import pytest

import glowpy
from glowpy import Dataset, Flow
from glowpy.flow import other_words


def message(owner: Any, name: str) -> str:
    with pytest.raises(AttributeError) as error:
        getattr(owner, name)
    return str(error.value)


FLOW = Flow(["-glow.inline"])
ROWS = FLOW.slice([1])


@pytest.mark.parametrize(
    ("owner", "name", "hint"),
    [
        (ROWS, "flatMap", "did you mean flat_map?"),
        (ROWS, "reduceByKey", "did you mean reduce_by_key?"),
        (ROWS, "colect", "did you mean collect?"),
        (ROWS, "groupby", "use key_by(f).group_by_key()"),
        (ROWS, "groupBy", "use key_by(f).group_by_key()"),
        (
            ROWS,
            "cache",
            "use collect() once, then flow.slice(rows, n) for the runs that use the rows",
        ),
        (ROWS, "agg", "use reduce(f), or reduce_by_key(f) for each key"),
        (ROWS, "apply", "use map(f), or map_partitions(f) for all rows of a shard"),
        (ROWS, "toPandas", "use collect(), as in pandas.DataFrame(dataset.collect())"),
        (ROWS, "show", r"use take(n), as in print(*dataset.take(20), sep='\n')"),
        (ROWS, "text_file", "text_file() is a method of its Flow"),
        (FLOW, "map", "map is an attribute of its datasets, as flow.slice(rows, n) returns one"),
        (FLOW, "stop", "use nothing: there is nothing to stop, each run ends by itself"),
        (FLOW, "textFile", "did you mean text_file?"),
        (glowpy, "SparkContext", "use Flow(): the flags of the script say where it runs"),
        (glowpy, "Chanel", "did you mean Channel?"),
    ],
)
def test_the_message_names_what_was_meant(owner: Any, name: str, hint: str) -> None:
    assert message(owner, name).endswith(f"has no attribute {name!r}; {hint}")


@pytest.mark.parametrize("name", ["xylophone", "_private", "__wrapped__"])
def test_a_name_that_is_near_to_none_gets_no_hint(name: str) -> None:
    assert message(ROWS, name) == f"a Dataset has no attribute {name!r}"


def test_the_hint_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    import traceback

    try:
        ROWS.colect()  # type: ignore[attr-defined]
    except AttributeError:
        traceback.print_exc()
    assert capsys.readouterr().err.count("collect") == 1, "Python would add its own"


def test_every_answer_of_the_table_exists() -> None:
    known = {*dir(Dataset), *dir(Flow), *glowpy.__all__}
    for word, answer in other_words._WORDS.items():
        assert word == other_words._plain(word)
        public = {other_words._plain(name) for name in known if not name.startswith("_")}
        assert word not in public, "shadowed by a method"
        named = re.findall(r"(?<![\w.])(?:flow\.|dataset\.)?([a-z_]+)\(", answer)
        own = {"f", "lambda", "list", "dict", "print", "range"}
        assert not [name for name in named if name not in known | own], (word, answer)
