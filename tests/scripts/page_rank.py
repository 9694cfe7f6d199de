"""PageRank: each round is a run that begins with the result of the previous round."""

from glowpy import Flow

DAMPING = 0.85
ROUNDS = 12

LINKS = [
    ("home", "about"),
    ("home", "news"),
    ("about", "home"),
    ("news", "home"),
    ("news", "about"),
    ("news", "archive"),
    ("archive", "news"),
    ("blog", "home"),
    ("lost", "lost"),
]

flow = Flow()
links = flow.slice(LINKS, shards=3).group_by_key()
pages = sorted({page for link in LINKS for page in link})
ranks = {page: 1 / len(pages) for page in pages}


def shares(page, targets):
    yield page, 0.0
    for target in targets:
        yield target, ranks[page] / len(targets)


for round_number in range(1, ROUNDS + 1):
    received = links.flat_map(shares).reduce_by_key(lambda a, b: a + b)
    new = received.map_values(lambda x: (1 - DAMPING) / len(ranks) + DAMPING * x).collect()
    change = sum(abs(rank - ranks[page]) for page, rank in new)
    ranks = dict(new)
    print(f"round {round_number:2}: change {change:.6f}")
    if change < 0.1:
        break

best = Flow().slice(list(ranks.items())).top(3, key=lambda pair: pair[1])
print(*(f"{page} {rank:.4f}" for page, rank in best), sep=", ")
print(f"sum {sum(ranks.values()):.12f}")
