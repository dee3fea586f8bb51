"""One day typed in a process of its own, which may be killed or raced: folder, day, campaign, a file to wait for."""

import sys
import time
from pathlib import Path

from tests.conftest import working_in
from tests.daily.days import typed
from tippingpoint.core.errors import TippingpointError

if __name__ == "__main__":
    folder, day, campaign, *flag = sys.argv[1:]
    with working_in(Path(folder)):
        Path(f"ready-{campaign}-{time.time_ns()}").touch()
        while flag and not Path(flag[0]).exists():
            time.sleep(0.001)
        try:
            typed(Path(folder), f"as_of={day}", f"campaign={campaign}")
        except TippingpointError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
