"""Flussonic's URLs: the vendor's table, and what in a path is a time although it is in no form of it.

The same URLs are spoken by other servers and by IPTV players. Some servers also read what players append to
a live URL, ``?utc=<start>&lutc=<now>``; one that does not would serve the live edge to whoever may see the
archive only, so those are a table of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gate.core.media import Kind, Role
from gate.media.forms import Form, Open

_LIVE, _DVR, _COPY = Kind.LIVE, Kind.DVR, Kind.COPY
_MANIFEST, _STREAM, _SEGMENT, _IMAGE = Role.MANIFEST, Role.STREAM, Role.SEGMENT, Role.IMAGE
_GROWING, _SHIFTED = Open.GROWING, Open.SHIFTED

FLUSSONIC: Final[Sequence[Form]] = (
    # The live playlist, under every name that the vendor gives it.
    Form("[tracks-{tracks}/]index[.fmp4].(m3u8|mpd)", _MANIFEST, _LIVE),
    Form("(playlist|video|mono|mbr)[.fmp4].m3u8", _MANIFEST, _LIVE),
    Form("manifest.f4m", _MANIFEST, _LIVE),
    Form("mpegts", _STREAM, _LIVE),
    # A span of the archive, and one that grows.
    Form("[tracks-{tracks}/]index-{from}-{duration}[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR),
    Form("(archive|video|mono)-{from}-{duration}[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR),
    Form("[tracks-{tracks}/]index-{from}-now[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR, _GROWING),
    Form("(archive|video|mono)-{from}-now[.fmp4].(m3u8|mpd)", _MANIFEST, _DVR, _GROWING),
    Form("archive/{from}/{duration}/(index[.fmp4].m3u8|manifest.f4m)", _MANIFEST, _DVR),
    Form("archive/{from}/{duration}/mpegts", _STREAM, _DVR),
    Form("archive/{from}/now/(index[.fmp4].m3u8|manifest.f4m)", _MANIFEST, _DVR, _GROWING),
    Form("archive/{from}/now/mpegts", _STREAM, _DVR, _GROWING),
    Form("rewind-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _GROWING),
    # Downloads.
    Form("archive-{from}-{duration}.(mp4|ts)", Role.DOWNLOAD, _COPY),
    # Live, shifted into the past.
    Form("[tracks-{tracks}/]timeshift_abs-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_abs_mono-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("(video|mono)-timeshift_abs-{from}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_abs-{from}.ts", _STREAM, _DVR, _SHIFTED),
    Form("timeshift_abs/{from}", _STREAM, _DVR, _SHIFTED),
    Form("[tracks-{tracks}/]timeshift_rel-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("(video|mono)-timeshift_rel-{ago}[.fmp4].m3u8", _MANIFEST, _DVR, _SHIFTED),
    Form("timeshift_rel-{ago}.ts", _STREAM, _DVR, _SHIFTED),
    Form("timeshift_rel/{ago}", _STREAM, _DVR, _SHIFTED),
    # Segments and images that name their own time: their age makes them live or archive.
    Form("[tracks-{tracks}/]{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-{duration_ms}.(ts|m4s)", _SEGMENT),
    Form("{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}.jpg", _IMAGE, lasts_ms=1000),
    Form("{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-preview.mp4", _IMAGE, lasts_ms=1000),
    Form("preview.jpg", _IMAGE, _LIVE),
    # Segments without a time.
    Form("[tracks-{tracks}/]hls/segment{number}.ts", _SEGMENT),
)

# The live forms, with what players append to them. The origin goes by `utc`; `lutc` is the player's own clock.
SHIFT: Final[Sequence[Form]] = (
    *FLUSSONIC,
    *(
        Form(f"{form.url}?utc={{utc}}&[lutc={{number}}]", form.role, _DVR, _SHIFTED)
        for form in FLUSSONIC
        if form.kind is _LIVE and form.role is not _IMAGE
    ),
)

# What speaks of a time cannot be a part of a stream's name: whatever lies behind it is unknown, not live. It is
# read as generously as an origin might: with a sign, zeros, a fraction, an exponent, or digits of any script.
_COUNT: Final = r"\s*(?:[-+.]?\d|now)[^/]*"
_MOMENT: Final = r"(?=[^/]*\d{9})"
TIME_IN_NAME: Final = re.compile(
    rf"(?:\A|/)(?:archive/(?:{_COUNT}/{_COUNT}|{_MOMENT}[^/]*)|timeshift_(?:abs|rel)/{_COUNT}|(?:\d+/){{4}}\d+"
    rf"|{_MOMENT}[^/]*(?:archive|index|video|mono)-[^/]*"
    rf"|[^/]*(?:timeshift_(?:abs|rel)(?:_mono)?|rewind)-{_COUNT})(?:/|\Z)",
    re.IGNORECASE,
)
# The folders of a stream's archive: a file in one of them is the stream's.
FOLDER: Final = re.compile(
    r"/(?:archive/\d+/(?:\d+|now)|timeshift_(?:abs|rel)/\d+)(?:/tracks-[a-z0-9,]+)?\Z", re.ASCII
)
