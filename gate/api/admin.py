"""The admin API: which routes there are, and how a request comes to its handler.

Bodies and answers are JSON, refusals problem documents (RFC 9457). Names that nobody knows are refused, in
queries and in bodies: a misspelt filter would list, and a misspelt limit end, what was not meant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from gate.api.answers import Fault, Outcome, to_answer
from gate.api.api_keys import ApiKeysApi
from gate.api.call import Call
from gate.api.operations import OperationsApi
from gate.api.sessions import SessionsApi
from gate.errors import StoreError, StoreUnavailable, UsageError
from gate.wire.answers import Answer

PREFIX: Final = "/v1"
_KEYS: Final = f"{PREFIX}/applications/{{application}}/keys"
Handler = Callable[[Call], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path; ``{id}`` and ``{application}`` stand for segments that name something."""

    method: str
    path: str


class AdminApi:
    """Answers what the guard has let through."""

    def __init__(self, sessions: SessionsApi, operations: OperationsApi, keys: ApiKeysApi) -> None:
        self._handlers: Mapping[str, Mapping[str, Handler]] = {
            f"{PREFIX}/sessions": {"GET": sessions.list},
            f"{PREFIX}/sessions/{{id}}": {"GET": sessions.show, "DELETE": sessions.end},
            f"{PREFIX}/revocations": {"GET": sessions.revocations, "POST": sessions.revoke},
            _KEYS: {"GET": keys.list, "POST": keys.create},
            f"{_KEYS}/{{id}}": {"PATCH": keys.switch, "DELETE": keys.delete},
            f"{PREFIX}/reload": {"POST": operations.reload},
            f"{PREFIX}/explain": {"POST": operations.explain},
            f"{PREFIX}/policy": {"GET": operations.policy},
            f"{PREFIX}/health": {"GET": operations.health},
        }

    @property
    def routes(self) -> list[Route]:
        return [Route(method, path) for path, methods in self._handlers.items() for method in methods]

    async def answer(self, method: str, target: str, body: bytes) -> Answer:
        """The answer to a request for `target`, a path with its query."""
        path, _, query = target.partition("?")
        path, names = self._find(path)
        within, name = ["", "", *names][-2:]
        return to_answer(await self._answer(method, path, Call(name, query, body, within)))

    def _find(self, path: str) -> tuple[str, list[str]]:
        """The route's path that `path` is one of, and what it names; itself where there is none."""
        segments = path.split("/")
        for known in self._handlers:
            pieces = known.split("/")
            if len(pieces) == len(segments):
                pairs = list(zip(pieces, segments, strict=True))
                if all(piece == segment or (piece[:1] == "{" and segment) for piece, segment in pairs):
                    return known, [segment for piece, segment in pairs if piece[:1] == "{"]
        return path, []

    async def _answer(self, method: str, path: str, call: Call) -> Outcome:
        methods = self._handlers.get(path)
        if methods is None:
            known = ", ".join(self._handlers)
            return Fault(HTTPStatus.NOT_FOUND, "not_found", f"there is no such path; there are {known}")
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
            return Fault(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method_not_allowed",
                f"{path} answers {', '.join(allowed)}",
                fields=(("Allow", ", ".join(allowed)),),
            )
        try:
            return await handler(call)
        except UsageError as error:
            return Fault(HTTPStatus.BAD_REQUEST, "malformed_request", str(error))
        except StoreUnavailable as error:
            return _away(error)
        except StoreError as error:
            return Fault(HTTPStatus.SERVICE_UNAVAILABLE, "store_error", str(error))


def too_large(most: int) -> Answer:
    """The body is longer than `most` bytes."""
    detail = f"a body is at most {most} bytes"
    return to_answer(Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail))


def _away(error: StoreUnavailable) -> Fault:
    fields = (("Retry-After", "2"),)
    return Fault(HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", str(error), fields=fields)
