"""A pipeline of several files: a module beside the script, and a package with a data file."""

import sys

import cleaning
from glowpy import Flow, argv
from shop import PRICES, Order
from shop.tax import with_tax

DEFAULT = ["2 x tea", "1 x coffee ", "three x tea", "4 X Milk", "1 x caviar", "", "10 x sugar"]


def main(words):
    flow = Flow()
    lines = flow.slice(words or DEFAULT, shards=2)
    cleaned = lines.flat_map(cleaning.clean)
    orders = cleaned.map(Order.parse)
    print("orders:", orders.count(), "rejected:", len(lines.collect()) - orders.count())
    known = orders.filter(Order.is_known)
    for order in known.collect():
        print(f"{order.count:3} {order.article:<8}{order.price():8.2f}{with_tax(order):8.2f}")
    unknown = orders.filter(lambda order: order.article not in PRICES).collect()
    print("unknown:", unknown)
    (total,) = known.map(with_tax).reduce(lambda a, b: a + b).collect()
    print(f"total: {total:.2f}")
    return 0 if total else 1


if __name__ == "__main__":
    sys.exit(main(argv()))
