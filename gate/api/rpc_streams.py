"""The methods on streams that are added at runtime, and where their viewers find them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from gate.api.rpc_caller import NO_STREAM, STREAM_EXISTS, TOO_MANY_STREAMS, Caller, wrong
from gate.api.rpc_methods import Method
from gate.api.rpc_urls import urls_of
from gate.core.added import clashes, with_streams
from gate.core.addresses import read_network
from gate.core.policy import Access, Application, Policy
from gate.core.stream import (
    MOST_NETWORKS,
    Entry,
    Stream,
    check_dvr_depth,
    check_origin,
    check_place,
    check_uid,
)
from gate.errors import StoreFull
from gate.formats.aipix import DEFAULT_TTL_S, STREAM, lifetime
from gate.formats.parameters import FLAG, Parameter, Reader, Wrong, choice, listed, record, text, whole
from gate.store.streams import Streams

MOST_AT_ONCE: Final = 500
DEFAULT_PAGE: Final = 100
LONGEST_PAGE: Final = 1000
_CURSOR: Final = re.compile(r"[0-9]{0,20}")
_OBJECT: Final[Mapping[str, object]] = {"type": "object"}
_BOOLEAN: Final[Mapping[str, object]] = {"type": "boolean"}
_log: Final = logging.getLogger("gate.rpc")


def _checked(reader: Reader, check: Any) -> Reader:
    """The reader, with the core's own check of what was read."""

    def read(value: object) -> Any:
        found = reader.read(value)
        if isinstance(found, Wrong):
            return found
        try:
            return check(found)
        except ValueError as error:
            return Wrong("", str(error))

    return Reader(read, reader.schema)


_UID: Final = _checked(STREAM, check_uid)
_URL: Final = _checked(text(2048), check_origin)
_DEPTH: Final = _checked(whole("whole seconds", 36500 * 86400), check_dvr_depth)
_ACCESS: Final = record(
    Parameter("allow", choice(*(access.value for access in Access)), "Who may watch."),
    Parameter(
        "whitelist",
        listed(_checked(text(64), read_network), MOST_NETWORKS),
        "Networks, or single addresses, that may watch where it is protected.",
    ),
)
_DVR: Final = record(Parameter("depth", _DEPTH, "How many seconds the archive reaches back; 0 for none."))


