"""One day typed in a process of its own, which may be killed: folder and day."""

import sys
from pathlib import Path

from tests.conftest import working_in
from tests.daily.days import typed

if __name__ == "__main__":
    with working_in(Path(sys.argv[1])):
        typed(Path(sys.argv[1]), f"as_of={sys.argv[2]}", "campaign=kills")
