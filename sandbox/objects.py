"""Git's names for content."""

import hashlib


def blob_id(content: bytes) -> str:
    """Return the sha1 name git gives `content` as a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
