"""Addresses: parsing and formatting are inverse, and the error for an invalid address says why."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glowpy.errors import ConfigError
from glowpy.wire.address import Address, IpcAddress, is_loopback, parse_address, parse_endpoint

PORTS = st.integers(0, 65535)
HOSTS = st.one_of(
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,20}[A-Za-z0-9])?", fullmatch=True),
    st.ip_addresses().map(str),
    st.sampled_from(["", "*", "localhost", "rack_7.example", "fe80::1%eth0"]),
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:8930", "localhost", 8930),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("node-7.example.org:65535", "node-7.example.org", 65535),
        ("10.1.2.3:080", "10.1.2.3", 80),
        (":8930", "", 8930),
        ("*:8930", "*", 8930),
        ("[::1]:8930", "::1", 8930),
        ("[2001:db8::7]:1", "2001:db8::7", 1),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
    ],
)
def test_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)
    assert parse_address(text, default_port=1234) == Address(host, port)
    assert parse_endpoint(text) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "host"),
    [("node", "node"), ("10.1.2.3", "10.1.2.3"), ("[::1]", "::1"), ("", "")],
)
def test_the_port_may_be_left_out_where_there_is_a_default(text: str, host: str) -> None:
    assert parse_address(text, default_port=8930) == Address(host, 8930)
    with pytest.raises(ConfigError, match="has no port; write host:port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node:", "'' is not a port"),
        ("node:http", "'http' is not a port"),
        ("node:65536", "'65536' is not a port"),
        ("node:-1", "'-1' is not a port"),
        ("node: 80", "' 80' is not a port"),
        ("node:80\n", "is not a port"),
        ("node:8_0", "'8_0' is not a port"),
        ("node:٨٠", "is not a port"),
        ("node:" + "9" * 5000, "is not a port"),
        ("::1", "write \\[IPv6 address\\]:port"),
        ("::1:80", "write \\[IPv6 address\\]:port"),
        ("tcp://node:80", "several colons"),
        ("http//node:80", "is not host:port"),
        ("two words:80", "is not host:port"),
        ("node\n:80", "is not host:port"),
        ("no\0de:80", "is not host:port"),
        ("a:0;b:80", "several colons"),
        ("a;b:80", "is not host:port"),
        ("me@node:80", "is not host:port"),
        ("[node:80", "is not host:port"),
        ("node]:80", "is not host:port"),
        ("[node]:80", "'node' is not an IPv6 address"),
        ("[10.1.2.3]:80", "'10.1.2.3' is not an IPv6 address"),
        ("[]:80", "'' is not an IPv6 address"),
        ("[[::1]]:80", "is not an IPv6 address"),
    ],
)
def test_invalid_addresses_are_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        parse_address(text, default_port=8930)
    assert repr(text) in str(error.value)
    with pytest.raises(ConfigError):
        parse_endpoint(text)


@pytest.mark.slow
@given(st.text())
@example("[")
@example("]:1")
@example("\ud800:1")
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    for parse in (parse_endpoint, lambda each: parse_address(each, 8930)):
        try:
            found = parse(text)
        except ConfigError:
            continue
        assert parse(str(found)) == found


@given(HOSTS, PORTS)
def test_parsing_and_formatting_an_address_are_inverse(host: str, port: int) -> None:
    address = Address(host, port)
    assert parse_address(str(address)) == address
    assert parse_address(str(address), default_port=1) == address


@pytest.mark.parametrize("path", ["/tmp/x/agent", "/a b", "relative/agent", "/ä:7"])
def test_a_socket_file_is_an_endpoint(path: str) -> None:
    assert parse_endpoint("ipc://" + path) == IpcAddress(path)
    assert str(IpcAddress(path)) == "ipc://" + path


@pytest.mark.parametrize("path", ["", "*", "@abstract", "/null\0byte", "/lone\udc80surrogate"])
def test_unguarded_socket_files_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="names no socket file"):
        parse_endpoint("ipc://" + path)


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.3", True),
        ("::1", True),
        ("", False),
        ("*", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("128.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("127.1", False),  # resolved as 127.0.0.1 by the system, but not counted as loopback
    ],
)
def test_loopback_is_not_reachable_from_other_hosts(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so
