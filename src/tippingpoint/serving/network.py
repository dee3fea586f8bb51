"""Addresses that are served, and who can reach them."""

import ipaddress


def by_others(host: str) -> bool:
    """Whether other machines may reach it."""
    try:
        return not (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return True


def address(host: str, port: int) -> str:
    """As a browser takes it.

    >>> address("::1", 8501)
    'http://[::1]:8501'
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
