"""K-means on two features, as a check of rules somebody wrote: do users fall apart where the rules cut?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import StandardScaler

from tippingpoint.core.errors import InputError

SIZES = range(2, 9)
SAMPLE = 2000
"""Users the silhouette is computed on: it grows with their square."""


@dataclass(frozen=True)
class Clusters:
    """Clusters beside the segments of a policy.

    Parameters
    ----------
    columns
        The features clustered on.
    silhouettes
        Mean silhouette by number of clusters; the largest is chosen.
    cluster
        (n,) cluster of each user.
    agreement
        Adjusted Rand index of clusters and segments: 1 is the same partition, 0 what chance gives (Hubert & Arabie
        1985).
    table
        One row a cluster, one column a segment: users.
    centres
        Mean of the features in each cluster.
    """

    columns: tuple[str, ...]
    silhouettes: dict[int, float]
    cluster: np.ndarray
    agreement: float
    table: pd.DataFrame
    centres: pd.DataFrame


def cluster(
    features: pd.DataFrame, columns: tuple[str, ...], segment: np.ndarray, names: tuple[str, ...], seed: int
) -> Clusters:
    """Cluster users on standardised arcsinh of number columns, k by the largest silhouette.

    Parameters
    ----------
    segment, names
        (n,) segment codes of the same users, and the segments' names.

    Raises
    ------
    InputError
        Where a column is missing, is no number, or users are too few.
    """
    for column in columns:
        if column not in features.columns or features[column].dtype.kind not in "fiu":
            raise InputError("clusters", f"{column!r} is no number column of these users", "Name another.")
    values = features[list(columns)].to_numpy(np.float64)
    known = np.isfinite(values).all(axis=1)
    if known.sum() < 10 * max(SIZES):
        raise InputError("clusters", f"{int(known.sum())} users are too few", "Use a table with more users.")
    x = StandardScaler().fit_transform(np.arcsinh(values[known]))
    sample = np.random.default_rng(seed).permutation(len(x))[:SAMPLE]
    fitted = {k: KMeans(k, n_init=5, random_state=seed).fit(x) for k in SIZES}
    silhouettes = {k: float(silhouette_score(x[sample], of.labels_[sample])) for k, of in fitted.items()}
    best = max(silhouettes, key=silhouettes.__getitem__)
    labels = fitted[best].labels_
    found = np.full(len(features), -1)
    found[known] = labels
    own = segment[known]
    table = pd.crosstab(
        pd.Series(labels, name="cluster"), pd.Series(np.asarray(names, dtype=object)[own], name="segment")
    )
    centres = pd.DataFrame(values[known], columns=list(columns)).groupby(labels).mean()
    return Clusters(columns, silhouettes, found, float(adjusted_rand_score(own, labels)), table, centres)
