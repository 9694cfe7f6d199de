"""Token statistics of a small corpus, with stop words and a config object."""

import re
import string
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import glowpy

STOP_WORDS = {"the", "a", "an", "and", "of", "to", "in", "is", "it", "that", "was", "he", "for"}
TEXT = Path(__file__).parent / "corpus.txt"


@dataclass
class Config:
    min_length: int = 3
    top: int = 5
    stop_words: set = field(default_factory=lambda: set(STOP_WORDS))
    pattern: re.Pattern = re.compile(r"[a-z']+")


config = Config()
config.stop_words |= {"they", "there"}


def tokens(line):
    for token in config.pattern.findall(line.lower()):
        token = token.strip(string.punctuation)
        if len(token) >= config.min_length and token not in config.stop_words:
            yield token


def histogram(rows):
    yield Counter(len(token) for token in rows)


def bigrams(line):
    words = list(tokens(line))
    return zip(words, words[1:])


lines = glowpy.Flow().text_file(str(TEXT), 3)
words = lines.flat_map(tokens)
counts = words.map(lambda w: (w, 1)).reduce_by_key(lambda a, b: a + b)

print(f"{lines.count()} lines, {words.count()} tokens, {words.distinct().count()} different")
for word, n in counts.top(config.top, key=lambda pair: (pair[1], pair[0])):
    print(f"{n:4d}  {word}")
lengths = words.map_partitions(histogram).reduce(lambda a, b: a + b).collect()[0]
for length in sorted(lengths):
    print(f"{length:2d} {'*' * lengths[length]}")
pairs = lines.flat_map(bigrams).map(lambda a, b: ((a, b), 1)).reduce_by_key(lambda a, b: a + b)
print(pairs.filter(lambda pair, n: n > 1).collect())
unused = STOP_WORDS - set(lines.flat_map(lambda line: line.lower().split()).collect())
print("stop words that never occur:", sorted(unused))
