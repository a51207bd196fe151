from tests.support import packets as p

from grapevine.capture import flood
from grapevine.capture.flood import Flood, parent_key

CLIENT, OTHER = b"\x0a\xf4\0\x25", b"\x0a\xf4\0\x26"


def test_a_client_over_its_cap_still_has_some_names_decoded_for_their_parents() -> None:
    made = Flood()
    assert sum(made.admits_name(CLIENT) for _ in range(flood.MAX_CLIENT_NAMES + 9)) == flood.MAX_CLIENT_NAMES
    assert sum(made.admits_parent(CLIENT) for _ in range(flood.MAX_CLIENT_PARENTS + 9)) == flood.MAX_CLIENT_PARENTS
    assert made.admits_name(OTHER)


def test_many_clients_have_a_cap_together() -> None:
    made = Flood()
    clients = [number.to_bytes(4, "big") for number in range(2 * flood.MAX_NAMES)]
    assert sum(made.admits_name(each) for each in clients) == flood.MAX_NAMES
    assert sum(made.admits_parent(each) for each in clients) == flood.MAX_NAMES // 8


def test_a_window_begins_anew() -> None:
    made = Flood()
    while made.admits_name(CLIENT):
        pass
    made.clear()
    assert made.admits_name(CLIENT)


def key(qname: str, records: int = 0, **fields: int) -> bytes:
    message = p.dns_response(qname, records=[p.a_record("192.0.2.1")] * records, **fields)
    return parent_key(b"addresses", message, message[12 : message.index(b"\0", 12) + 5])


def test_names_below_the_same_parent_with_the_same_outcome_have_one_key() -> None:
    assert key("a.example.com") == key("bcd.EXAMPLE.com")
    assert key("a.example.com", 1) == key("b.example.com", 2)
    others = [key("a.example.net"), key("a.example.com", 1), key("a.example.com", flags=0x8183)]
    assert len({key("a.example.com"), *others, key("a.example.com", qtype=p.AAAA)}) == 5
