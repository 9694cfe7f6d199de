"""Monte Carlo: pi, and the price of an option, with a seed for repeatable results."""

import math
import random
from statistics import NormalDist, fmean, stdev

from glowpy import Flow

random.seed(2024)

TASKS = 8
TRIALS = 500
SPOT, STRIKE, RATE, VOLATILITY, YEARS = 100.0, 105.0, 0.02, 0.2, 1.0


class Option:
    def __init__(self, strike, years):
        self.strike = strike
        self.years = years

    def payoff(self, _):
        drift = (RATE - VOLATILITY**2 / 2) * self.years
        shock = VOLATILITY * math.sqrt(self.years) * random.gauss(0, 1)
        return math.exp(-RATE * self.years) * max(0.0, SPOT * math.exp(drift + shock) - self.strike)

    def exact(self):
        normal = NormalDist()
        deviation = VOLATILITY * math.sqrt(self.years)
        d1 = (math.log(SPOT / self.strike) + RATE * self.years) / deviation + deviation / 2
        return SPOT * normal.cdf(d1) - self.strike * math.exp(-RATE * self.years) * normal.cdf(
            d1 - deviation
        )


def inside(trials):
    return sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(trials))


flow = Flow()
hits = flow.slice([TRIALS] * TASKS, TASKS).map(inside)
(total,) = hits.reduce(lambda a, b: a + b).collect()
print(f"pi: {4 * total / TRIALS / TASKS:.3f}")

option = Option(STRIKE, YEARS)
prices = flow.slice(range(2000), 4).map(option.payoff).collect()
price, error = fmean(prices), stdev(prices) / math.sqrt(len(prices))
print(f"option: {price:.6f}, standard error {error:.6f}")
print("within three errors:", abs(price - option.exact()) < 3 * error)

sample = flow.slice(prices, 4).sample(0.01, seed=7).collect()
print("sample:", [round(price, 3) for price in sample])
print("the script's own:", random.randint(1, 1000), random.choice("abcdef"))
again = flow.slice(range(4), 4).map(lambda _: random.randint(1, 100)).collect()
print("and of one more run:", again)
