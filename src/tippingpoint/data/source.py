"""What a generator or a table of your own looks like to the jobs."""

from abc import ABC, abstractmethod

from tippingpoint.data.users import Users
from tippingpoint.settings import Closed


class Source(Closed, ABC):
    """Where users come from; the base of every `data=` option."""

    @property
    @abstractmethod
    def question(self) -> str:
        """Short name of what is asked (`conversion`); names the registered model and the MLflow experiment."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where the users came from, as the card says it: a path, or a generator with its seed."""

    @abstractmethod
    def load(self) -> Users:
        """Read or draw the users.

        Raises
        ------
        InputError
            When the table is not what the config says.
        """
