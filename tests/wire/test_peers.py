"""Whose word about a client is taken: nobody's by default, and of a chain only what trusted proxies wrote."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.policy import ForwardedHeader, Proxies
from gate.wire.peers import Peer, believe

TRUSTED = Proxies(networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
BY_FORWARDED = Proxies(networks=TRUSTED.networks, header=ForwardedHeader.FORWARDED)
PROXY = "10.0.0.1"


def ask(*fields: tuple[str, str], remote: str = PROXY, proxies: Proxies = TRUSTED, **options: Any) -> Peer:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    known = {"over_unix": False, "scheme": "http", "host": "gate.example"}
    return believe(remote, raw, proxies, **{**known, **options})


def xff(*values: str, **options: Any) -> Peer:
    return ask(*(("X-Forwarded-For", value) for value in values), **options)


def forwarded(*values: str, **options: Any) -> Peer:
    return ask(*(("Forwarded", value) for value in values), **{"proxies": BY_FORWARDED, **options})


NAMES = st.sampled_from(
    [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X_Forwarded_For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "Forwarded",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["192.0.2.1", "10.0.0.9", "https", "evil.example", "for=192.0.2.1;proto=https", "unix", ""]
    ),
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40),
)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


class TestWithoutTrust:
    @given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=6), remote=ADDRESSES)
    def test_no_header_of_an_untrusted_peer_changes_anything(
        self, fields: list[tuple[str, str]], remote: str
    ) -> None:
        for proxies in (
            Proxies(),
            Proxies(unix=True),
            Proxies(networks=(ip_network("10.9.8.7/32"),)),
            Proxies(header=ForwardedHeader.FORWARDED),
        ):
            if remote != "10.9.8.7":
                assert ask(*fields, remote=remote, proxies=proxies) == ask(remote=remote, proxies=proxies)

    @given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=6))
    def test_nor_that_of_a_peer_without_an_address(self, fields: list[tuple[str, str]]) -> None:
        assert ask(*fields, remote="", proxies=TRUSTED) == Peer("", "http", "gate.example", "")
        assert ask(*fields, remote="", proxies=TRUSTED, over_unix=True).address == ""

    def test_a_mapped_address_is_the_address(self) -> None:
        assert xff("192.0.2.1", remote="::ffff:10.0.0.1").address == "192.0.2.1"
        assert ask(remote="::ffff:192.0.2.9", proxies=Proxies()).address == "192.0.2.9"


class TestXForwardedFor:
    @given(
        before=st.lists(VALUES, max_size=4),
        client=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
        behind=st.lists(st.integers(0, 2**24 - 1), max_size=4),
    )
    def test_the_right_most_untrusted_hop_is_the_client(
        self, before: list[str], client: Any, behind: list[int]
    ) -> None:
        mapped = getattr(client, "ipv4_mapped", None) or client
        if any(mapped in network for network in TRUSTED.networks):
            return
        proxies = [str(ip_address((10 << 24) + number)) for number in behind]
        peer = xff(", ".join([*before, str(client), *proxies]))
        assert peer.address == str(mapped)
        assert peer.chain == ", ".join([str(mapped), *proxies, PROXY])

    @pytest.mark.parametrize(
        ("lines", "client"),
        [
            (["192.0.2.1"], "192.0.2.1"),
            (["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            (["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
            (["192.0.2.1", "10.0.0.2,10.0.0.3"], "192.0.2.1"),
            (["192.0.2.1:4711"], "192.0.2.1"),
            (["[2001:db8::1]:4711"], "2001:db8::1"),
            (["[2001:db8::1]"], "2001:db8::1"),
            (["2001:DB8:0::1"], "2001:db8::1"),
            (["::ffff:192.0.2.1"], "192.0.2.1"),
            (["[::ffff:192.0.2.1]:1"], "192.0.2.1"),
            (["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            (["\t192.0.2.1 "], "192.0.2.1"),
            (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ([""], PROXY),
            ([], PROXY),
        ],
    )
    def test_forms(self, lines: list[str], client: str) -> None:
        assert xff(*lines).address == client

    @pytest.mark.parametrize(
        "junk",
        [
            *(
                "unknown",
                "_hidden",
                "",
                " ",
                "192.0.2",
                "192.0.2.1.1",
                "192.0.2.256",
                "192.0.2.1:",
                "192.0.2.1:x",
            ),
            *(
                "[192.0.2.1]",
                "[::1",
                "::1]",
                "fe80::1%eth0",
                '"192.0.2.1"',
                "192.0.2.1/24",
                "0x7f.0.0.1",
                "unix:",
            ),
            *("192.0.2.1 10.0.0.2", "192.0.2.1;", "١٩٢.0.2.1".encode().decode("latin-1"), "192.0.2.1\xa0"),
        ],
    )
    def test_junk_ends_the_walk_at_the_last_good_hop(self, junk: str) -> None:
        assert xff(f"198.51.100.1, {junk}").address == PROXY
        assert xff(f"198.51.100.1, {junk}, 10.0.0.2") == Peer(
            "10.0.0.2", "http", "gate.example", f"10.0.0.2, {PROXY}"
        )

    def test_what_a_client_made_up_is_not_passed_on(self) -> None:
        assert xff("6.6.6.6, 192.0.2.1, 10.0.0.2").chain == "192.0.2.1, 10.0.0.2, 10.0.0.1"

    def test_scheme_and_host_are_those_that_the_nearest_proxy_says(self) -> None:
        peer = ask(
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "http"),
            ("x-forwarded-proto", "HTTPS"),
            ("X-Forwarded-Host", "evil.example, media.example:8443"),
        )
        assert (peer.scheme, peer.host) == ("https", "media.example:8443")

    @pytest.mark.parametrize(
        ("proto", "host"),
        [("ftp", "a b"), ("", ""), ("https:", "user@media.example"), ("wss", "media.example/x"), ("h", "a\\b")],
    )
    def test_nonsense_is_not_believed(self, proto: str, host: str) -> None:
        peer = ask(("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host))
        assert (peer.scheme, peer.host) == ("http", "gate.example")

    def test_other_spellings_and_the_other_header_are_not_read(self) -> None:
        peer = ask(
            ("X_Forwarded_For", "192.0.2.1"),
            ("X-Forwarded-For-", "192.0.2.1"),
            ("Forwarded", "for=192.0.2.1;proto=https;host=evil.example"),
        )
        assert peer == Peer(PROXY, "http", "gate.example", PROXY)


class TestForwarded:
    @pytest.mark.parametrize(
        ("lines", "client", "scheme", "host"),
        [
            (["for=192.0.2.1"], "192.0.2.1", "http", "gate.example"),
            (["For=192.0.2.1;Proto=HTTPS;host=media.example"], "192.0.2.1", "https", "media.example"),
            (['for="[2001:db8::1]:4711";by=10.0.0.1'], "2001:db8::1", "http", "gate.example"),
            (['for="192.0.2.1:80" ; host="media.example:8443"'], "192.0.2.1", "http", "media.example:8443"),
            (["for=6.6.6.6;proto=https, for=192.0.2.1"], "192.0.2.1", "http", "gate.example"),
            (["for=6.6.6.6", "for=192.0.2.1;proto=https, for=10.0.0.2"], "192.0.2.1", "https", "gate.example"),
            (['for=192.0.2.1;x="a, for=6.6.6.6"'], "192.0.2.1", "http", "gate.example"),
            (['for=192.0.2.1;x="\\", for=6.6.6.6;y=\\""'], "192.0.2.1", "http", "gate.example"),
            (["for=unknown"], PROXY, "http", "gate.example"),
            (["for=6.6.6.6, for=_hidden;proto=https"], PROXY, "https", "gate.example"),
            (["proto=https"], PROXY, "https", "gate.example"),
            (["for=6.6.6.6, "], PROXY, "http", "gate.example"),
            (["for=6.6.6.6;for=192.0.2.1"], PROXY, "http", "gate.example"),
            (["for=[2001:db8::1]"], PROXY, "http", "gate.example"),
        ],
    )
    def test_forms(self, lines: list[str], client: str, scheme: str, host: str) -> None:
        peer = forwarded(*lines)
        assert (peer.address, peer.scheme, peer.host) == (client, scheme, host)

    @given(made_up=st.text(st.sampled_from('abfor=;,"\\ 6.:[]'), max_size=40))
    def test_nothing_that_a_client_writes_hides_what_the_proxy_wrote(self, made_up: str) -> None:
        """An open quote, above all: read from the left it would swallow everything behind it."""
        own = 'for="[2001:db8::1]:4711";proto=https;host="media.example"'
        for lines in ([f"{made_up}, {own}"], [made_up, own], [f"{made_up},{own},for=10.0.0.2;proto=http"]):
            peer = forwarded(*lines)
            assert (peer.address, peer.scheme, peer.host) == ("2001:db8::1", "https", "media.example")

    def test_the_other_headers_are_not_read(self) -> None:
        fields = [
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil"),
        ]
        assert ask(*fields, proxies=BY_FORWARDED) == Peer(PROXY, "http", "gate.example", PROXY)


class TestUnix:
    def test_who_connects_to_the_socket_is_trusted_only_where_the_policy_says_so(self) -> None:
        trusted = Proxies(unix=True)
        assert xff("192.0.2.1", remote="", over_unix=True, proxies=trusted) == Peer(
            "192.0.2.1", "http", "gate.example", "192.0.2.1"
        )
        assert xff("192.0.2.1", remote="", over_unix=True).address == ""

    def test_a_peer_that_left_before_its_address_was_known_came_over_no_unix_socket(self) -> None:
        assert xff("192.0.2.1", remote="", over_unix=False, proxies=Proxies(unix=True)).address == ""
