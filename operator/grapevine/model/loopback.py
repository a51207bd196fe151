"""Which addresses only this machine, or this pod, can reach: where plain HTTP needs no permission."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether `host`, an address without brackets or a name, is this machine; any name but `localhost` is not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
