"""URIs resolve as a player resolves them."""

from __future__ import annotations

import pytest

from gate.media.dash.markup import Element, MpdError, read
from gate.media.dash.places import Links, prefix, stands_apart
from gate.media.hls import rebase_under

LINK = "/_s/ticket"
LINKS = Links(rebase_under(LINK.encode(), frozenset({b"http://origin"}), b""), LINK, "/cam/index.mpd")


def paths(*levels: list[str], links: Links = LINKS) -> tuple[str, ...]:
    """What URIs resolve against below elements with these BaseURLs, one in the other."""
    text = ""
    for level in reversed(levels):
        text = "<a>" + "".join(f"<BaseURL> {uri} </BaseURL>" for uri in level) + text + "</a>"
    document = read(f"<MPD>{text}</MPD>".encode())
    chain: list[Element] = [document.root]
    for _ in levels:
        found = chain[-1].first("a")
        assert found is not None
        chain.append(found)
    return links.paths(document, tuple(chain))


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        ([], ("/cam/index.mpd",)),
        ([[]], ("/cam/index.mpd",)),
        ([["a/"], ["b/"]], ("/cam/a/b/",)),
        ([["a/", "c/"], ["b/", "d/"]], ("/cam/a/b/", "/cam/a/d/", "/cam/c/b/", "/cam/c/d/")),
        ([["a/", "./a/"]], ("/cam/a/",)),
        ([["/a/"]], ("/a/",)),
        ([["http://origin/a/?b#c"]], ("/a/?b",)),
        ([["../a/"]], ("/a/",)),
        # Out of the link, or to another host.
        ([["../../a/"]], ()),
        ([["//other/a/"]], ()),
        ([["http://other/a/"]], ()),
        ([["http://other/a/"], ["b/"]], ()),
        ([["a/", "http://other/a/"]], ()),
        ([["http://other/a/"], ["/b/"]], ()),
    ],
)
def test_paths(levels: list[list[str]], found: tuple[str, ...]) -> None:
    assert paths(*levels) == found


def test_without_a_link() -> None:
    links = Links(lambda uri: uri, path="/cam/index.mpd")
    assert paths(["a/"], links=links) == ("/cam/a/",)
    assert paths(["../../a/"], links=links) == ("/a/",)
    assert paths(["//other/a/"], links=links) == ()
    assert Links(lambda uri: uri).path == "/"


def test_refused() -> None:
    with pytest.raises(MpdError, match="too many BaseURLs"):
        paths(["a", "b", "c"], ["a", "b", "c"])
    with pytest.raises(MpdError, match="a BaseURL that is no URL"):
        paths(["http://[/"])


def test_resolve() -> None:
    assert LINKS.resolve(("/cam/a/", "/b/"), "$Number%05d$.m4s") == (
        "/cam/a/$Number%05d$.m4s",
        "/b/$Number%05d$.m4s",
    )
    assert LINKS.resolve(("/cam/a/", "/b/"), "/_s/ticket/c") == ("/c",)
    assert LINKS.resolve(("/cam/a/",), "http://other/") == ()
    assert LINKS.resolve((), "a") == ()


@pytest.mark.parametrize(
    ("uri", "apart"),
    [
        ("", False),
        ("a/b", False),
        ("./a", False),
        ("a..b/..c/d..", False),
        ("a?b=/../c", True),
        ("/a", True),
        ("\\a", True),
        ("http:a", True),
        ("a/../b", True),
        ("..", True),
        ("..?a", True),
        ("a/%2E./b", True),
        ("a\\..\\b", True),
    ],
)
def test_stands_apart(uri: str, apart: bool) -> None:
    assert stands_apart(uri) is apart


def test_prefix() -> None:
    document = read(b"<x:MPD xmlns:x='u'><a/></x:MPD>")
    assert prefix(document, document.root) == b"x:"
    assert prefix(document, document.root.children[0]) == b""
