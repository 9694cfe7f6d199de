"""Arguments of users' functions, and functions that are refused, with the place of the error."""

from __future__ import annotations

import operator
import re
from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest

from glowpy import Flow
from glowpy.errors import DefinitionError, TaskFailed
from glowpy.flow.arguments import ANY_FIELDS, check_reducer, field_count
from tests.batch import in_one_run
from tests.runners import Runner


class Callables:
    def method(self, a: Any, b: Any) -> Any:
        return a, b

    def __call__(self, a: Any, b: Any, c: Any) -> Any:
        return a, b, c

    def any_fields(self, *fields: Any) -> Any:
        return fields

    @classmethod
    def of_class(cls, a: Any) -> Any:
        return a

    @staticmethod
    def static(a: Any, b: Any) -> Any:
        return a, b


class Made:
    def __init__(self, a: Any, b: Any) -> None:
        self.pair = a, b


Pair = namedtuple("Pair", "left right")


def named(a: Any, b: Any, c: Any = 0, *more: Any, d: Any = 0, **rest: Any) -> Any:
    return a, b, c, more, d, rest


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper of the function, so that `inspect` has to read the signature."""

    @wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


PLAIN = [
    lambda: 0,
    lambda a: a,
    lambda a, b: a,
    lambda a, b, /, c: a,
    lambda a, b=1: a,
    lambda a=1, b=2: a,
    lambda a, b, c=3, *args: a,
    lambda *args: args,
    lambda *, key: key,
    lambda *, key=1: key,
    lambda a, *, one=1, two: a,
    lambda a, *args, key, **rest: a,
    lambda a, b, **rest: a,
    named,
]


@pytest.mark.parametrize("function", PLAIN, ids=range(len(PLAIN)))
def test_a_code_object_has_the_data_of_a_signature(function: Callable[..., Any]) -> None:
    def error_of(check: Callable[[Any, str], Any], asked: Callable[..., Any]) -> Any:
        try:
            return check(asked, "map")
        except DefinitionError as exc:
            return str(exc)

    for check in (field_count, check_reducer):
        assert error_of(check, function) == error_of(check, wrapped(function))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda row: row, 0),
        (lambda a, b: a, 2),
        (lambda a, b, c, d, e: a, 5),
        (lambda a, b=1: a, 0),
        (lambda a=1, b=2: a, 0),
        (lambda *args: args, ANY_FIELDS),
        (lambda a, *args: args, ANY_FIELDS),
        (lambda *args, key=1: args, ANY_FIELDS),
        (lambda *args, **keywords: args, 0),
        (partial(lambda *args: args, 1), ANY_FIELDS),
        (partial(print, end=""), 0),
        (Callables().any_fields, ANY_FIELDS),
        (lambda a, b, *args: args, 2),
        (lambda a, b, c=3: a, 2),
        (lambda a, *, b=2: a, 0),
        (lambda a, **rest: a, 0),
        (named, 2),
        (int, 0),
        (str, 0),
        (print, 0),
        (len, 0),
        (operator.itemgetter(1), 0),
        (operator.add, 2),
        (divmod, 2),
        (partial(named, 1), 0),
        (partial(lambda a, b, c: a, 1), 2),
        (Callables().method, 2),
        (Callables(), 3),
        (Callables.of_class, 0),
        (Callables.static, 2),
        (Callables.method, 3),
        (Made, 2),
        (Pair, 2),
        (str.split, 0),
        ("-".join, 0),
    ],
)
def test_two_or_more_required_parameters_ask_for_fields(
    function: Callable[..., Any], expected: int
) -> None:
    assert field_count(function, "map") == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda row: row, ("k", 1)),
        (lambda k, v: [v, k], [1, "k"]),
        (lambda k, v=9: (k, v), (("k", 1), 9)),
        (lambda *args: args, ("k", 1)),
        (lambda k, *rest: [rest, k], [(1,), "k"]),
        (lambda *args, **keywords: args, (("k", 1),)),
        (lambda k, v, *args: args, ()),
        (operator.itemgetter(1), 1),
        (Callables().method, ("k", 1)),
        (Pair, Pair("k", 1)),
        (str, "('k', 1)"),
        (partial(lambda a, b, c: (a, b, c), 0), (0, "k", 1)),
    ],
)
def test_map_passes_fields_or_the_row(
    new_flow: Runner, function: Callable[..., Any], expected: Any
) -> None:
    rows: list[Any] = [("k", 1)]
    assert new_flow().slice(rows).map(function).collect() == [expected]


def test_filter_and_flat_map_pass_fields_too(new_flow: Runner) -> None:
    flow = new_flow()
    rows = [("a", 2), ["b", 0], Pair("c", 1)]
    assert flow.slice(rows, 2).filter(lambda k, n: n).collect() == [("a", 2), Pair("c", 1)]
    assert flow.slice(rows, 2).flat_map(lambda k, n: k * n).collect() == ["a", "a", "c"]


def test_a_star_parameter_gets_the_fields_of_each_tuple_or_list_and_other_rows_alone(
    new_flow: Runner,
) -> None:
    rows: list[Any] = [("a", 1, None), [], 7, "ab", Pair(1, 2), [3]]
    flow = new_flow()
    dataset = flow.slice(rows, shards=2)
    assert dataset.map(lambda *row: row).collect() == [
        ("a", 1, None),
        (),
        (7,),
        ("ab",),
        (1, 2),
        (3,),
    ]
    assert dataset.filter(lambda *row: len(row) == 2).collect() == [Pair(1, 2)]
    assert dataset.flat_map(lambda *row: row[:1]).collect() == ["a", 7, "ab", 1, 3]
    assert dataset.key_by(lambda *row: len(row)).collect()[0] == (3, ("a", 1, None))
    values = flow.slice([("k", (1, 2)), ("l", 3)]).map_values(lambda *value: sum(value))
    assert values.collect() == [("k", 3), ("l", 3)]


def test_a_row_with_too_few_fields_for_a_star_function_is_shown(new_flow: Runner) -> None:
    dataset = new_flow().slice([("a", 1), ()]).map(lambda first, *rest: first)
    with pytest.raises(TaskFailed, match=r"missing 1 required positional argument") as failure:
        dataset.run()
    assert "row: ()" in str(failure.value)


def test_reducers_take_two_values_and_sort_keys_the_row(new_flow: Runner) -> None:
    flow = new_flow()
    pairs = [("a", (1, 2)), ("a", (3, 4))]
    assert flow.slice(pairs).reduce_by_key(lambda x, y: (x, y)).collect() == [
        ("a", ((1, 2), (3, 4)))
    ]
    assert flow.slice(pairs).reduce(lambda x, y: [x, y]).collect() == [pairs]
    assert flow.slice(pairs).sort(key=lambda row: -row[1][0]).collect() == pairs[::-1]
    assert flow.slice([3, 1]).reduce(lambda x, y, *more: (x, y, more)).collect() == [(3, 1, ())]


@pytest.mark.parametrize(
    "row", [("k",), ("k", 1, 2), (), "ab", 7, None, {"a": 1, "b": 2}, {1, 2}, [1], b"ab"], ids=repr
)
@pytest.mark.parametrize("operator_name", ["map", "filter", "flat_map"])
def test_a_row_without_those_fields_is_shown(
    new_flow: Runner, operator_name: str, row: Any
) -> None:
    def two(left: Any, right: Any) -> Any:
        return [left, right]

    dataset = getattr(new_flow().slice([("a", "b"), row]), operator_name)(two)
    with pytest.raises(TaskFailed, match=r"two has 2 parameters and gets the fields") as failure:
        dataset.run()
    text = str(failure.value)
    assert f"but the row is {row!r}" in text and f"row: {row!r}" in text
    assert re.search(r"(Map|Filter|FlatMap)1 \(test_arguments\.py:\d+\) failed on ", text)


# --- refused at definition ---------------------------------------------------------------------


def flow() -> Any:
    return Flow(["-glow.inline"])


def rows() -> Any:
    return flow().slice([1])


def generator(row: Any) -> Iterator[Any]:
    yield row


async def coroutine(row: Any) -> Any:
    return row


async def async_generator(row: Any) -> AsyncIterator[Any]:
    yield row


class Generating:
    def __call__(self, row: Any) -> Iterator[Any]:
        yield row

    def method(self, row: Any) -> Iterator[Any]:
        yield row


@pytest.mark.parametrize(
    "function",
    [generator, Generating().method, partial(generator), Generating()],
    ids=["function", "method", "partial", "object"],
)
def test_map_refuses_generator_functions_and_hints_at_flat_map(function: Any) -> None:
    with pytest.raises(DefinitionError, match=r"is a generator function; use flat_map\(\)"):
        rows().map(function)
    assert rows().flat_map(function).collect() == [1]


@pytest.mark.parametrize(
    "function",
    [coroutine, async_generator, partial(coroutine)],
    ids=["coroutine", "generator", "partial"],
)
@pytest.mark.parametrize("name", ["map", "flat_map", "filter"])
def test_async_functions_are_refused(name: str, function: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"{name}\(\) .* is async"):
        getattr(rows(), name)(function)


@pytest.mark.parametrize("name", ["map", "flat_map", "filter", "reduce", "reduce_by_key"])
@pytest.mark.parametrize("wrong", [None, 3, "len", [len]], ids=str)
def test_values_other_than_functions_are_refused(name: str, wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"{name}\(\) needs a function, not ") as error:
        getattr(rows(), name)(wrong)
    assert repr(wrong) in str(error.value)


@pytest.mark.parametrize("name", ["map", "flat_map", "filter"])
def test_functions_that_cannot_take_a_row_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"with a row, but .*<lambda> takes no argument"):
        getattr(rows(), name)(lambda: 1)
    with pytest.raises(DefinitionError, match=r"requires the keyword argument 'key'"):
        getattr(rows(), name)(lambda row, *, key: row)


@pytest.mark.parametrize("name", ["reduce", "reduce_by_key"])
@pytest.mark.parametrize(
    "function", [lambda: 0, lambda x: x, lambda x, y, z: x, lambda x, y, *, z: x, str.upper]
)
def test_reducers_that_cannot_take_two_values_are_refused(name: str, function: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"test_arguments\.py:\d+: {name}\(\)"):
        getattr(rows(), name)(function)


@pytest.mark.parametrize(
    "function",
    [operator.add, max, lambda x, y: x, lambda x, y=0: x, lambda *values: values, Pair, named],
)
def test_reducers_that_can(function: Any) -> None:
    check_reducer(function, "reduce")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: flow().slice(5), r"slice\(\) needs rows to iterate over, not 5"),
        (lambda: flow().source([1], 1), r"source\(\) needs a function .* not list; .* slice\(\)"),
        (lambda: flow().text_file([], 1), r"text_file\(\) got an empty list"),
        (lambda: flow().text_file("", 1), r"text_file\(\) needs a path, a glob or a list, not ''"),
        (lambda: flow().text_file(["a", 3], 1), r"text_file\(\) needs a path.*not 3"),
        (lambda: flow().text_file(3, 1), r"text_file\(\) needs a path.*not 3"),
        (lambda: flow().text_file(b"x", 1), r"text_file\(\) needs a path.*not b'x'"),
        (lambda: flow().text_file("x", 1, encoding="utf-99"), r"text_file\(\): unknown encoding"),
        (lambda: flow().text_file("x", 1, encoding="base64"), r"text_file\(\): 'base64' is not a"),
        (lambda: flow().text_file("x", 1, errors="shout"), r"text_file\(\): unknown error handler"),
        (lambda: rows().sort(key="k"), r"sort\(\) needs a function, not 'k'"),
        (lambda: rows().save_text_to_file(""), r"save_text_to_file\(\) needs a path, not ''"),
        (
            lambda: rows().save_text_to_file("outdir/"),
            r"writes one file, but 'outdir/' names a folder; docs/recipes.md \(One file per shard",
        ),
        (lambda: rows().save_text_to_file(3), r"save_text_to_file\(\) needs a path, not 3"),
        (lambda: flow().run(), r"run\(\) of a flow without datasets; begin with text_file"),
    ],
)
def test_wrong_calls_name_the_users_line(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as error:
        call()
    line = call.__code__.co_firstlineno
    assert str(error.value).startswith(f"{Path(__file__).name}:{line}: ")


def test_flags_are_a_list() -> None:
    with pytest.raises(DefinitionError, match=r"Flow\(\) takes a list of flags: .*'-glow'"):
        Flow("-glow")


def test_a_filter_that_yields_is_refused() -> None:
    def keep(row: int) -> Iterator[bool]:
        yield row > 2

    with pytest.raises(DefinitionError, match=r"filter\(\) takes what its function returns"):
        Flow([]).slice([1]).filter(keep)


@pytest.mark.parametrize("key", [lambda: 0, 7, "name"])
def test_a_sort_key_is_a_function_of_a_row_or_its_fields(key: Any) -> None:
    with pytest.raises(DefinitionError, match=r"sort\(\) (calls its func|needs a function)"):
        Flow([]).slice([1]).sort(key)


def test_the_error_of_a_flat_map_without_an_iterable_names_the_remedy() -> None:
    with pytest.raises(TaskFailed, match=r"flat_map\(\) needs an iterable .* got None; .* return"):
        Flow(["-glow.inline"]).slice([1]).flat_map(lambda row: None).run()  # type: ignore[arg-type,return-value]


test_in_one_run = in_one_run()
