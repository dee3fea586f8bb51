"""Draw the e-mail experiment of the tutorial: 24,000 customers, a third each got one of two e-mails or none, at random.

`python docs/tutorials/draw_emails.py` writes `docs/tutorials/emails.csv.gz`. The columns are those one finds in such
tables; the customers are invented. The e-mail about running shoes moves those who bought sports goods, and annoys the
others a little; the voucher moves nearly everyone by little.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SEED, N = 20261201, 24_000


def draw() -> pd.DataFrame:
    """Return one row a customer: features, the e-mail sent, whether they visited within two weeks, what they spent."""
    rng = np.random.default_rng(SEED)
    recency = rng.integers(1, 13, N)
    spent = np.round(rng.gamma(1.2, 160, N), 2)
    sports = rng.random(N) < 0.45
    newcomer = rng.random(N) < 0.3
    channel = rng.choice(["web", "phone", "shop"], N, p=[0.5, 0.3, 0.2])
    email = rng.choice(["none", "running_shoes", "voucher"], N)
    base = -2.1 - 0.09 * recency + 0.0008 * spent + 0.35 * (channel == "web") + rng.normal(0, 0.4, N)
    moved = np.select(
        [email == "running_shoes", email == "voucher"],
        [np.where(sports, 0.95, -0.15), np.where(newcomer, 0.5, 0.2)],
        0.0,
    )
    visited = rng.random(N) < 1 / (1 + np.exp(-(base + moved)))
    bought = visited & (rng.random(N) < 0.12)
    return pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in range(N)],
            "months_since_purchase": recency,
            "spent_last_year": spent,
            "bought_sports": np.where(sports, "yes", "no"),
            "newcomer": np.where(newcomer, "yes", "no"),
            "channel": channel,
            "email": email,
            "visited": visited.astype(int),
            "spent": np.where(bought, np.round(rng.gamma(2, 35, N), 2), 0.0),
        }
    )


if __name__ == "__main__":
    to = Path(__file__).with_name("emails.csv.gz")
    draw().to_csv(to, index=False, compression={"method": "gzip", "mtime": 0})
