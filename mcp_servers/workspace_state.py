"""How a workspace stands, as one value that an approval can be bound to."""

from collections.abc import Iterable
from hashlib import sha256

from andon.sandbox.droppings import is_dropping
from andon.sandbox.protocol import Entry


def state_of(entries: Iterable[Entry]) -> str:
    """Return a SHA-256 over path, mode and content of everything but what tools leave beside the work.

    Ignored files count: a command that was allowed may run one.
    """
    digest = sha256()
    for entry in entries:
        if not is_dropping(entry.path):
            digest.update(b"%s\0%s\0%s\0" % (entry.path, entry.mode.encode(), entry.id().encode()))
    return digest.hexdigest()
