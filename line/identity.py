"""Which repository it is, the same from every clone and machine."""

import re
import socket
from urllib.parse import unquote, urlsplit

from andon.sandbox.host_git import GitError, run_git
from andon.sandbox.repository import Repository

# Two colons begin the name of a program that git would run.
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>\[[^\]]+\]|[^:/@\[\]]{2,}):(?P<path>[^:].*)", re.DOTALL)
_REMOTE = ("ssh", "git+ssh", "ssh+git", "git", "https", "http")
_PORTS = {"https": 443, "http": 80}


def host_name() -> str:
    """Return the name of this machine, in lower case."""
    return socket.gethostname().lower()


def identity_of(repository: Repository) -> str:
    """Return `host/owner/name` of the remote `origin`; without one on another machine `HOST:PATH` of what is here.

    The way to the remote does not count: ssh and https give the same, with or without user, password, `.git`.
    An address with line breaks or other characters that do not print counts as none.
    """
    try:
        url = run_git(["config", "--get", "remote.origin.url"], cwd=repository.root, user_config=True)
    except GitError:
        url = b""
    text = url.decode("utf-8", "replace").strip()
    return identity_of_url(text) or f"{host_name()}:{_local(text) or repository.root.resolve()}"


def identity_of_url(url: str) -> str:
    """Return `host/owner/name` for the address of a repository on another machine; empty for any other.

    One that would not print is another: its lines could be taken for ours.
    """
    scheme, there, _ = url.partition("://")
    if not there:
        found = _SCP.fullmatch(url)
        return _joined(found["host"].strip("[]"), None, found["path"]) if found else ""
    if scheme.lower() not in _REMOTE:
        return ""
    try:
        parts = urlsplit(url)
        # Which port ssh answers on says nothing about the repository; two web servers of one host differ by theirs.
        port = parts.port if scheme.lower() in _PORTS and parts.port != _PORTS[scheme.lower()] else None
        return _joined(parts.hostname or "", port, unquote(parts.path))
    except ValueError:
        return ""


def _joined(host: str, port: int | None, path: str) -> str:
    name = path.strip("/").removesuffix(".git").rstrip("/")
    printed = f"{host.lower()}{f':{port}' if port else ''}/{name}"
    return printed if host and name and printed.isprintable() else ""


def _local(url: str) -> str:
    path = url.removeprefix("file://")
    return path.rstrip("/").removesuffix(".git").rstrip("/") if path.startswith("/") and path.isprintable() else ""
