"""Addresses in several spellings, deduplicated by a key class of the script."""

import unicodedata
from dataclasses import dataclass
from enum import Enum, auto

import glowpy
from glowpy import Flow


class Kind(Enum):
    PERSON = auto()
    COMPANY = auto()
    UNKNOWN = "?"

    @classmethod
    def of(cls, name):
        if name.lower().endswith((" ltd", " ltd.", " gmbh")):
            return cls.COMPANY
        return cls.PERSON if " " in name else cls.UNKNOWN


class Name:
    """A text that equals texts with other case, accents and spaces."""

    def __init__(self, text):
        self.text = text
        plain = unicodedata.normalize("NFKD", text.casefold())
        self.plain = "".join(letter for letter in plain if letter.isalnum())

    def __eq__(self, other):
        return isinstance(other, Name) and self.plain == other.plain

    def __hash__(self):
        return hash(self.plain)

    def __repr__(self):
        return f"Name({self.text!r})"


@dataclass(frozen=True)
class Key:
    kind: Kind
    name: Name


ROWS = [
    ("José Álvarez", 3),
    ("Acme Ltd", 10),
    ("jose alvarez", 4),
    ("ACME LTD.", 1),
    ("Jose  Alvarez", 5),
    ("Zoë", 1),
    ("zoe", 1),
    ("Straße GmbH", 2),
    ("STRASSE gmbh", 2),
    ("Ann Other", 9),
]


def key_of(name, orders):
    return Key(Kind.of(name), Name(name)), orders


rows = Flow().slice(ROWS, shards=4)

glowpy.ready()

totals = rows.map(key_of).reduce_by_key(lambda a, b: a + b, shards=3)
for key, orders in sorted(totals.collect(), key=lambda pair: pair[0].name.plain):
    print(f"{key.kind.name:<8}{key.name.plain:<14}{orders}")
kinds = rows.map(lambda name, orders: Kind.of(name)).distinct().collect()
print("kinds:", sorted(kind.name for kind in kinds), Kind.COMPANY in kinds)
