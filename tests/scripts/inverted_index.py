"""An inverted index; searches are sets of words, so frozensets are keys as well."""

import re
from collections import defaultdict
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from glowpy import Flow


class Place(NamedTuple):
    document: str
    line: int


class Posting(NamedTuple):
    word: str
    places: frozenset


DOCUMENTS = {
    "fox.txt": "The quick brown fox\njumps over the lazy dog\nand the dog sleeps on",
    "dog.txt": "A lazy dog\nis a happy dog",
    "cat.txt": "The cat sleeps\nThe quick cat jumps",
}


@lru_cache(maxsize=None)
def stem(word):
    return re.sub(r"(ing|s)$", "", word)


def index_words(name, text):
    for number, line in enumerate(text.split("\n"), start=1):
        for word in re.findall(r"\w+", line.lower()):
            yield stem(word), Place(name, number)


def pairs_in_document(name, text):
    words = sorted({stem(word) for word in re.findall(r"\w+", text.lower())})
    return [(frozenset(pair), 1) for pair in combinations(words, 2)]


flow = Flow()
documents = flow.slice(list(DOCUMENTS.items()), shards=2)
index = documents.flat_map(index_words).group_by_key().map(lambda w, p: Posting(w, frozenset(p)))

table = {posting.word: posting.places for posting in index.collect()}
print(len(table), "words")


def search(*words):
    return sorted(frozenset.intersection(*(table[stem(word)] for word in words)))


for query in [("lazy", "dog"), ("jumps",), ("sleeping", "cat")]:
    print(" ".join(query), "->", *(f"{place.document}:{place.line}" for place in search(*query)))

together = documents.flat_map(pairs_in_document).reduce_by_key(lambda a, b: a + b, shards=3)
frequent = together.filter(lambda pair, count: count > 1).collect()
print("more than once:", sorted(" ".join(sorted(pair)) for pair, _ in frequent))
by_place = index.flat_map(lambda w, places: [(p, w) for p in places]).group_by_key()
lines = defaultdict(list)
for place, words in by_place.sort().collect():
    lines[place.document].append(min(words))
print(dict(lines))
articles = documents.map(lambda name, text: frozenset(text.lower().split()) & {"a", "the"})
print("sets of articles:", articles.distinct().count())
