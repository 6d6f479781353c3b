"""Session cookies: a name and a signature over it."""

import hashlib
import hmac


def sign(user: str, key: str) -> str:
    """Return the session cookie of `user`."""
    return f"{user}.{_signature(user, key)}"


def user_of(cookie: str, key: str) -> str | None:
    """Return who a session cookie was made for, or None if it was not made with `key`."""
    user, _, signature = cookie.rpartition(".")
    if not user or not hmac.compare_digest(signature.encode(), _signature(user, key).encode()):
        return None
    return user


def _signature(user: str, key: str) -> str:
    return hmac.new(key.encode(), user.encode(), hashlib.sha256).hexdigest()
