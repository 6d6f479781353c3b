"""The key that tells what andon of this user wrote from what somebody else put there; kept outside every repository."""

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from andon.line.trust import TrustFile
from andon.records.errors import UserError

_BYTES = 32


@dataclass(frozen=True)
class SealKey:
    """A key of this user, made when it is first needed.

    A process of the same user can read it: against that it is no protection.
    """

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str], root: Path) -> "SealKey":
        """Return the key of the person whose environment this is, for the repository at `root`.

        Raises:
            UserError: there is no home directory, or it lies inside the repository.
        """
        path = TrustFile.of(environment).path.with_name("approvals.key")
        if path.resolve().is_relative_to(root.resolve()):
            raise UserError(f"{path} lies inside the repository, which could read it: set XDG_CONFIG_HOME")
        return cls(path)

    def seal(self, data: bytes) -> str:
        """Return the seal of `data`: HMAC-SHA256 in hexadecimal digits.

        Raises:
            UserError: the key can be neither read nor made.
        """
        return hmac.new(self._read() or self._make(), data, "sha256").hexdigest()

    def fits(self, data: bytes, seal: str) -> bool:
        """Return whether `seal` was made of `data` with this key; without a key nothing fits.

        Raises:
            UserError: the key cannot be believed.
        """
        key = self._read()
        return key is not None and hmac.compare_digest(hmac.new(key, data, "sha256").hexdigest(), seal)

    def _read(self) -> bytes | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot("read", error) from error
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise UserError(f"{self.path} can be read by others: remove it; what was asked is then asked again")
            key = file.read(_BYTES + 1)
        if len(key) != _BYTES:
            raise UserError(f"{self.path} is damaged: remove it; what was asked is then asked again")
        return key

    def _make(self) -> bytes:
        """Put a new key there whole or not at all; who loses the race takes the winner's."""
        key, new = secrets.token_bytes(_BYTES), self.path.with_name(f".key-{secrets.token_hex(8)}")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(new, self.path)
            except FileExistsError:
                return self._read() or key
            finally:
                os.unlink(new)
        except OSError as error:
            raise self._cannot("write", error) from error
        return key

    def _cannot(self, what: str, error: OSError) -> UserError:
        return UserError(f"cannot {what} {self.path}: {error.strerror}; mend that and try again")
