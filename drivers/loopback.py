"""The one address that programs of this package listen on: nobody reaches it from another machine."""

from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


def is_loopback(endpoint: str) -> bool:
    """Say whether an endpoint is ``tcp://127.0.0.1:PORT`` and nothing else."""
    try:
        parts = urlsplit(endpoint)
        return (
            parts.scheme == "tcp" and parts.hostname == LOOPBACK and bool(parts.port) and not parts.username
        )
    except ValueError:
        return False
