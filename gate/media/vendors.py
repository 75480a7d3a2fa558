"""The URLs of other origins and portals, a table for each.

Where a table names no {resource}, the paths are the operator's own and the stream rule's match names it.
Segments that say no time are of a known role and an unknown time: what their playlist says of them decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gate.core.grants import Action
from gate.core.media import Kind, Role
from gate.media.forms import Form, Open

_LIVE, _DVR, _COPY, _OBJECT = Kind.LIVE, Kind.DVR, Kind.COPY, Kind.OBJECT
_MANIFEST, _STREAM, _SEGMENT, _DOWNLOAD = Role.MANIFEST, Role.STREAM, Role.SEGMENT, Role.DOWNLOAD
_GROWING, _SHIFTED = Open.GROWING, Open.SHIFTED

_MEDIA: Final = "(ts|m4s|mp4|m4v|m4a|cmfv|cmfa|cmft|aac|ac3|ec3|mp3|vtt)"
# What plays without a time in its URL, where the query may give it one, and the segments of either.
_PLAYLIST: Final = "/{path}.(m3u8|mpd)"
_UNDATED: Final = (Form(f"/{{path}}.{_MEDIA}", _SEGMENT), Form("/{path}.(jpg|jpeg|png|webp)", Role.IMAGE))

AIPIX: Final[Sequence[Form]] = (
    Form("/live/{resource}/playlist_ios.m3u8", _MANIFEST, _LIVE),
    Form("/dvr/{resource}/playlist_ios.m3u8?timestamp={from}&duration={duration}", _MANIFEST, _DVR),
    Form("/dvr/{resource}/record.mp4?timestamp={from}&duration={duration}", _DOWNLOAD, _COPY),
    Form(f"/(live|dvr)/{{resource}}/{{any}}.{_MEDIA}", _SEGMENT),
)

MEDIAMTX: Final[Sequence[Form]] = (
    # The playback server. The list is no playlist: it says in JSON when there are recordings.
    Form("/get?path={resource}&start={from_iso}&duration={seconds}&[format=fmp4]", _STREAM, _DVR),
    Form("/get?path={resource}&start={from_iso}&duration={seconds}&format=mp4", _DOWNLOAD, _COPY),
    Form("/list?path={resource}&start={from_iso}&end={to_iso}", Role.OTHER, _DVR),
    Form("/list?path={resource}&start={from_iso}", Role.OTHER, _DVR, _GROWING),
    Form("/list?path={resource}", Role.OTHER, _DVR),
    # HLS. The server keeps a few segments, all of them at the live edge.
    Form("(index|[{any}_]stream).m3u8", _MANIFEST, _LIVE),
    Form("{any}.(mp4|m4s|ts)", _SEGMENT, _LIVE),
)

MEDIAPACKAGE: Final[Sequence[Form]] = (
    Form(f"{_PLAYLIST}?start={{start}}&end={{end}}", _MANIFEST, _DVR),
    Form(f"{_PLAYLIST}?start={{start}}", _MANIFEST, _DVR, _GROWING),
    # Version 2. Of settings whose delimiters are not escaped, it reads the first only.
    *(
        Form(f"{_PLAYLIST}?aws.manifestsettings={settings}", _MANIFEST, _DVR, any_case=True, escaped=":;")
        for settings in ("start:{start};end:{end}", "end:{end};start:{start}")
    ),
    Form(f"{_PLAYLIST}?aws.manifestsettings=start:{{start}}", _MANIFEST, _DVR, _GROWING, any_case=True),
    Form(f"{_PLAYLIST}?aws.manifestsettings=time_delay:{{ago}}", _MANIFEST, _DVR, _SHIFTED, any_case=True),
    Form(_PLAYLIST, _MANIFEST, _LIVE),
    *_UNDATED,
)
# Some packagers take these as folders as well.
MEDIAPACKAGE_FOLDERS: Final = re.compile(r"(?:\A|/)(?:start|end|time_delay)/", re.IGNORECASE)

_ARCHIVE: Final = "/{path}-archive.(m3u8|mpd)"
AKAMAI: Final[Sequence[Form]] = (
    Form(f"{_ARCHIVE}?startTime={{start}}&endTime={{end}}", _MANIFEST, _DVR),
    Form(f"{_ARCHIVE}?startTime={{start}}", _MANIFEST, _DVR, _GROWING),
    Form(_ARCHIVE, _MANIFEST, _DVR, any_case=True),
    Form(f"{_PLAYLIST}?start={{start}}&end={{end}}", _MANIFEST, _DVR),
    Form(f"{_PLAYLIST}?start={{start}}", _MANIFEST, _DVR, _GROWING),
    Form(_PLAYLIST, _MANIFEST, _LIVE),
    *_UNDATED,
)
# Segments of the archive carry it, and so might a playlist.
AKAMAI_SHIFTS: Final = frozenset({"archive"})

# The same parameters in milliseconds: a table of its own, as a number does not say its unit.
SWIFT: Final[Sequence[Form]] = (
    Form(f"{_PLAYLIST}?start={{utc_ms}}&end={{to_ms}}", _MANIFEST, _DVR),
    Form(f"{_PLAYLIST}?start={{utc_ms}}", _MANIFEST, _DVR, _GROWING),
    Form(_PLAYLIST, _MANIFEST, _LIVE),
    *_UNDATED,
)

UNIFIED: Final[Sequence[Form]] = (
    Form(f"{_PLAYLIST}?vbegin={{start}}&vend={{end}}", _MANIFEST, _DVR),
    Form(f"{_PLAYLIST}?vbegin={{start}}", _MANIFEST, _DVR, _GROWING),
    Form(f"{_PLAYLIST}?dvr_window_length={{ago}}", _MANIFEST, _DVR, _GROWING),
    Form(f"{_PLAYLIST}?time_shift={{ago}}", _MANIFEST, _DVR, _SHIFTED),
    Form(_PLAYLIST, _MANIFEST, _LIVE),
    *_UNDATED,
)
# A clip of the timeline (media fragments), which the origin cuts too.
UNIFIED_SHIFTS: Final = frozenset({"t"})

# User and password are the portal's own. Its players round the beginning down to the minute.
_RECORDED: Final = "/timeshift/{any}/{any}/{minutes}/{yyyy}-{mm}-{dd}:{HH}-{MM}/{resource}"
XTREAM: Final[Sequence[Form]] = (
    Form(f"{_RECORDED}.ts", _STREAM, _DVR),
    Form(f"{_RECORDED}.m3u8", _MANIFEST, _DVR),
    Form("/live/{any}/{any}/{resource}.ts", _STREAM, _LIVE),
    Form("/live/{any}/{any}/{resource}.m3u8", _MANIFEST, _LIVE),
)

_VIDEOS: Final = "/v1/applications/{any}/videos"
_VIDEO: Final = f"{_VIDEOS}/{{resource}}"
ZIGGEO: Final[Sequence[Form]] = (
    Form(_VIDEOS, Role.OTHER, _OBJECT, posts=Action.CREATE),
    Form(f"{_VIDEOS}/videos-upload-url", Role.OTHER, _OBJECT, posts=Action.CREATE),
    Form(_VIDEO, Role.OTHER, _OBJECT, posts=Action.UPDATE),
    Form(f"{_VIDEO}/[streams/{{any}}/]video.mp4?download=true", Role.OBJECT, _COPY, posts=Action.UPDATE),
    Form(f"{_VIDEO}/[streams/{{any}}/]video.mp4", Role.OBJECT, _OBJECT, posts=Action.UPDATE),
    Form(f"{_VIDEO}/[streams/{{any}}/]image", Role.IMAGE, _OBJECT, posts=Action.UPDATE),
    # The player counts what it plays: whoever may watch may be counted.
    Form(f"{_VIDEO}/[streams/[{{any}}/]]playback", Role.OTHER, _OBJECT, posts=Action.READ),
    # What is asked of a video beside its media, most of it to record it anew.
    Form(
        f"{_VIDEO}/[streams/[{{any}}/]](confirm-video|streams-upload-url)",
        Role.OTHER,
        _OBJECT,
        posts=Action.UPDATE,
    ),
    Form(f"{_VIDEO}/streams[/{{any}}[/file]]", Role.OTHER, _OBJECT, posts=Action.UPDATE),
)
