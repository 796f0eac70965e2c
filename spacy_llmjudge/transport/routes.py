"""The way to a server: through which proxy, and trusting whose certificates. Nothing is sent here."""

import os
import ssl
from typing import Any, Dict, Optional, Tuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import Errors, LLMJudgeError
from .addresses import is_loopback

_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def find_route(url: str, size: int) -> Tuple[Any, bool]:
    """Prepare connections to a server.

    url (str): Its address.
    size (int): How many connections to keep.
    RETURNS (Tuple[Any, bool]): urllib3's pool of connections, and whether the request line has the path
        alone: a proxy that does not tunnel reads the address of the server there.
    """
    import urllib3

    parts = urlsplit(url)
    settings: Dict[str, Any] = {"num_pools": 1, "maxsize": size, "block": False}
    if parts.scheme == "https":
        settings["ca_certs"] = _find_certificates()
    proxy = _find_proxy(parts.scheme, parts.hostname or "")
    if proxy is None:
        return urllib3.PoolManager(**settings).connection_from_url(url), True
    user = urlsplit(proxy)
    if user.username:
        pair = f"{unquote(user.username)}:{unquote(user.password or '')}"
        settings["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=pair)
    connections = urllib3.ProxyManager(proxy, **settings).connection_from_url(url)
    return connections, parts.scheme != "http"


def _find_certificates() -> str:
    """The certificates to trust: those that the environment names, or certifi's."""
    import certifi

    for variable in _CERTIFICATES:
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ValueError) as error:
            # ssl.SSLError is an OSError, too.
            text = Errors.J338.format(variable=variable, path=path, error=error)
            raise LLMJudgeError(text) from None
        return path
    return certifi.where()


def _find_proxy(scheme: str, host: str) -> Optional[str]:
    """The proxy that the environment names for a server, None where it is reached without one."""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    variable = f"{scheme if scheme in proxies else 'all'}_proxy"
    try:
        parts = urlsplit(proxy)
        shown = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    except ValueError:
        parts, shown = urlsplit(""), "..."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Whatever stands there may hold a password.
        shown = shown if parts.hostname else f"{proxy[:8]}..."
        error = "it is not the address of an http proxy"
        raise LLMJudgeError(
            Errors.J337.format(host=host, proxy=shown, variable=variable, error=error)
        )
    return proxy
