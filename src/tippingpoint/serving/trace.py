"""What tells a request apart, from the caller's system to the answer and both logs: X-Request-ID and traceparent."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
"""What is taken over of a caller: nothing that could break a log's line, or be an address of mail."""
PARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00."""


@dataclass(frozen=True)
class Trace:
    """The trace of one request.

    Parameters
    ----------
    request_id
        The caller's, or one of our own where there is none or it is malformed.
    parent
        The caller's `traceparent`; None where there is none or it is malformed.
    """

    request_id: str
    parent: str | None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Read the headers of a request, whose names are in lower case."""
        given = dict(headers)
        own, parent = given.get(b"x-request-id", b""), given.get(b"traceparent", b"")
        return cls(
            own.decode() if REQUEST_ID.fullmatch(own) else uuid.uuid4().hex,
            parent.decode() if PARENT.fullmatch(parent) else None,
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer."""
        found = [(b"x-request-id", self.request_id.encode())]
        return found if self.parent is None else [*found, (b"traceparent", self.parent.encode())]

    def told(self) -> dict[str, str]:
        """The fields of a line of the log."""
        return {"request_id": self.request_id} | ({} if self.parent is None else {"traceparent": self.parent})
