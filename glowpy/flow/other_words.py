"""Words of Spark, Dask and pandas, and what they are called here.

Loaded when an attribute does not exist: the error names the attribute that was meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from glowpy.errors import hide_own_frames

_KEPT = "collect() once, then flow.slice(rows, n) for the runs that use the rows"
_COLUMNS = "map(f): rows are values, without columns"
_FIRST = "take(n)"
_COUNTED = "map(lambda row: (row, 1)).reduce_by_key(operator.add)"
_KEYED = "map_values(start).reduce_by_key(f)"
_NUMBERED = "map_partitions(f): f(rows, shard) gets the number of the shard"
_SPREAD = "round_robin(n), or partition(n) by key"
_SAVED = "save_text_to_file(path)"
_READ = "flow.text_file(path, n)"
_ROWS = "flow.slice(rows, n)"
_FILES = "flow.slice(paths, n).flat_map(read_one)"
_ENDS = "nothing: there is nothing to stop, each run ends by itself"
_FLOW = "Flow(): the flags of the script say where it runs"

# In lower case and without underscores: groupBy, groupby and group_by are one word.
_WORDS = {
    "accumulator": "map_partitions(f).reduce(operator.add): results are rows",
    "agg": "reduce(f), or reduce_by_key(f) for each key",
    "aggregate": "map(f).reduce(g)",
    "aggregatebykey": _KEYED,
    "append": "union(other)",
    "apply": "map(f), or map_partitions(f) for all rows of a shard",
    "applymap": "map(f)",
    "assign": _COLUMNS,
    "astype": "map(f)",
    "average": "map(lambda x: (x, 1)).reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))",
    "avg": "map(lambda x: (x, 1)).reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))",
    "binaryfiles": _FILES,
    "broadcast": "a variable of the script, or broadcast_join(other)",
    "cache": _KEPT,
    "cartesian": "flat_map(lambda x: [(x, y) for y in rows]), with rows = other.collect()",
    "checkpoint": _KEPT,
    "client": _FLOW,
    "close": _ENDS,
    "collectasmap": "dict(dataset.collect())",
    "columns": _COLUMNS,
    "combinebykey": _KEYED,
    "compute": "collect(), count(), take(n) or save_text_to_file(path)",
    "concat": "union(other)",
    "countbykey": "map(lambda key, value: (key, 1)).reduce_by_key(operator.add)",
    "countbyvalue": _COUNTED,
    "createdataframe": _ROWS,
    "dropduplicates": "distinct()",
    "describe": "explain() for the plan; reduce(f) for statistics",
    "execute": "run(), or collect() for the rows",
    "explode": "flat_map(f)",
    "first": "take(1)",
    "flatten": "flat_map(f)",
    "fold": "reduce(f)",
    "foldby": "key_by(key).map_values(start).reduce_by_key(f)",
    "foldbykey": _KEYED,
    "foreachpartition": "map_partitions(f).run()",
    "fromdelayed": _FILES,
    "fromsequence": _ROWS,
    "frequencies": _COUNTED,
    "getnumpartitions": "shard_count",
    "glom": "map_partitions(lambda rows: [list(rows)])",
    "groupby": "key_by(f).group_by_key()",
    "head": _FIRST,
    "intersection": "map(lambda x: (x, None)).join(other.map(lambda x: (x, None))) after "
    "distinct() on both sides: join() needs pairs",
    "isempty": "not dataset.take(1)",
    "itertuples": "collect(), or add_output(channel) and flow.start()",
    "iterrows": "collect(), or add_output(channel) and flow.start()",
    "leftjoin": "left_outer_join(other)",
    "lookup": "filter(f).collect()",
    "mapbatches": "map_partitions(f)",
    "mapinpandas": "map_partitions(f)",
    "mappartitionswithindex": _NUMBERED,
    "max": "reduce(max)",
    "mean": "map(lambda x: (x, 1)).reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))",
    "merge": "join(other)",
    "min": "reduce(min)",
    "nlargest": "top(n, key=f)",
    "npartitions": "shard_count",
    "nsmallest": "sort(key=f).take(n)",
    "nunique": "distinct().count()",
    "orderby": "sort(key=f)",
    "outerjoin": "full_outer_join(other)",
    "parallelize": _ROWS,
    "partitionby": "partition(n)",
    "persist": _KEPT,
    "pluck": "map(lambda row: row[key])",
    "query": "filter(f)",
    "randomsample": "sample(fraction, seed)",
    "randomsplit": "sample(fraction, seed), or filter(f)",
    "range": "flow.slice(range(n), shards)",
    "readcsv": f"{_READ}.map(parse), or {_FILES}",
    "readjson": f"{_READ}.map(json.loads)",
    "readparquet": _FILES,
    "readtext": _READ,
    "rebalance": "round_robin(n)",
    "repartition": _SPREAD,
    "rightjoin": "right_outer_join(other)",
    "saveastextfile": _SAVED,
    "select": _COLUMNS,
    "show": "take(n), as in print(*dataset.take(20), sep='\\n')",
    "shuffle": _SPREAD,
    "size": "count()",
    "sortby": "sort(key=f)",
    "sortbykey": "sort()",
    "sortvalues": "sort(key=f)",
    "sparkcontext": _FLOW,
    "sparksession": _FLOW,
    "starmap": "map(f): a function of several parameters gets the fields of a row",
    "stats": "reduce(f)",
    "stop": _ENDS,
    "subtract": "key_by(f).cogroup(other.key_by(f)).filter(g)",
    "sum": "reduce(operator.add)",
    "takeordered": "sort(key=f).take(n)",
    "takesample": "sample(fraction, seed).take(n)",
    "tocsv": _SAVED,
    "todataframe": "collect(), as in pandas.DataFrame(dataset.collect())",
    "todebugstring": "explain()",
    "todf": "collect(), as in pandas.DataFrame(dataset.collect())",
    "tolist": "collect()",
    "tolocaliterator": "collect(), or add_output(channel) and flow.start()",
    "topandas": "collect(), as in pandas.DataFrame(dataset.collect())",
    "toparquet": "map_partitions(f): f writes a file for its shard",
    "topk": "top(n, key=f)",
    "totextfiles": _SAVED,
    "treereduce": "reduce(f)",
    "unionall": "union(other)",
    "unique": "distinct()",
    "unpersist": _KEPT,
    "valuecounts": _COUNTED,
    "visualize": "plot()",
    "where": "filter(f)",
    "wholetextfiles": _FILES,
    "withcolumn": _COLUMNS,
    "write": _SAVED,
    "zipwithindex": _NUMBERED,
    "zipwithuniqueid": _NUMBERED,
}


def no_attribute(
    owner: str, name: str, known: Iterable[str], elsewhere: str = ""
) -> AttributeError:
    """Return the error for a missing attribute, with a hint at the attribute meant.

    Args:
        owner: as text, such as "a Dataset".
        known: existing names.
        elsewhere: the owner of such a name, as text; empty: none.
    """
    text = f"{owner} has no attribute {name!r}"
    if not name.startswith("_"):  # IPython and pickle probe for many private attributes
        hide_own_frames()
        text += f"; {hint}" if (hint := _hint(name, known, elsewhere)) else ""
    error: Any = AttributeError(text, name=name, obj=None)  # with an obj, Python adds its own guess
    error._render_traceback_ = lambda: _ipython_lines(error)
    made: AttributeError = error
    return made


def _hint(name: str, known: Iterable[str], elsewhere: str) -> str:
    if elsewhere:
        return elsewhere
    names = {_plain(each): each for each in known if not each.startswith("_")}
    plain = _plain(name)
    if plain in names:
        return f"did you mean {names[plain]}?"
    if plain in _WORDS:
        return f"use {_WORDS[plain]}"
    from difflib import get_close_matches  # slow to import

    close = get_close_matches(plain, names, 1, 0.7)
    return f"did you mean {names[close[0]]}?" if close else ""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _ipython_lines(error: BaseException) -> list[str]:
    from glowpy.tracebacks import ipython_lines

    return ipython_lines(error)
