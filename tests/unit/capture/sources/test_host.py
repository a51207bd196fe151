from pathlib import Path

from grapevine.capture.sources.host import parse_fib_trie, parse_if_inet6, read_host_ips

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""
IF_INET6 = """\
20010db8000000000000000000000002 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
not an address
"""


def test_finds_the_local_addresses_alone() -> None:
    assert parse_fib_trie(FIB_TRIE) == {"192.0.2.2"}
    assert parse_if_inet6(IF_INET6) == {"2001:db8::2", "::1"}


def test_nonsense_has_no_addresses() -> None:
    assert parse_fib_trie("/32 host LOCAL\n\n/32 host LOCAL") == set()
    assert parse_if_inet6("") == set()


def test_reads_both_files_and_does_without_them(tmp_path: Path) -> None:
    fib, inet6 = tmp_path / "fib_trie", tmp_path / "if_inet6"
    fib.write_text(FIB_TRIE)
    inet6.write_text(IF_INET6)
    assert read_host_ips(fib, inet6) == ("192.0.2.2", "2001:db8::2", "::1")
    assert read_host_ips(tmp_path / "gone", tmp_path / "gone") == ()
