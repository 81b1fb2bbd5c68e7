"""A process of its own that authorizes one-credit requests on accounts in the order it is told, batch by batch.

racer.py DSN NAME ROUNDS ACCOUNT…      prints how many were accepted on each account, as JSON
"""

import asyncio
import json
import sys
from collections import Counter
from datetime import UTC, datetime

from billing.core.answers import ChargeAnswer
from billing.core.commands import Authorize
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import InsufficientCredits
from billing.posting import Posting


async def main(dsn, name, rounds, accounts):
    books = PriceBooks([PriceBook.of(1, datetime(2020, 1, 1, tzinfo=UTC), PUBLISHED)])
    accepted = Counter()
    async with Posting(dsn, lambda: books, lanes=2) as posting:
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(rounds):
            commands = [Authorize(account, f"{name}-{number}", "gpt-image-2", quality="low") for account in accounts]
            for command, result in zip(commands, await posting.post_many(commands), strict=True):
                if isinstance(result, ChargeAnswer):
                    accepted[command.account_id] += 1
                elif not isinstance(result, InsufficientCredits):
                    raise result
    print(json.dumps(accepted))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
