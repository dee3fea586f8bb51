"""Who can reach an address that is served."""

import ipaddress


def by_others(host: str) -> bool:
    """Whether other machines may reach it."""
    try:
        return not (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return True
