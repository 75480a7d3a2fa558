"""What a token is to say, as `gate token` was asked for it, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.errors import UsageError
from gate.formats.strict_json import read_object

DEFAULT_TTL_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command, by the names of its parameters; None and False where one was not given."""

    resources: tuple[str, ...]
    everything: bool
    session_owned: bool
    actions: tuple[str, ...]
    live: bool
    dvr: bool
    copy: bool
    start: int | None
    end: int | None
    ttl_s: int | None
    session_limit: int | None
    max_concurrent: int | None
    single_use: bool
    subject: str | None
    usage_s: int | None
    reference: str | None
    kid: str | None
    key_path: Path | None
    claims_text: str | None

    def grants(self, extra: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """What may be done to what. Raises UsageError where that is nothing, and `extra` claims say no more."""
        if not (self.resources or self.everything or self.session_owned) and "grants" not in extra:
            raise UsageError(
                "the token would open nothing: name what with --resource, or everything with --all"
            )
        if self.everything and (self.resources or self.session_owned):
            superfluous = "--resource" if self.resources else "--session-owned"
            raise UsageError(f"--all opens every resource: leave out {superfluous}")
        grant: dict[str, Any] = {
            "all": self.everything,
            "resources": list(dict.fromkeys(self.resources)),
            "session_owned": self.session_owned,
        }
        said = {name: value for name, value in grant.items() if value}
        return dict.fromkeys(self.actions, said)

    def end_s(self, application: Application, now: int) -> int | None:
        """When it ends, in Unix seconds; None for never."""
        ttl_s, longest = self.ttl_s, application.max_ttl_s
        if ttl_s is None:
            ttl_s = DEFAULT_TTL_S if longest is None else min(DEFAULT_TTL_S, int(longest))
        return now + ttl_s if ttl_s else None

    def extra(self) -> dict[str, Any]:
        """The claims that replace or join the others. Raises UsageError."""
        if self.claims_text is None:
            return {}
        claims = read_object(self.claims_text.strip().encode("utf-8", "surrogateescape"))
        if claims is None:
            raise UsageError('--claims takes one JSON object with every key once, such as \'{"aud": "tv"}\'')
        return claims


def refused(refusal: Deny, application: Application) -> UsageError:
    """Why the gate would refuse the token, and what to change."""
    text = refusal.detail or refusal.reason.rule.title
    match refusal.reason:
        case Reason.EXPIRY_REQUIRED if not refusal.detail:
            advice = f"the application {application.name} does not allow tokens without an end (unlimited_ttl)"
        case Reason.LIFETIME_TOO_LONG:
            advice = f"the application {application.name} allows {application.max_ttl_s:g} s (max_ttl)"
        case Reason.TOKEN_HIDDEN:
            advice = "a client-side one says with --reference which it refers to, and need not be hidden itself"
        case _:
            advice = ""
    text = text.removesuffix(".")
    return UsageError(
        f"the gate would refuse this token ({refusal.reason.value}): {text}{f'; {advice}' if advice else ''}"
    )
