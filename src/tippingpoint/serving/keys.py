"""Wrong keys: who sends them waits for the answer, ever longer; who sends the right one never does."""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass

FIRST, LONGEST = 0.1, 5.0
"""Seconds that the answer to the first wrong key of an address waits, doubled with each further one, and at most."""
FORGOTTEN = 60.0
"""Seconds without a wrong key after which an address starts anew."""
ADDRESSES = 4096
"""Addresses that are remembered; of more, those whose last wrong key is the oldest are forgotten."""
AT_ONCE, HELD = 8, 64
"""Answers that wait at the same time, for one address and in all: they take up connections."""


@dataclass
class _Sender:
    wrong: int = 0
    last: float = 0.0
    held: int = 0


class WrongKeys:
    """The addresses that wrong keys came from lately."""

    def __init__(self) -> None:
        self.senders: OrderedDict[str, _Sender] = OrderedDict()
        self.held = 0

    async def wait(self, address: str) -> bool:
        """Wait as long as the answer to a wrong key of this address has to; False where too many wait already."""
        sender = self.senders.setdefault(network(address), _Sender())
        self.senders.move_to_end(network(address))
        if len(self.senders) > ADDRESSES:
            self.senders.popitem(last=False)
        now = time.monotonic()
        sender.wrong = sender.wrong + 1 if now < sender.last + FORGOTTEN else 1
        sender.last = now
        if sender.held >= AT_ONCE or self.held >= HELD:
            return False
        sender.held += 1
        self.held += 1
        try:
            await asyncio.sleep(min(LONGEST, FIRST * 2 ** min(sender.wrong - 1, 16)))
        finally:
            sender.held -= 1
            self.held -= 1
        return True


def network(address: str) -> str:
    """What counts as one sender: an IPv4 address, or the /64 network of an IPv6 one, all of which is one's own.

    Examples
    --------
    >>> network("2001:db8::7"), network("192.0.2.7")
    ('2001:db8::/64', '192.0.2.7')
    """
    try:
        if ipaddress.ip_address(address).version == 6:
            return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:  # a socket of the file system has none, a proxy may say anything
        return address[:64]
    return address
