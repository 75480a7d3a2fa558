"""Bodies of management requests, in the forms that public clients send, as one nested mapping.

One client sends ``grants`` as JSON text in a percent-encoded form, another the same with nothing encoded and
an ``&`` at the end, one in bracket keys, one as multipart. They mean the same, and whoever reads the arguments
need not know which it was. Text stays text: that ``1`` is a number and ``True`` a boolean is for the reader of
arguments to say, and so is what to make of a text that holds JSON, or Python's own spelling of a dictionary.

A body must have one meaning. So a field may stand there once, a name is either one value, a list or a mapping,
and what lenient readers would drop or bend is refused: a byte that is not UTF-8, a NUL, a file, a broken part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gate.formats.strict_json import read_object

MOST_FIELDS: Final = 20_000
# Each part has a head of its own to be read, which costs fifty times what a field of a form does.
MOST_PARTS: Final = 1_000
# Containers in one another, the body itself included: grants, action, resources.
DEEPEST: Final = 4
LONGEST_NAME: Final = 256
_LONGEST_TYPE: Final = 256
_LONGEST_HEAD: Final = 1024
# What a script on a page sends without asking first is called text, and is a form (Fetch, section 4.9).
_URLENCODED: Final = frozenset({"", "application/x-www-form-urlencoded", "text/plain"})
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP: Final = re.compile(r"\[([^\[\]]*)\]")
# RFC 2046, section 5.1.1: bchars, less the space, which no client uses.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")
_IDENTITY: Final = frozenset({"7bit", "8bit", "binary"})
_HEADS: Final = BytesHeaderParser()


@dataclass(frozen=True, slots=True)
class FormFault:
    """Why a body cannot be read: one sentence in printable ASCII that holds nothing of the body.

    Clients show nothing but the reason phrase of the status line, and the sentence is fit to be that.
    """

    text: str
    status: int = 400


class _RefusedError(ValueError):
    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.fault = FormFault(text, status)


def read_form(content_type: str | None, body: bytes) -> dict[str, object] | FormFault:
    """The fields of a body: of text, or lists and mappings of it, or for JSON whatever JSON holds.

    An empty body has none, whatever its type; a body without a type is a form. Bracket keys as PHP and Rails
    write them: ``a[b]=1`` is a mapping, ``a[]=1`` a list, and so is ``a[0]=1&a[1]=2``. How long the body may
    be is for the caller to say; the time that is taken is in proportion to it.
    """
    if not body:
        return {}
    try:
        kind, parameters = _read_type(content_type or "")
        if kind in _URLENCODED:
            return _read_fields(_urlencoded(body))
        if kind == "multipart/form-data":
            return _read_fields(_multipart(body, parameters.get_param("boundary")))
        if kind == "application/json":
            return _read_json(body)
    except _RefusedError as refused:
        return refused.fault
    return FormFault("The content type is not a form, multipart/form-data or application/json", 415)


def _read_type(text: str) -> tuple[str, Message]:
    """The media type in lower case, and a message to ask for its parameters."""
    if len(text) > _LONGEST_TYPE or not (text.isascii() and text.replace("\t", " ").isprintable()):
        raise _RefusedError("The content type cannot be read", 415)
    parameters: Message = Message()
    parameters["content-type"] = text
    charset = parameters.get_param("charset")
    if charset is not None and (not isinstance(charset, str) or charset.lower() not in _UTF8):
        raise _RefusedError("The body is to be sent in UTF-8", 415)
    return text.partition(";")[0].strip().lower(), parameters


def _urlencoded(body: bytes) -> list[tuple[bytes, bytes]]:
    """The pairs of a form (WHATWG URL, section 5.1). What is not percent-encoded stands for itself."""
    if body.count(b"&") > MOST_FIELDS:
        raise _RefusedError("The body has too many fields", 413)
    pairs = []
    for piece in body.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return pairs


def _multipart(body: bytes, boundary: object) -> list[tuple[bytes, bytes]]:
    """The pairs of multipart/form-data (RFC 7578).

    The standard library reads the heads. It does not part the body: it goes through that line by line, and a
    megabyte of line ends would keep everybody waiting. A delimiter cannot be in any content (RFC 2046, section
    5.1.1), so what stands between two of them is a part, and nothing may stand around them.
    """
    if not isinstance(boundary, str) or _BOUNDARY.fullmatch(boundary) is None:
        raise _RefusedError("The boundary of the multipart body cannot be read")
    delimiter = b"\r\n--" + boundary.encode()
    body = b"\r\n" + body
    if body.count(delimiter) > MOST_PARTS + 1:
        raise _RefusedError("The body has too many fields", 413)
    before, *parts = body.split(delimiter)
    if before or not parts or parts.pop() not in (b"--", b"--\r\n"):
        raise _RefusedError("The multipart body is not complete")
    return [_read_part(part) for part in parts]


def _read_part(part: bytes) -> tuple[bytes, bytes]:
    head, found, value = part.partition(b"\r\n\r\n")
    if not head.startswith(b"\r\n") or not found:
        raise _RefusedError("A part of the multipart body is broken")
    head = head[2:]
    # NUL and lone line ends are read in more than one way.
    if len(head) > _LONGEST_HEAD or not head.isascii() or not head.replace(b"\r\n", b"").decode().isprintable():
        raise _RefusedError("The head of a part of the multipart body cannot be read")
    fields = _HEADS.parsebytes(head)
    if fields.defects or len(fields.get_all("content-disposition", [])) != 1:
        raise _RefusedError("The head of a part of the multipart body cannot be read")
    name = fields.get_param("name", header="content-disposition")
    if fields.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise _RefusedError("A part of the multipart body has no name")
    if fields.get_param("filename", header="content-disposition") is not None:
        raise _RefusedError("A file is sent where a value is expected")
    if fields.get("content-transfer-encoding", "binary").strip().lower() not in _IDENTITY:
        raise _RefusedError("A part of the multipart body is encoded")
    return name.encode(), value


def _read_json(body: bytes) -> dict[str, object]:
    form = read_object(body.strip(b" \t\r\n"))
    if form is None:
        raise _RefusedError("The body is not one JSON object with every key once")
    _check(form)
    return form


def _check(form: dict[str, Any]) -> None:
    """Raises where the object holds what a form could not."""
    left = MOST_FIELDS
    level: list[Any] = [form]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for container in level:
            left -= len(container)
            if left < 0:
                raise _RefusedError("The body has too many fields", 413)
            if isinstance(container, dict):
                for name in container:
                    _check_name(name)
                container = container.values()
            for value in container:
                if isinstance(value, dict | list):
                    below.append(value)
                elif isinstance(value, str) and "\0" in value:
                    raise _RefusedError("A value holds a NUL")
        level = below
    if level:
        raise _RefusedError("The body is nested too deep")


def _read_fields(pairs: list[tuple[bytes, bytes]]) -> dict[str, object]:
    form: dict[str, Any] = {}
    for raw_name, raw_value in pairs:
        try:
            name, value = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError:
            raise _RefusedError("The body is not UTF-8") from None
        if "\0" in value:
            raise _RefusedError("A value holds a NUL")
        _add(form, _path(name), value)
    return {name: _with_lists(value) for name, value in form.items()}


def _check_name(name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise _RefusedError("The name of a field is too long")
    if "\0" in name:
        raise _RefusedError("The name of a field holds a NUL")


def _path(name: str) -> list[str]:
    """The steps from the form to the field; an empty one, which is the last, goes into a list."""
    _check_name(name)
    match = _NAME.fullmatch(name)
    if match is None:
        raise _RefusedError("The name of a field is empty or has brackets that do not match")
    path = [match[1], *_STEP.findall(match[2])]
    if len(path) > DEEPEST:
        raise _RefusedError("The name of a field is nested too deep")
    if "" in path[:-1]:
        raise _RefusedError("The name of a field has empty brackets that are not its last")
    return path


def _add(form: dict[str, Any], path: list[str], value: str) -> None:
    into: Any = form
    for step, following in pairwise(path):
        into = into.setdefault(step, {} if following else [])
        if not isinstance(into, dict if following else list):
            raise _RefusedError("A field is given in two shapes")
    last = path[-1]
    if not last:
        into.append(value)
    elif last not in into:
        into[last] = value
    elif isinstance(into[last], str):
        raise _RefusedError("A field is given twice")
    else:
        raise _RefusedError("A field is given in two shapes")


def _with_lists(value: Any) -> Any:
    """`value` with a list for each mapping whose keys count from 0, as some clients write lists."""
    if not isinstance(value, dict):
        return value
    value = {name: _with_lists(each) for name, each in value.items()}
    if all(str(at) in value for at in range(len(value))):
        return [value[str(at)] for at in range(len(value))]
    return value
