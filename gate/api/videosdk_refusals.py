"""How the API for rooms refuses: in the vendor's document, which its SDKs read, with the gate's own reason.

The vendor's server SDK makes its errors of the status: 400 validation, 401 authentication, 403 permission, 402
and 404 no such room, 429 rate limit. It takes the text of `message`, and of `code` where that is text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate.core.reasons import Deny, Reason
from gate.formats.videosdk_errors import code_of
from gate.wire.answers import Answer, Fields, json_answer

# To servers a room that is not there is not there; players of media give up on 403 for good.
_STATUSES: Final = {Reason.ROOM_UNKNOWN: 404, Reason.NOT_SERVED: 404}
_TEXTS: Final = {Reason.NOT_SERVED: "There is nothing of this name in the API for rooms."}
_INVALID_TOKEN: Final = 4002


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that is answered otherwise than its reason says: by status, by vendor's number and name, by
    the seconds after which to come back, or with the methods that there are."""

    deny: Deny
    status: int | None = None
    code: tuple[int, str] | None = None
    retry_after_s: int | None = None
    allowed: tuple[str, ...] = ()


def refuse(refused: Deny | Refusal, request_id: str, cors: Fields) -> Answer:
    """The refusal in the vendor's form. It never holds token material."""
    refusal = Refusal(refused) if isinstance(refused, Deny) else refused
    deny = refusal.deny
    reason, rule = deny.reason, deny.reason.rule
    status = refusal.status or _STATUSES.get(reason, rule.status)
    code = refusal.code or code_of(reason)
    text = _word(deny, code)
    document: dict[str, object] = {"error": text, "message": text}
    if code is not None:
        document.update(code=str(code[0]), name=code[1])
    document.update(statusCode=status, reason=reason.value, requestId=request_id)
    document.update(deny.facts)
    more = [("Gate-Reason", reason.value)]
    retry_after_s = rule.retry_after_s if refusal.retry_after_s is None else refusal.retry_after_s
    if retry_after_s is not None:
        more.append(("Retry-After", str(retry_after_s)))
    if status == 401:
        error = f', error="{rule.challenge}"' if rule.challenge else ""
        more.append(("WWW-Authenticate", f'Bearer realm="gate"{error}'))
    if refusal.allowed:
        more.append(("Allow", ", ".join(refusal.allowed)))
    return json_answer(status, document, request_id, cors, more=more)


def _word(deny: Deny, code: tuple[int, str] | None) -> str:
    if code is not None and code[0] == _INVALID_TOKEN:
        return "Token is invalid or expired"
    title = _TEXTS.get(deny.reason, deny.reason.rule.title)
    return f"{title[:-1]}: {deny.detail}" if deny.detail else title
