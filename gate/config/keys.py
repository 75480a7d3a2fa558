"""The keys of a policy file: what it names, read, and made into one keyring for each application.

Key files are read when the policy is loaded and each time that it is loaded again, relative to it. Whatever
is wrong with a key is told at its place in the policy, without any of its material.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gate.config.complaints import Complaint
from gate.config.document import MAX_SECRET_FILE_BYTES, read_file
from gate.config.models import Key as KeyEntry
from gate.config.models import PolicyFile
from gate.core.keys import Algorithm, Key, Keyring
from gate.formats.jwk import read_jwk, read_jwk_set
from gate.formats.pem import read_pem
from gate.formats.signatures import UnfitKeyError, check_material

_FORMS: Final = ("secret", "file", "jwks_file")


def read_keyrings(file: PolicyFile, folder: Path) -> tuple[dict[str, Keyring], list[Complaint]]:
    """The keyring of each application, and what is wrong with the keys; paths are relative to `folder`.

    What `complaints` says of an entry is not said again.
    """
    keyrings: dict[str, Keyring] = {}
    wrong: list[Complaint] = []
    for name, application in file.applications.items():
        keys: list[Key] = []
        kids: set[str] = set()
        for at, entry in enumerate(application.keys):
            form = next((form for form in _FORMS if getattr(entry, form) is not None), "")
            place = ("applications", name, "keys", at)
            read: tuple[Key, ...] = ()
            try:
                read = _read_entry(entry, folder)
            except UnfitKeyError as error:
                wrong.append(((*place, form), str(error)))
            for kid in [key.kid for key in read] or filter(None, [entry.kid]):
                if kid in kids:
                    where, told = ("kid", "this kid") if entry.kid else (form, f"the kid {kid!r}")
                    wrong.append(((*place, where), f"{told} names another key of the application"))
                kids.add(kid)
            keys += read
        keyrings[name] = Keyring(keys)
    return keyrings, wrong


def read_key_file(path: Path, algorithm: Algorithm | None = None, kid: str | None = None) -> Key:
    """The key in a file: PEM, or one JWK. Raises UnfitKeyError."""
    raw = _read(path)
    return (read_jwk if raw.lstrip().startswith(b"{") else read_pem)(raw, algorithm, kid)


def _read_entry(entry: KeyEntry, folder: Path) -> tuple[Key, ...]:
    """The keys of an entry; none of one that `complaints` is about. Raises UnfitKeyError."""
    if [getattr(entry, form) for form in _FORMS].count(None) != len(_FORMS) - 1:
        return ()
    if entry.file is not None:
        return (read_key_file(folder / entry.file, entry.algorithm, entry.kid),)
    if entry.jwks_file is not None:
        return read_jwk_set(_read(folder / entry.jwks_file), entry.algorithm)
    algorithm = entry.algorithm or Algorithm.HS256
    if entry.kid is None or entry.secret is None or not algorithm.symmetric:
        return ()
    material = entry.secret.get_secret_value().encode()
    check_material(algorithm, material)
    return (Key(entry.kid, algorithm, material),)


def _read(path: Path) -> bytes:
    raw, problem = read_file(path, MAX_SECRET_FILE_BYTES, regular=True)
    if problem:
        raise UnfitKeyError(problem)
    return raw
