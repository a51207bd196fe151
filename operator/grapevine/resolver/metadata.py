"""The metadata services of clouds: what every SDK asks on start, and nobody means by a dependency. Pure."""

import ipaddress
from collections.abc import Iterable


class CloudMetadata:
    """Names and addresses that are a cloud's metadata service."""

    def __init__(self, entries: Iterable[str], cluster_domain: str) -> None:
        """Take names, addresses and networks (valid: `settings` has checked them)."""
        self._domain = cluster_domain
        self._names: list[str] = []
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in entries:
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                self._names.append(entry)

    def is_name(self, name: str) -> bool:
        """Whether it is one of the names, or what a search list made of it.

        A name of one label may be anybody's in another domain, so only the cluster's suffixes are seen through.
        """
        for known in self._names:
            if name == known:
                return True
            if name.startswith(known + ".") and ("." in known or name.endswith("." + self._domain)):
                return True
        return False

    def is_address(self, text: str) -> bool:
        """Whether it is one of the addresses."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
