"""The address of a server, checked without asking the network."""

import ipaddress
from typing import Mapping
from urllib.parse import urlencode, urlsplit

from ..errors import Errors, LLMJudgeError


def check_address(url: str, allow_insecure: bool) -> str:
    """Check the address of a server without asking the network.

    url (str): The address.
    allow_insecure (bool): Allow plain http to another machine.
    RETURNS (str): The host, with its port where the address names one.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    extra = host and (parts.username or parts.password or parts.query or parts.fragment)
    if not host or extra or parts.scheme not in ("http", "https"):
        shown = url if not extra else f"{parts.scheme}://...{parts.path}"
        raise LLMJudgeError(Errors.J310.format(url=shown))
    if parts.scheme == "http" and not (is_loopback(host) or allow_insecure):
        raise LLMJudgeError(Errors.J311.format(url=url))
    return f"{host}:{port}" if port else host


def add_query(url: str, query: Mapping[str, str]) -> str:
    """RETURNS (str): An address with what follows it behind a question mark."""
    return f"{url}?{urlencode(query)}" if query else url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
