"""The ticket keys of the last start, in a file: with them a gate can start while its store is away."""

from __future__ import annotations

import contextlib
import logging
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger("gate")
_KEY_BYTES: Final = 32


class KeptKeys:
    """The file at `path`: readable by its owner only, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[bytes]:
        """The keys, newest first; none where the file is not there, not readable or damaged."""
        try:
            keys = [urlsafe_b64decode(line) for line in self._path.read_text("ascii").split()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            _log.warning("kept ticket keys cannot be read from %s: %s", self._path, type(error).__name__)
            return []
        if any(len(key) != _KEY_BYTES for key in keys):
            _log.warning("kept ticket keys cannot be read from %s: the file is damaged", self._path)
            return []
        return keys

    def write(self, keys: list[bytes]) -> None:
        """The file holds `keys`. Where it cannot be written the gate goes on, and says so."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        text = "".join(urlsafe_b64encode(key).decode() + "\n" for key in keys)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            with open(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
            ) as file:
                file.write(text)
                file.flush()
                # Without this, a machine that dies now may find the new name on an empty file.
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            _log.warning("ticket keys cannot be kept in %s: %s", self._path, error.strerror)
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
