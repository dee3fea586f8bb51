"""Draw the table of the tutorial on a table of one's own: 8,000 free users as an export would hold them.

`python docs/tutorials/draw_users.py` writes `docs/tutorials/free_users.csv.gz`. Numbers are written with a decimal
comma, some are missing in words, and one column is known only after the upgrade.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SEED, N = 20261202, 8_000


def draw() -> pd.DataFrame:
    """Return one row a user."""
    rng = np.random.default_rng(SEED)
    hours = np.round(rng.gamma(1.4, 9, N), 1)
    playlists = rng.poisson(2.5, N)
    days = rng.integers(0, 60, N)
    device = rng.choice(["phone", "desktop", "tv"], N, p=[0.6, 0.3, 0.1])
    country = rng.choice(["DE", "FR", "PL", "ES"], N, p=[0.4, 0.25, 0.2, 0.15])
    index = -3.4 + 0.055 * hours + 0.18 * playlists - 0.03 * days + 0.5 * (device == "tv") + rng.normal(0, 0.5, N)
    upgraded = rng.random(N) < 1 / (1 + np.exp(-index))
    written = pd.Series(hours).map(lambda value: f"{value:.1f}".replace(".", ","))
    return pd.DataFrame(
        {
            "User ID": [f"{number:06d}" for number in range(100, 100 + N)],
            "hours_last_30_days": written.where(rng.random(N) > 0.01, "unknown"),
            "playlists": playlists,
            "days_since_last_visit": days,
            "device": device,
            "country": country,
            "first_invoice": np.where(upgraded, "9,99", "0,00"),
            "upgraded": np.where(upgraded, "yes", "no"),
        }
    )


if __name__ == "__main__":
    to = Path(__file__).with_name("free_users.csv.gz")
    draw().to_csv(to, index=False, sep=";", compression={"method": "gzip", "mtime": 0})
