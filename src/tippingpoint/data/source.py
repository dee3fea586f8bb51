"""What a generator or a table of your own looks like to the jobs."""

from abc import ABC, abstractmethod
from typing import ClassVar

from tippingpoint.data.users import Users
from tippingpoint.settings import Closed


class Source(Closed, ABC):
    """Where users come from; the base of every `data=` option."""

    north_star: ClassVar[str | None] = None
    """The number the business steers by, where one is known; explored first."""

    @property
    @abstractmethod
    def question(self) -> str:
        """Short name of what is asked (`conversion`); names the registered model and the MLflow experiment."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Short name of where the users come from: a file's, or the generator's."""

    def best_auc(self, users: Users) -> float | None:
        """The ROC AUC no score of these users can have more than by chance, where that is known."""
        return None

    @abstractmethod
    def load(self) -> Users:
        """Read or draw the users.

        Raises
        ------
        InputError
            When the table is not what the config says.
        """
