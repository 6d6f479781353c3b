"""Questions that wait for a person, one sealed file each in `factory/.state/approvals/`."""

import fcntl
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from andon.line.ide.waiting import APPROVALS
from andon.line.seal_key import SealKey
from andon.records.approvals import Approval, ApprovalAnswer, Channel
from andon.records.base import Record
from andon.records.errors import UserError

_ID = re.compile(r"[0-9a-f]{8}")
_LARGEST = 4_000_000
_REASON = 1000


class SealedApproval(Record):
    """What a file holds."""

    approval: Approval
    """The question, and its answer once there is one."""
    seal: str
    """HMAC-SHA256 of the approval's canonical JSON under the key of this user."""


@dataclass(frozen=True)
class ApprovalStore:
    """The approvals of one repository. What does not carry this user's seal counts for nothing."""

    root: Path
    """The repository's work tree."""
    key: Callable[[], SealKey]
    """Where the key is found, looked up when it is needed."""
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str], clock: Callable[[], float] = time.time) -> "ApprovalStore":
        """Return the store of the repository at `root` for the person whose environment this is. Nothing is made."""
        return cls(root, lambda: SealKey.of(environment, root), clock)

    def ask(self, approval: Approval) -> None:
        """Store a question.

        Raises:
            UserError: it cannot be written.
        """
        with self._locked(make=True):
            self._write(approval)

    def get(self, approval_id: str) -> Approval:
        """Return one, answered or not.

        Raises:
            UserError: there is none of that id, or what lies there carries no seal of this user.
        """
        if not _ID.fullmatch(approval_id):
            raise UserError(f"{approval_id!r} is no id of an approval; `andon approve` lists what waits")
        self._refuse_links()
        content = _content(self._path(approval_id))
        if content is None:
            raise UserError(f"nothing {approval_id} waits here; `andon approve` lists what waits")
        try:
            sealed = SealedApproval.model_validate_json(content, strict=True)
        except ValidationError as error:
            raise self._foreign(approval_id) from error
        if sealed.approval.id != approval_id or not self.key().fits(_canonical(sealed.approval), sealed.seal):
            raise self._foreign(approval_id)
        return sealed.approval

    def waiting(self) -> tuple[tuple[Approval, ...], tuple[str, ...]]:
        """Return what can still be answered, oldest first, and what is wrong with the others that lie there."""
        found, problems = [], []
        self._refuse_links()
        for path in sorted((self.root / APPROVALS).glob("????????.json")):
            try:
                approval = self.get(path.stem)
            except UserError as error:
                problems.append(str(error))
                continue
            if approval.answer is None and not self._expired(approval):
                found.append(approval)
        return tuple(sorted(found, key=lambda one: (one.asked_at, one.id))), tuple(problems)

    def answer(
        self, approval_id: str, answer: ApprovalAnswer, *, reason: str = "", channel: Channel = "terminal"
    ) -> Approval:
        """Note the answer to a question and return both.

        Raises:
            UserError: it is not there, expired, answered already, or cannot be believed.
        """
        with self._locked():
            asked = self.get(approval_id)
            if asked.answer is not None:
                raise UserError(f"{approval_id} was answered already: {asked.answer}")
            if self._expired(asked):
                raise UserError(f"{approval_id} has expired: it is asked again when the same call is made again")
            now = int(self.clock())
            said = {"answer": answer, "reason": reason[:_REASON], "channel": channel, "answered_at": now}
            answered = asked.model_copy(update=said)
            self._write(answered)
            return answered

    def take(self, approval_id: str) -> Approval | None:
        """Return an answer that was not taken before, and note that it is taken now; None while there is none.

        Raises:
            UserError: it is not there or cannot be believed.
        """
        if self.get(approval_id).answer is None:
            return None
        with self._locked():
            answered = self.get(approval_id)
            if answered.answer is None or answered.used or self._expired(answered):
                return None
            self._write(answered.model_copy(update={"used": True}))
            return answered

    def drop(self, approval_id: str) -> None:
        """Let a question expire now, answered or not.

        Raises:
            UserError: it is not there or cannot be believed.
        """
        with self._locked():
            self._write(self.get(approval_id).model_copy(update={"expires_at": int(self.clock())}))

    def withdraw(self, run_id: str) -> tuple[Approval, ...]:
        """Let every question of a run that nobody answered expire, and return them: the run is over."""
        if not (self.root / APPROVALS).is_dir():
            return ()
        with self._locked():
            mine = tuple(one for one in self.waiting()[0] if one.run_id == run_id)
            for one in mine:
                self._write(one.model_copy(update={"expires_at": int(self.clock())}))
            return mine

    def _expired(self, approval: Approval) -> bool:
        return self.clock() >= approval.expires_at

    def _path(self, approval_id: str) -> Path:
        return self.root / APPROVALS / f"{approval_id}.json"

    @contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[None]:
        """Keep other processes from answering and taking meanwhile."""
        self._refuse_links()
        folder = self.root / APPROVALS
        try:
            if make:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise UserError("nothing waits here") from error
        except OSError as error:
            raise _cannot(folder, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, approval: Approval) -> None:
        path = self._path(approval.id)
        new = path.with_name(f".{approval.id}.{secrets.token_hex(4)}.new")
        sealed = SealedApproval(approval=approval, seal=self.key().seal(_canonical(approval)))
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(sealed.model_dump_json(indent=2).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(new)
            raise _cannot(path, error) from error

    def _refuse_links(self) -> None:
        for name in ("factory", "factory/.state", APPROVALS):
            if (self.root / name).is_symlink():
                raise UserError(f"{name} is a symbolic link; andon keeps approvals only inside the repository")

    def _foreign(self, approval_id: str) -> UserError:
        return UserError(
            f"{APPROVALS}/{approval_id}.json was changed or not written by your andon: it counts for nothing; "
            "remove it, and make the call again"
        )


def _canonical(approval: Approval) -> bytes:
    return json.dumps(approval.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


def _content(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot(path, error) from error
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(_LARGEST)


def _cannot(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot keep approvals at {path}: {error.strerror}; mend that and try again")
