"""URIs that would lead out of a session: which they are, and where they lead under its link."""

from __future__ import annotations

import pytest

from gate.media.hls.rebase import rebase_under

PREFIX = b"/_s/TICKET"
HOSTS = frozenset({b"http://origin:9000", b"https://gate.example"})
UNDER = rebase_under(PREFIX, HOSTS, b"")

# --- which URIs ---------------------------------------------------------------------------------------------

OUTSIDE = [
    *(
        b"a.ts",
        b"sub/a.ts",
        b"../a.ts",
        b"./a.ts",
        b"a.ts?u=/x",
        b"a.ts?u=http://origin:9000/x",
        b"?x",
        b"#x",
        b"",
    ),
    *(b"a:b.ts", b"1//x", b"sub//x"),
    *(
        b"skd://key",
        b"skd:key",
        b"skd://origin:9000/x",
        b"data:text/plain;base64,AAAA//==",
        b"urn:uuid:1",
        b"blob:x",
    ),
    *(
        b"https://cdn.example/x",
        b"//cdn.example/x",
        b"http://origin:9001/x",
        b"http://origin/x",
        b"ftp://origin:9000/x",
    ),
    *(
        b"https://origin:9000/x",
        b"http://gate.example/x",
        b"https://gate.example.evil/x",
        b"https://gate.example@evil/x",
    ),
    *(b"https://gate.example:8443/x", b"http://origin:90001/x", b"http://xorigin:9000/x", b"//origin/x"),
    *(b"{$base}/a.ts", b"{$host}", b"https://{$host}/a.ts", b"//{$host}/a.ts"),
]


@pytest.mark.parametrize("uri", OUTSIDE)
def test_relative_and_foreign_uris_stay(uri: bytes) -> None:
    assert UNDER(uri) == uri


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        (b"/", b"/"),
        (b"/x", b"/x"),
        (b"/x//y", b"/x//y"),
        (b"/{$path}/a.ts", b"/{$path}/a.ts"),
        (b"/x?u=https://cdn.example/y", b"/x?u=https://cdn.example/y"),
        (b"/\\evil.example/x", b"/\\evil.example/x"),
        (b"http://origin:9000/x?y#z", b"/x?y#z"),
        (b"HTTP://Origin:9000/X", b"/X"),
        (b"http://origin:9000", b"/"),
        (b"http://origin:9000?x=/y", b"/?x=/y"),
        (b"http://origin:9000#x", b"/#x"),
        (b"http://origin:9000//x", b"//x"),
        (b"http://user:secret@origin:9000/x", b"/x"),
        (b"http://evil.example@origin:9000/x", b"/x"),
        (b"https://gate.example/x", b"/x"),
        (b"https://gate.example:443/x", b"/x"),
        (b"https://gate.example:/x", b"/x"),
        (b"//origin:9000/x", b"/x"),
        (b"//ORIGIN:9000", b"/"),
        (b"//gate.example/x", b"/x"),
        (b"//gate.example:443/x", b"/x"),
        (b"//user@gate.example/x", b"/x"),
    ],
)
def test_uris_of_the_same_origin_are_brought_under_the_link(uri: bytes, path: bytes) -> None:
    assert UNDER(uri) == PREFIX + path
    assert UNDER(UNDER(uri)) == PREFIX + path, "and not twice"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (b"http://origin", b"http://origin:80/x"),
        (b"http://origin:80", b"http://origin/x"),
        (b"HTTP://ORIGIN:80", b"http://origin/x"),
        (b"https://origin:443", b"https://origin/x"),
        (b"http://[2001:db8::80]:9000", b"http://[2001:DB8::80]:9000/x"),
        (b"http://[2001:db8::80]", b"http://[2001:db8::80]:80/x"),
    ],
)
def test_an_origin_has_many_spellings(name: bytes, uri: bytes) -> None:
    assert rebase_under(PREFIX, frozenset({name}), b"")(uri) == PREFIX + b"/x"


def test_other_ports_are_other_origins() -> None:
    under = rebase_under(PREFIX, frozenset({b"http://origin"}), b"")
    for uri in (b"http://origin:443/x", b"https://origin/x", b"http://origin:8080/x", b"//origin:443/x"):
        assert under(uri) == uri


@pytest.mark.parametrize(
    "uri", [b"/_s/TICKET/x", b"https://gate.example/_s/TICKET/x", b"//gate.example/_s/TICKET/x"]
)
def test_a_uri_under_the_link_is_not_brought_there_twice(uri: bytes) -> None:
    assert UNDER(uri) == b"/_s/TICKET/x"


def test_another_ticket_that_begins_alike_is_another_path() -> None:
    assert UNDER(b"/_s/TICKET2/x") == b"/_s/TICKET/_s/TICKET2/x"


# --- an origin with a base path -----------------------------------------------------------------------------

BASED = rebase_under(PREFIX, HOSTS, b"/base/path")


@pytest.mark.parametrize(
    ("uri", "rebased"),
    [
        (b"/base/path/x", b"/_s/TICKET/x"),
        (b"/base/path/base/path/x", b"/_s/TICKET/base/path/x"),
        (b"http://origin:9000/base/path/x", b"/_s/TICKET/x"),
        (b"//origin:9000/base/path/", b"/_s/TICKET/"),
        # The gate's own paths have no base path.
        (b"https://gate.example/x", b"/_s/TICKET/x"),
        (b"/x", b"/_s/TICKET/x"),
        (b"/base/pathological/x", b"/_s/TICKET/base/pathological/x"),
        (b"/_s/TICKET/x", b"/_s/TICKET/x"),
        (b"/_s/TICKET/base/path/x", b"/_s/TICKET/base/path/x"),
        (b"x", b"x"),
        (b"https://cdn.example/base/path/x", b"https://cdn.example/base/path/x"),
    ],
)
def test_the_base_path_is_the_origins(uri: bytes, rebased: bytes) -> None:
    assert BASED(uri) == rebased


def test_without_a_link_a_uri_becomes_a_path_of_the_gate() -> None:
    bare = rebase_under(b"", HOSTS, b"/base")
    assert bare(b"http://origin:9000/base/x") == b"/x"
    assert bare(b"/base/x?y") == b"/x?y"
    assert bare(b"https://gate.example/x") == b"/x"
    assert bare(b"/x") == b"/x"
    assert bare(b"https://cdn.example/base/x") == b"https://cdn.example/base/x"


@pytest.mark.parametrize(
    "path", [b"//evil.example/x", b"/\\evil.example/x", b"/\t/evil.example/x", b"/base//evil.example"]
)
def test_without_a_link_no_path_becomes_another_host(path: bytes) -> None:
    """An origin that repeats a request's path in a redirect must not make the gate's an open one."""
    bare = rebase_under(b"", HOSTS, b"/base")
    assert bare(b"http://origin:9000" + path) == b"http://origin:9000" + path
    assert bare(path) == path
