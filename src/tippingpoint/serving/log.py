"""One JSON object a line on stderr; never what users send."""

import json
import sys
from datetime import UTC, datetime
from typing import Any


def say(event: str, **fields: Any) -> None:
    """Write one event."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stderr.flush()
