"""Articles and orders."""

import json
from dataclasses import dataclass
from importlib import resources

PRICES = json.loads(resources.files(__name__).joinpath("data/prices.json").read_text())


@dataclass
class Order:
    count: int
    article: str

    @classmethod
    def parse(cls, line):
        count, article = line.split(" x ")
        return cls(int(count), article)

    def is_known(self):
        return self.article in PRICES

    def price(self):
        return self.count * PRICES[self.article]["price"]