class StreamCalls:
    """What the methods on streams do."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def methods(self, application: Application, policy: Policy) -> list[Method[Caller]]:
        """The methods, for access tokens of this application and streams as the policy can serve them."""
        uid = Parameter("stream", _UID, "The unique id of the stream.", required=True)
        url = Parameter(
            "url", _URL, "Where it is: the origin's scheme, host, and path before the layout's own."
        )
        values = (
            Parameter("layout", choice(*policy.layouts), "The origin's URL grammar."),
            Parameter("enable", FLAG, "Whether it is served at all."),
            Parameter("access", _ACCESS, "Who may watch: private where it is not said."),
            Parameter("dvr", _DVR, "Its archive; without a depth that is not known."),
            Parameter("application", choice(*policy.applications), "Whose tokens open it."),
        )
        several = listed(STREAM, MOST_AT_ONCE)
        ttl_s = application.max_ttl_s
        usual_s = DEFAULT_TTL_S if ttl_s is None else max(1, int(min(DEFAULT_TTL_S, ttl_s)))
        uids = Parameter("streams", several, "Their unique ids.", required=True)
        return [
            Method(
                "Stream.Add",
                "There is such a stream, on every gate within a second.",
                self._add,
                (uid, Parameter("url", url.reader, url.text, required=True), *values),
                _OBJECT,
                faults=(STREAM_EXISTS, TOO_MANY_STREAMS),
            ),
            Method(
                "Stream.Update",
                "The stream is as it was but for what is given, on every gate within a second.",
                self._update,
                (uid, url, *values),
                _OBJECT,
                faults=(NO_STREAM,),
            ),
            Method("Stream.Get", "The stream.", self._get, (uid,), _OBJECT, faults=(NO_STREAM,)),
            Method(
                "Stream.List",
                "About so many of the added streams, in no order, and the cursor of those that follow.",
                self._list,
                (
                    Parameter("limit", whole("a number", LONGEST_PAGE, 1), "How many.", default=DEFAULT_PAGE),
                    Parameter(
                        "cursor",
                        Reader(_read_cursor, {"type": "string"}),
                        "What the page before gave; empty for the first.",
                        default="",
                    ),
                ),
                _OBJECT,
            ),
            Method(
                "Stream.Remove",
                "There is no such stream any more, on any gate within a second; whether there was one.",
                self._remove,
                (uid,),
                _BOOLEAN,
            ),
            Method(
                "Stream.Revoke",
                "These streams are not served until they are enabled by Stream.Update; whether there are such.",
                self._revoke,
                (uids,),
                {"type": "object", "additionalProperties": _BOOLEAN},
            ),
            Method(
                "Stream.GetMediaUrls",
                "Where viewers find these streams, with the tokens that they need; false for one not served.",
                self._urls,
                (
                    uids,
                    Parameter(
                        "ttl",
                        lifetime(ttl_s, unlimited=application.unlimited_ttl),
                        "How many seconds the URLs are good; 0 for no end.",
                        default=usual_s,
                    ),
                ),
                _OBJECT,
            ),
        ]

    async def _add(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        uid, changes = asked["stream"], _changes(asked)
        values: dict[str, Any] = {
            "layout": "aipix",
            "enabled": True,
            "access": Access.PRIVATE,
            "whitelist": (),
            "dvr_depth_s": None,
            "application": caller.rules.application,
            **changes,
        }
        _check_free(uid, values["layout"], caller)
        stream = Stream(uid=uid, **values)
        try:
            added = await self._streams.add(stream)
        except StoreFull as error:
            raise TOO_MANY_STREAMS.fault(str(error)) from None
        if not added:
            raise STREAM_EXISTS.fault()
        caller.changed.add(uid)
        _log.info("stream %s added: %s", uid, stream.access.value)
        return show(caller.policy, uid, await self._streams.get(uid) or stream)

    async def _update(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        uid, changes = asked["stream"], _changes(asked)
        if "layout" in changes:
            _check_free(uid, changes["layout"], caller)
        stream = await (self._streams.update(uid, changes) if changes else self._streams.get(uid))
        if stream is None:
            raise NO_STREAM.fault()
        caller.changed.add(uid)
        _log.info("stream %s changed: %s", uid, ", ".join(changes) or "nothing")
        return show(caller.policy, uid, stream)

    async def _get(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        stream = await self._streams.get(asked["stream"])
        if stream is None:
            raise NO_STREAM.fault()
        return show(caller.policy, asked["stream"], stream)

    async def _list(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        page = await self._streams.page(asked["cursor"], asked["limit"])
        shown = [show(caller.policy, uid, entry) for uid, entry in page.streams.items()]
        return {"streams": shown, "cursor": page.cursor}

    async def _remove(self, asked: Mapping[str, Any], caller: Caller) -> bool:
        removed = await self._streams.remove(asked["stream"])
        if removed:
            caller.changed.add(asked["stream"])
            _log.info("stream %s removed", asked["stream"])
        return removed

    async def _revoke(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, bool]:
        outcome = {}
        for uid in dict.fromkeys(asked["streams"]):
            outcome[uid] = await self._streams.update(uid, {"enabled": False}) is not None
            if outcome[uid]:
                caller.changed.add(uid)
                _log.info("stream %s disabled", uid)
        return outcome

    async def _urls(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        found = await self._streams.read(dict.fromkeys(asked["streams"]))
        # As this gate will serve them in a moment, if it does not yet.
        policy = with_streams(caller.policy, found)
        return {
            uid: urls_of(uid, found.get(uid), policy, caller, asked["ttl"]) or False
            for uid in dict.fromkeys(asked["streams"])
        }


def show(policy: Policy, uid: str, entry: Entry) -> dict[str, object]:
    """The stream as callers see it; of one that cannot be read nothing but its uid and why. Times are Unix
    seconds."""
    if not isinstance(entry, Stream):
        return {"uid": uid, "unreadable": entry.problem}
    shown: dict[str, object] = {
        "uid": uid,
        "url": entry.origin,
        "layout": entry.layout,
        "enable": entry.enabled,
        "access": {"allow": entry.access.value, "whitelist": [str(network) for network in entry.whitelist]},
        "dvr": {} if entry.dvr_depth_s is None else {"depth": entry.dvr_depth_s},
        "application": entry.application,
        "made_at": entry.made_at,
        "changed_at": entry.changed_at,
    }
    shadows = [f"{rule.name}: {rule.pattern.text}" for rule in clashes(policy, uid, entry)]
    return {**shown, "shadowed_by": shadows} if shadows else shown


def _changes(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by the names of a stream's own fields."""
    changes = {
        field: asked[name]
        for name, field in (("layout", "layout"), ("enable", "enabled"), ("application", "application"))
        if asked[name] is not None
    }
    if asked["url"] is not None:
        changes["origin"] = asked["url"]
    if (access := asked["access"]) is not None:
        if access["allow"] is not None:
            changes["access"] = Access(access["allow"])
        if access["whitelist"] is not None:
            changes["whitelist"] = tuple(dict.fromkeys(access["whitelist"]))
    if (dvr := asked["dvr"]) is not None:
        changes["dvr_depth_s"] = dvr["depth"]
    return changes


def _check_free(uid: str, layout: str, caller: Caller) -> None:
    """The paths that the stream would have are not those of something else. Raises RpcFault."""
    try:
        check_place(uid, layout)
    except ValueError as error:
        raise wrong("stream", str(error)) from None
    if layout != "aipix" and caller.policy.sessions.prefix == f"/{uid}/":
        raise wrong("stream", "session links begin with this name")


def _read_cursor(value: object) -> str | Wrong:
    if isinstance(value, str) and _CURSOR.fullmatch(value) and int(value or "0") < 2**64:
        return value
    return Wrong("", "expected what the page before gave")
