"""Which addresses only this machine, or this pod, can reach: where plain HTTP needs no permission."""


def is_loopback(host: str) -> bool:
    """Tell whether `host`, an address without brackets or a name, is this machine; any name but `localhost` is not.

    127.0.0.0/8 and ::1, each as usually written: another way to write it is only taken for an address elsewhere. By its
    text, for `ipaddress` is a quarter of a MiB on every node.
    """
    octets = host.split(".")
    is_ipv4 = len(octets) == 4 and all(o.isascii() and o.isdecimal() and len(o) <= 3 and int(o) < 256 for o in octets)
    return host in ("localhost", "::1") or (is_ipv4 and int(octets[0]) == 127)
