"""Orders joined with customers; both have gaps, like files from other people."""

import csv
import io
from decimal import Decimal

from glowpy import Flow

CUSTOMERS = """\
id,name,country,credit
1,Ann,NL,100.00
2,Bob,,
3,"Cid, Ltd.",FR,2500.50
5,Eve,NL,0
"""
ORDERS = """\
order,customer,amount,currency
100,1,19.99,EUR
101,1,,EUR
102,3,100.10,EUR
103,,7.50,EUR
104,4,1.00,USD
105,3,2400.41,EUR
106,2,0.10,
"""


def number(text, kind):
    """Convert a field; an empty field is None."""
    return kind(text) if text else None


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def by_customer(row):
    return number(row.pop("customer"), int), row


flow = Flow()
customers = flow.slice(read(CUSTOMERS), 2).map(lambda row: (int(row["id"]), row))
orders = flow.slice(read(ORDERS), 3).map(by_customer)
orders = orders.map_values(lambda row: {**row, "amount": number(row["amount"], Decimal)})

joined = orders.left_outer_join(customers)
for key, order, customer in joined.sort(key=lambda row: row[1]["order"]).collect():
    name = customer["name"] if customer else "?"
    print(f"{order['order']} {key!s:>4} {name:<10}{order['amount']} {order['currency'] or '-'}")

nobody = joined.filter(lambda key, order, customer: customer is None)
print("without a customer:", sorted(row[1]["order"] for row in nobody.collect()))
spent = (
    orders.filter(lambda key, order: order["amount"] is not None)
    .map_values(lambda order: order["amount"])
    .reduce_by_key(lambda a, b: a + b)
)
for key, amount, customer in spent.join(customers).collect():
    credit = number(customer["credit"], Decimal)
    print(
        customer["name"],
        amount,
        "over" if credit is not None and amount > credit else "within",
        "credit",
    )
countries = customers.map(lambda key, row: (row["country"] or None, [row["name"]]))
for country, names in countries.reduce_by_key(lambda a, b: a + b).collect():
    print(country, names)
pairs = customers.full_outer_join(orders)
print("gaps:", pairs.map(lambda key, c, o: (c is None, o is None)).distinct().collect())
