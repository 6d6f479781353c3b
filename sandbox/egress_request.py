"""The head of one request to the egress proxy, read strictly: what two readers could take differently is refused."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from andon.sandbox.egress_rules import normal_host

HEAD_CAP = 16_384
"""Bytes of a request line and its headers."""

_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]{1,8000}) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@/?#]+):([0-9]{1,5})")
_HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length", b"expect",
})  # fmt: skip


class BadRequest(Exception):
    """A head that is not passed on; the text is the reason."""

    def __init__(self, reason: str, status: int = 400, host: str = "", port: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.host = host
        self.port = port


@dataclass(frozen=True)
class EgressRequest:
    """A request that was understood whole."""

    tunnel: bool
    """True for CONNECT."""
    host: str
    """As `normal_host` returns it."""
    port: int
    """TCP port."""
    forwarded: bytes = b""
    """What the server is sent in place of the head, where it is no tunnel."""


def parse_head(head: bytes) -> EgressRequest:
    """Return the request of a head that ends with an empty line.

    A tunnel, or a GET or HEAD of an absolute http address; neither may announce a body.

    Raises:
        BadRequest: anything else.
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    first = _LINE.fullmatch(lines[0])
    if first is None:
        raise BadRequest("the request line is malformed")
    method, target = first[1].decode(), first[2].decode()
    headers = [_header(line) for line in lines[1:]]
    _refuse_body(headers)
    host, port, path = _authority(target) if method == "CONNECT" else _address(method, target)
    named = [value for name, value in headers if name.lower() == b"host"]
    if len(named) > 1 or (named and not _names(named[0], host, port)):
        raise BadRequest("the Host header names another server than the request line", host=host, port=port)
    if method == "CONNECT":
        return EgressRequest(True, host, port)
    return EgressRequest(False, host, port, _forwarded(method, path, host, port, headers))


def _header(line: bytes) -> tuple[bytes, bytes]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise BadRequest("a header is malformed or folded")
    return match[1], match[2]


def _refuse_body(headers: list[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if name.lower() == b"transfer-encoding" or (name.lower() == b"content-length" and value != b"0"):
            raise BadRequest("a request with a body is not passed on", 403)


def _authority(target: str) -> tuple[str, int, str]:
    match = _AUTHORITY.fullmatch(target)
    host = normal_host(match[1]) if match else None
    if match is None or host is None or not 0 < int(match[2]) < 65536:
        raise BadRequest("CONNECT names no HOST:PORT")
    return host, int(match[2]), ""


def _address(method: str, target: str) -> tuple[str, int, str]:
    if method not in ("GET", "HEAD"):
        raise BadRequest(f"{method} is not passed on: the set-up phase only reads", 403)
    try:
        parts = urlsplit(target)
        host, port = normal_host(parts.netloc.rpartition(":")[0] if _has_port(parts.netloc) else parts.netloc), 80
        port = parts.port or 80
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or host is None or "@" in parts.netloc or "#" in target or "\\" in target:
        raise BadRequest("only absolute http:// addresses without user and fragment are passed on")
    path = parts.path or "/"
    return host, port, f"{path}?{parts.query}" if parts.query else path


def _has_port(netloc: str) -> bool:
    return re.search(r":[0-9]*\Z", netloc) is not None and not netloc.endswith("]")


def _names(value: bytes, host: str, port: int) -> bool:
    text = value.decode("latin-1")
    name = text.rpartition(":")[0] if _has_port(text) else text
    said = text.rpartition(":")[2] if _has_port(text) else ""
    return normal_host(name) == host and said in ("", str(port))


def _forwarded(method: str, path: str, host: str, port: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    # What `Connection` lists is for this connection alone.
    listed = {
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    }
    kept = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP | listed]
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == 80 else f"{shown}:{port}"
    lines = [f"{method} {path} HTTP/1.1".encode(), f"Host: {authority}".encode(), b"Connection: close"]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in kept), b"", b""])
