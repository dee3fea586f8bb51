"""A random share of users gets a random action: the experiment that proves the policy."""

from dataclasses import dataclass

import numpy as np

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
