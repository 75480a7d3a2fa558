"""Which grant a write needs, what it is forwarded under, and when it needs a session."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.target import Target
from gate.core.token import Warrant
from gate.core.verdicts import Place
from gate.core.writes import actions_of, asks_ownership, names_method, precondition, writes_in_session

Located = Callable[..., object]
FILE = "/cam1/file.mp4"
NAMED, OTHER, OWNED = (
    Grant(resources=frozenset({"cam1"})),
    Grant(resources=frozenset({"cam2"})),
    Grant(session_owned=True),
)
ALL = Grant(all=True)


def warrant(**grants: Grant) -> Warrant:
    return Warrant(Grants({Action(word): grant for word, grant in grants.items()}))


def place(located: Located, method: str) -> Place:
    found = located(FILE, method)
    assert isinstance(found, Place)
    return found


def test_a_put_creates_or_updates(located: Located) -> None:
    assert actions_of(place(located, "PUT")) == (Action.CREATE, Action.UPDATE)
    for method, action in (
        ("GET", Action.READ),
        ("POST", Action.CREATE),
        ("PATCH", Action.UPDATE),
        ("DELETE", Action.DESTROY),
    ):
        assert actions_of(place(located, method)) == (action,)


@pytest.mark.parametrize(
    ("method", "word"), [("GET", "read"), ("PUT", "update"), ("PATCH", "update"), ("DELETE", "destroy")]
)
def test_ownership_matters_where_nothing_else_grants_it(located: Located, method: str, word: str) -> None:
    asked = place(located, method)
    both = Grant(resources=frozenset({"cam2"}), session_owned=True)
    for grant in (OWNED, both):
        assert asks_ownership(asked, warrant(**{word: grant}))
    for grant in (ALL, NAMED, OTHER, Grant(), Grant(resources=frozenset({"cam1"}), session_owned=True)):
        assert not asks_ownership(asked, warrant(**{word: grant}))
    assert not asks_ownership(asked, warrant())
    other = "destroy" if word != "destroy" else "read"
    assert not asks_ownership(asked, warrant(**{other: OWNED}))


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_is_being_created_is_nobodys_yet(located: Located, method: str) -> None:
    assert not asks_ownership(place(located, method), warrant(create=OWNED))


@pytest.mark.parametrize(
    ("grants", "owned", "field"),
    [
        ({"create": NAMED}, False, ("If-None-Match", "*")),
        ({"create": ALL}, True, ("If-None-Match", "*")),
        ({"create": OWNED}, False, ("If-None-Match", "*")),
        ({"create": OWNED, "update": OTHER}, False, ("If-None-Match", "*")),
        ({"create": OWNED, "update": OWNED}, False, ("If-None-Match", "*")),
        ({"create": OWNED, "update": OWNED}, True, None),
        ({"create": NAMED, "update": NAMED}, False, None),
        ({"create": OWNED, "update": ALL}, False, None),
        ({"update": NAMED}, False, ("If-Match", "*")),
        ({"update": OWNED}, True, ("If-Match", "*")),
        ({"create": OTHER, "update": ALL}, False, ("If-Match", "*")),
    ],
)
def test_a_put_that_may_do_one_of_the_two_is_forwarded_under_a_precondition(
    located: Located, grants: dict[str, Grant], owned: bool, field: tuple[str, str] | None
) -> None:
    assert precondition(place(located, "PUT"), warrant(**grants), owned) == field


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_no_other_method_has_a_precondition_of_the_gates(located: Located, method: str) -> None:
    every = dict.fromkeys(("read", "create", "update", "destroy"), NAMED)
    assert precondition(place(located, method), warrant(**every), False) is None


def test_a_warrant_that_speaks_of_ownership_writes_in_a_session() -> None:
    for word in ("read", "create", "update", "destroy"):
        assert writes_in_session(warrant(**{"create": ALL, word: OWNED}))
    for one, other in product((ALL, NAMED), repeat=2):
        assert not writes_in_session(warrant(read=one, create=other, update=one, destroy=other))
    assert not writes_in_session(warrant())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("_method=DELETE", True),
        ("a=1&_METHOD=put", True),
        ("%5fmethod=DELETE", True),
        ("+_method=DELETE", True),
        ("_method", True),
        ("X-HTTP-Method-Override=DELETE", True),
        ("method=x&my_method=y", False),
        ("", False),
    ],
)
def test_a_query_that_names_a_method(query: str, names: bool) -> None:
    assert names_method(Target("/a", query, ("a",))) is names


@pytest.mark.parametrize(
    ("method", "refused"), [("POST", True), ("PUT", True), ("DELETE", True), ("GET", False)]
)
def test_who_may_only_post_deletes_nothing(located: Located, method: str, refused: bool) -> None:
    found = located(f"{FILE}?_method=DELETE", method)
    assert (isinstance(found, Deny) and found.reason is Reason.METHOD_NOT_ALLOWED) is refused
