"""Threads send quotes while the flow runs; averages go out as soon as they are complete."""

import threading
from collections import deque

import glowpy
from glowpy import Channel, Flow

FEEDS = {
    "AAA": [10.0, 10.5, 11.0, 10.0],
    "BBB": [99.0, 98.0, 101.5],
    "CCC": [1.25, 1.5],
}

quotes, changes, totals = Channel(), Channel(), Channel()


def moves(rows):
    last = {}
    for symbol, price in rows:
        if symbol in last:
            yield symbol, round(price / last[symbol] - 1, 4)
        last[symbol] = price


def average(symbol, prices):
    return symbol, sum(prices) / len(prices)


flow = Flow()
prices = flow.channel(quotes)
prices.partition(2).map_partitions(moves).filter(lambda _, move: move).add_output(changes)
prices.group_by_key().map(average).add_output(totals)

glowpy.ready()


def feed(symbol):
    for price in FEEDS[symbol]:
        quotes.send((symbol, price))


threads = [threading.Thread(target=feed, args=(symbol,)) for symbol in FEEDS]
run = flow.start()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
quotes.close()

recent = deque(changes, maxlen=100)
for symbol, move in sorted(recent):
    print(f"{symbol} {move:+.2%}")
print("averages:", {symbol: round(value, 3) for symbol, value in sorted(totals)})
run.wait()
print("running:", run.is_running)
