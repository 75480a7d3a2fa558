"""What has been revoked, as a worker holds it: whole, in memory, checked on every request.

An entry names a token, a session or a subject by its id, or an application with a not-before time: tokens
issued before it are no longer good. Entries are text, so that the store keeps them in one sorted set:
``t:<token id>``, ``s:<session id>``, ``u:<owner>``, ``a:<application>:<not before>``.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Revocations:
    """The revocations in force. `until_s` of an entry is when it may be forgotten, Unix seconds."""

    until_s: dict[str, float] = field(default_factory=dict)
    not_before_s: dict[str, int] = field(default_factory=dict)

    def add(self, entry: str, until_s: float) -> None:
        """`entry` is in force; a later `until_s` wins, as does a later not-before time."""
        if entry.startswith("a:"):
            application, at = _application_entry(entry)
            self.not_before_s[application] = max(at, self.not_before_s.get(application, 0))
        self.until_s[entry] = max(until_s, self.until_s.get(entry, 0.0))

    def forget(self, now: float) -> None:
        """What has outlived all that it guards is gone."""
        over = [entry for entry, until_s in self.until_s.items() if until_s <= now]
        for entry in over:
            del self.until_s[entry]
        if any(entry.startswith("a:") for entry in over):
            # An earlier not-before time may be in force for longer than a later one: it must not go with it.
            self.not_before_s.clear()
            for entry, until_s in list(self.until_s.items()):
                if entry.startswith("a:"):
                    self.add(entry, until_s)

    def cover(
        self, application: str, token: str, owner: str, session: str | None, issued_at: int | None
    ) -> bool:
        """Whether a token, or the session that it opened, is revoked.

        `issued_at` is the token's ``iat``; a token without one falls to any not-before time.
        """
        if (not_before := self.not_before_s.get(application)) is not None and (
            issued_at is None or issued_at < not_before
        ):
            return True
        entries = self.until_s
        return bool(entries) and (
            f"t:{token}" in entries
            or f"u:{owner}" in entries
            or (session is not None and f"s:{session}" in entries)
        )


def _application_entry(entry: str) -> tuple[str, int]:
    """``a:<application>:<not before>``; an application's own name may hold colons."""
    application, _, at = entry[2:].rpartition(":")
    return application, int(at)
