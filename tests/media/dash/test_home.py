"""An MPD says where it is: players that do not follow a redirect find its media all the same."""

from __future__ import annotations

import pytest

from gate.media.dash import MpdError, read_mpd, settle

URL = "/_s/T/cam1/a%20b/index.mpd?from=1&to=2"


def mpd(inner: str, kind: str = "dynamic", name: str = "") -> bytes:
    p = f"{name}:" if name else ""
    space = f'xmlns{":" + name if name else ""}="urn:mpeg:dash:schema:mpd:2011"'
    epoch = ' availabilityStartTime="2026-01-01T00:00:00Z"'
    return f'<{p}MPD {space} type="{kind}"{epoch}>{inner}<{p}Period start="PT0S"/></{p}MPD>'.encode()


def settled(inner: str, kind: str = "dynamic", name: str = "", *, bases: bool = True) -> bytes:
    return settle(read_mpd(mpd(inner, kind, name), now_ms=1_800_000_000_000), URL, bases=bases)


BASE = "<BaseURL>/_s/T/cam1/a%20b/</BaseURL>"
LOCATION = "<Location>/_s/T/cam1/a%20b/index.mpd?from=1&amp;to=2</Location>"


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("", BASE + LOCATION, "dynamic"),
        ("", BASE, "static"),
        ("<ProgramInformation/>", "<ProgramInformation/>" + BASE + LOCATION, "dynamic"),
        ("<UTCTiming/>", BASE + LOCATION + "<UTCTiming/>", "dynamic"),
        ("<BaseURL>x/</BaseURL>", "<BaseURL>/_s/T/cam1/a%20b/x/</BaseURL>" + LOCATION, "dynamic"),
        ("<BaseURL>../x/</BaseURL>", "<BaseURL>/_s/T/cam1/x/</BaseURL>", "static"),
        ("<BaseURL>http://o/x/</BaseURL>", "<BaseURL>http://o/x/</BaseURL>", "static"),
        ("<BaseURL/>", "<BaseURL/>", "static"),
        ("<Location>/other.mpd</Location>", BASE + "<Location>/other.mpd</Location>", "dynamic"),
    ],
)
def test_where_it_is(before: str, after: str, kind: str) -> None:
    assert settled(before, kind) == mpd(after, kind)


def test_without_bases_relative_uris_stay() -> None:
    assert settled("<BaseURL>x/</BaseURL>", bases=False) == mpd("<BaseURL>x/</BaseURL>" + LOCATION)
    assert settled("", "static", bases=False) == mpd("", "static")


def test_elements_have_the_prefix_of_the_root() -> None:
    added = BASE.replace("<", "<m:").replace("<m:/", "</m:")
    more = LOCATION.replace("<", "<m:").replace("<m:/", "</m:")
    assert settled("", name="m") == mpd(added + more, name="m")


def test_twice_is_once() -> None:
    once = settled("<BaseURL>x/</BaseURL>")
    assert settle(read_mpd(once, now_ms=0), URL) == once


def test_what_is_no_url() -> None:
    with pytest.raises(MpdError):
        settled("<BaseURL>http://[x</BaseURL>")
