"""Rules for records: records with many fields are built by keyword."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture_rules import Module, Modules, Rule, ours

# Larger records are built by keyword: a position names nothing, and a new field moves positions.
MOST_BY_POSITION = 3
TABLES = {"glowpy.flags.Flag"}  # read by columns


def records_by_keyword(modules: Modules) -> Iterator[str]:
    """Messages, events and other records with more than three fields are built by keyword.

    A decoded sequence of all fields may be unpacked: `Captured(*values)`.
    """
    records = dict(records_of(modules))
    for module in ours(modules):
        names = names_in(module, records)
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Starred()], keywords=[]):
                    continue
                case ast.Call(func=ast.Name(id=name), args=[_, *_]) if name in names:
                    record = names[name]
                    if records[record] > MOST_BY_POSITION and record not in TABLES:
                        yield f"{module.path}:{node.lineno}: {name} is built by position"


def records_of(modules: Modules) -> Iterator[tuple[str, int]]:
    """The full name of each record of glowpy, and the number of its fields."""
    for module in ours(modules):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and is_record(node):
                yield (
                    f"{module.name}.{node.name}",
                    sum(isinstance(each, ast.AnnAssign) for each in node.body),
                )


def is_record(node: ast.ClassDef) -> bool:
    bases = (base.id for base in node.bases if isinstance(base, ast.Name))
    return "NamedTuple" in bases or any(
        "dataclass" in ast.unparse(each) for each in node.decorator_list
    )


def names_in(module: Module, records: dict[str, int]) -> dict[str, str]:
    """The records that a module defines or imports, by their local names."""
    found = {record.rpartition(".")[2]: record for record in records if own(record, module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                record = f"{node.module}.{alias.name}"
                if record in records:
                    found[alias.asname or alias.name] = record
    return found


def own(record: str, module: Module) -> bool:
    return record.rpartition(".")[0] == module.name


RECORD_RULES: tuple[Rule, ...] = (records_by_keyword,)
