"""The arguments of a Ziggeo authorization token, whichever of its SDKs spelled them, and in what.

The same list serves a token that was made by a client (JSON, `gate.formats.ziggeo`) and the bodies of the
REST calls that make one on the server, where every value is text or, from keys with brackets, an object:

    expiration_date           Unix seconds        ) whole numbers from 0, or the same in decimal digits;
    usage_expiration_time     seconds a session   ) 0 is a limit like any other: it leaves nothing
    session_limit             sessions in all     )
    grants                    {action: {"all": flag, "session_owned": flag, "resources": [...]}}; JSON text of
                              that; {action: "all"}; `[]`, as PHP writes an empty object
    volatile hidden           flags: true and false, True and False, 1 and 0, "" for false
    token nonce               names of 1 to 128 of the characters A-Z a-z 0-9 . _ : -

Null is nothing. An argument that is not in the list is refused, as is a value that could be meant in two
ways: a mistyped restriction must not become a permission.

Sources: the list is that of the SDKs' README ("Authtokens"), the spellings are what the SDKs send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from gate.core.grants import Action, Grant, Grants
from gate.core.windows import LAST_SECOND
from gate.formats.strict_json import read_object

LONGEST_RESOURCE: Final = 512
LARGEST_COUNT: Final = 1_000_000_000
MOST_RESOURCES: Final = 10_000
# Whatever else could be a grant would be longer than any body that is read.
LONGEST_GRANTS: Final = 8 * 2**20
_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_FLAGS: Final[Mapping[str, bool]] = MappingProxyType(
    {"true": True, "True": True, "1": True, "": False, "false": False, "False": False, "0": False}
)
_ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({action.value: action for action in Action})
_GRANT_KEYS: Final = frozenset({"all", "resources", "session_owned"})
_EVERYTHING: Final = Grant(all=True)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a token's maker said; None where nothing was said. Times are seconds."""

    expiration_date: int | None = None
    usage_expiration_time: int | None = None
    session_limit: int | None = None
    grants: Grants = field(default_factory=Grants)
    volatile: bool = False
    hidden: bool = False
    token: str | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one argument.

    The text is one short sentence in ASCII that names the field and shows no value: it can be a reason phrase.
    """

    field: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.field} {self.wrong}"


def read_arguments(mapping: Mapping[str, object]) -> Arguments | Fault:
    """The arguments in `mapping`, or the first fault in the order of the list above. Total.

    Each is read even where one before it is at fault: how long it takes tells little of which.
    """
    read = [reader(name, mapping.get(name)) for name, reader in _READERS.items()]
    if not mapping.keys() <= _READERS.keys():
        return Fault("arguments", "must be among " + " ".join(_READERS))
    for value in read:
        if isinstance(value, Fault):
            return value
    return Arguments(*read)


def _date(field: str, value: object) -> int | Fault | None:
    return _number(field, value, LAST_SECOND)


def _count(field: str, value: object) -> int | Fault | None:
    return _number(field, value, LARGEST_COUNT)


def _number(field: str, value: object, largest: int) -> int | Fault | None:
    """Nothing else than digits is a number: not what Python's or PHP's reader would make one."""
    if value is None:
        return None
    if isinstance(value, str) and _DECIMAL.fullmatch(value) is not None:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    return Fault(field, f"must be a whole number from 0 to {largest}")


def _flag(field: str, value: object) -> bool | Fault:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int) and value in {0, 1}:
        return value == 1
    if isinstance(value, str) and (flag := _FLAGS.get(value)) is not None:
        return flag
    return Fault(field, "must be true or false")


def _name(field: str, value: object) -> str | Fault | None:
    if value is None or (isinstance(value, str) and _NAME.fullmatch(value) is not None):
        return value
    return Fault(field, "must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")


def _grants(field: str, value: object) -> Grants | Fault:
    raw = _object(value)
    if raw is None:
        # Python's SDK writes a dictionary as Python does; that and what to do is all that its user is shown.
        if isinstance(value, str):
            return Fault(field, "must be the JSON text of an object, as json.dumps writes it")
        return Fault(field, "must be an object, or the JSON text of one")
    by_action = {}
    for word, given in raw.items():
        if (action := _ACTIONS.get(word)) is None:
            return Fault(field, "knows read, create, update and destroy")
        grant = _grant(given)
        if isinstance(grant, Fault):
            return Fault(f"{field}.{word}{grant.field}", grant.wrong)
        if grant is not None:
            by_action[action] = grant
    return Grants(MappingProxyType(by_action))


def _object(value: object) -> dict[str, Any] | None:
    """The object that `value` is, or is the text of. PHP writes an object without members as an array, and
    null in a form as nothing."""
    if isinstance(value, dict):
        return value
    if value is None or value in ([], "", "[]"):
        return {}
    if isinstance(value, str) and len(value) <= LONGEST_GRANTS:
        return read_object(value.encode("utf-8", "surrogatepass"))
    return None


def _grant(raw: object) -> Grant | Fault | None:
    """The grant; None for null. The word "all" is short for all of them, and the only short form there is."""
    if raw is None:
        return None
    if raw == "all":
        return _EVERYTHING
    if raw == []:
        raw = {}
    if not isinstance(raw, dict):
        return Fault("", "must be an object, or the word all")
    if not raw.keys() <= _GRANT_KEYS:
        return Fault("", "knows all, resources and session_owned")
    everything = _flag(".all", raw.get("all"))
    owned = _flag(".session_owned", raw.get("session_owned"))
    resources = _resources(".resources", raw.get("resources"))
    if isinstance(everything, Fault):
        return everything
    if isinstance(owned, Fault):
        return owned
    return resources if isinstance(resources, Fault) else Grant(everything, resources, owned)


def _resources(field: str, raw: object) -> frozenset[str] | Fault:
    if raw is None:
        return frozenset()
    if not isinstance(raw, list) or len(raw) > MOST_RESOURCES:
        return Fault(field, f"must be an array of at most {MOST_RESOURCES} names")
    if not all(isinstance(name, str) and 0 < len(name) <= LONGEST_RESOURCE for name in raw):
        return Fault(field, f"must hold names of 1 to {LONGEST_RESOURCE} characters")
    return frozenset(raw)


# In the order of the fields of `Arguments`.
_READERS: Final[dict[str, Callable[[str, object], Any]]] = {
    "expiration_date": _date,
    "usage_expiration_time": _count,
    "session_limit": _count,
    "grants": _grants,
    "volatile": _flag,
    "hidden": _flag,
    "token": _name,
    "nonce": _name,
}
