"""The node's own addresses, from procfs: whatever answers to them is never a pod."""

import itertools
import socket
from typing import Final

from grapevine.wire.schema import MAX_HOST_IPS

_FIB_TRIE: Final = "/proc/net/fib_trie"
_IF_INET6: Final = "/proc/net/if_inet6"


def read_host_ips(fib_trie: str = _FIB_TRIE, if_inet6: str = _IF_INET6) -> tuple[str, ...]:
    """Return the addresses of this network namespace, sorted, at most `MAX_HOST_IPS`; none where procfs has none."""
    addresses = parse_fib_trie(_read(fib_trie)) | parse_if_inet6(_read(if_inet6))
    return tuple(sorted(addresses)[:MAX_HOST_IPS])


def parse_fib_trie(text: str) -> set[str]:
    """Return the local IPv4 addresses in `/proc/net/fib_trie`: the leaves followed by `/32 host LOCAL`."""
    lines = text.splitlines()
    return {
        line.split()[-1]
        for line, below in itertools.pairwise(lines)
        if below.split() == ["/32", "host", "LOCAL"] and line.split()
    }


def parse_if_inet6(text: str) -> set[str]:
    """Return the IPv6 addresses in `/proc/net/if_inet6`, whose lines begin with 32 hex digits."""
    addresses = set()
    for line in text.splitlines():
        digits = line[:32]
        try:
            addresses.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)))
        except ValueError:
            continue
    return addresses


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
