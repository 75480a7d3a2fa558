"""Networks and URLs: what each text means, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gate.core.addresses import read_http_url, read_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_network(text: str, network: str) -> None:
    assert read_network(text) == ip_network(network)
    assert read_network(ip_network(network)) == ip_network(network)


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1/8", "fd00::1/8", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/255.0.0.0",
     "10.0.0/8", "010.0.0.0/8", "fe80::1%eth0", "10.0.0.0/8/8", " 10.0.0.0/8", "localhost", 167772160,
     None, True],
)  # fmt: skip
def test_not_a_network(text: object) -> None:
    with pytest.raises(ValueError, match=r"network|prefix"):
        read_network(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("https://Origin.Example/", "https://origin.example"),
        ("HTTPS://a", "https://a"),
        ("http://media_origin:80/Base/v1/", "http://media_origin:80/Base/v1"),
        ("http://[::1]:9000/a%20b", "http://[::1]:9000/a%20b"),
        ("http://a/b;c=1/d@e:f", "http://a/b;c=1/d@e:f"),
    ],
)
def test_http_url(text: str, url: str) -> None:
    assert read_http_url(text) == url
    assert read_http_url(url) == url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://user:pw@a", "user name"),
        ("http://user@a/", "user name"),
        ("http://a?x=1", "query"),
        ("http://a/#f", "fragment"),
        ("http://a:0", "port"),
        ("http://a:65536", "port"),
        ("http://a:080", "port"),
        ("http://a//b", "segments"),
        ("http://a//", "segments"),
        ("http://a/./b", "segments"),
        ("http://a/..", "segments"),
        ("http://a/%zz", "segments"),
        ("http://a/b c", "segments"),
        ("http://a/\\b", "segments"),
        ("http://a/ü", "segments"),
        ("http://a/b\n", "segments"),
        ("http://a b", "host name"),
        ("http://1.2.3", "host name"),
        ("http://ü", "host name"),
        ("http://[1.2.3.4]", "IPv6"),
        ("http://[::1%25eth0]", "expected a URL"),
        ("ftp://a", "expected a URL"),
        ("http:a", "expected a URL"),
        ("http://", "expected a URL"),
        ("//a", "expected a URL"),
        ("a:9000", "expected a URL"),
        ("", "expected a URL"),
        (9000, "expected a URL"),
        (None, "expected a URL"),
    ],
)
def test_not_an_http_url(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_http_url(text)
