"""A random share of users gets a random action: the experiment that proves the policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.splits import position


@dataclass(frozen=True)
class Randomization:
    """With chance `share` a user's action is drawn, each of `among` alike, from a salted hash of the id.

    The same user gets the same draw in every chunk, order and job of one salt.

    Parameters
    ----------
    among
        Codes of the actions drawn from: all, or `none` alone for a plain hold-out.
    """

    share: float
    among: tuple[int, ...]
    salt: str

    def draw(self, user_id: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw for n users.

        Parameters
        ----------
        user_id, action
            (n,) strings, and codes of the actions the policy gives.

        Returns
        -------
        numpy.ndarray, numpy.ndarray
            (n,) codes of the actions to take, and whether they were drawn.
        """
        explored = position(user_id, f"{self.salt} whether") < self.share
        if not explored.any():
            return action, explored
        which = position(user_id[explored], f"{self.salt} which") * len(self.among)
        taken = action.copy()
        taken[explored] = np.asarray(self.among)[which.astype(np.int64)]
        return taken, explored

    def chances(self, action: np.ndarray, actions: int) -> np.ndarray:
        """(n, K) the chance of each of K actions for users to whom the policy gives (n,) actions."""
        chance = np.zeros((len(action), actions))
        chance[:, list(self.among)] = self.share / len(self.among)
        chance[np.arange(len(action)), action] += 1 - self.share
        return chance


def held_out(
    share: float, among: Sequence[str], salt: str | None, actions: Sequence[str], question: str, version: str
) -> Randomization | None:
    """The random share that `holdout`, `holdout_actions` and `holdout_salt` ask for; None where none is.

    `score` and `serve` draw alike: without a salt of its own, a version assigns a user the same action in both.

    Parameters
    ----------
    share, among, salt
        As the keys hold them: no actions are all, no salt is question and version.
    actions
        Those of the version.

    Raises
    ------
    InputError
        When there is no such action, or no share is asked for and the others are.
    """
    if not share:
        if among or salt:
            raise InputError("holdout", "not given, but holdout_actions or holdout_salt is", "Type holdout=0.1.")
        return None
    for name in among:
        if name not in actions:
            known = nearest(name, actions, "holdout_actions", among)
            raise InputError("holdout_actions", f"there is no action {name!r}", known)
    codes = tuple(dict.fromkeys(list(actions).index(name) for name in among or actions))
    return Randomization(share, codes, salt or f"{question} {version}")
