"""Cross-validating effect learners: what they give of users held out, by which a policy is bound and valued."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tippingpoint.data.users import Users
from tippingpoint.models.family import Family
from tippingpoint.models.learners.effects import output
from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.policies.effects import Lines, Predicted


@dataclass(frozen=True)
class LearntEffects:
    """A learner, and the n users that folds are cut from.

    Parameters
    ----------
    known
        Whether logging probabilities may be read.
    lines, spends
        Rewards of actions and what they cost, as `Predicted` takes them.
    """

    learner: Learner
    users: Users
    known: bool
    lines: Lines
    spends: Lines | None = None

    def held_out(
        self, family: Family, fold: np.ndarray, seed: int, threads: int, done: Callable[[int], None]
    ) -> np.ndarray:
        """(n, K + 1) what the learner gives of each user, fitted on the other folds with a family as base.

        Nuisances are fitted anew in each fold: they are the base learner's, whose parameters are searched.

        Parameters
        ----------
        fold
            (n,) the fold each user is held out in.
        done
            Told each fold that is done; what it raises ends the fit.
        """
        found = np.empty((len(self.users), len(self.users.actions) + 1))
        for number in range(int(fold.max()) + 1):
            held = fold == number
            given = Nuisances(family, self.users.take(~held), seed, self.known, threads)
            found[held] = output(self.learner.fit(given), self.users.features[held])
            done(number)
        return found

    def predicted(self, found: np.ndarray) -> Predicted:
        """What a policy is bound with, of what the learner gives of some users."""
        return Predicted(self.users.actions, self.users.contract.good, found, self.lines, self.spends)
