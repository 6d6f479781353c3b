"""The host's git as a subprocess, with everything switched off that could run a program or read a person's settings."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from andon.records.errors import UserError

_ALWAYS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.askPass": "",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.writeCommitGraph": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "always",
    "uploadpack.allowAnySHA1InWant": "true",
    "commit.gpgSign": "false",
}
# Both default to files below $HOME that GIT_CONFIG_GLOBAL does not switch off.
_WITHOUT_USER = {"core.attributesFile": "/dev/null", "core.excludesFile": "/dev/null"}

_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
_ENVIRONMENT_WITHOUT_USER = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}


class GitError(RuntimeError):
    """git ended with an exit code other than 0; the text is what it wrote to stderr."""

    def __init__(self, args: Sequence[str], returncode: int, stderr: bytes) -> None:
        self.returncode = returncode
        self.stderr = stderr.decode("utf-8", "backslashreplace").strip()
        super().__init__(f"git {' '.join(args[:4])} ended with {returncode}: {self.stderr}")


def run_git(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    user_config: bool = False,
) -> bytes:
    """Run git to its end and return its stdout.

    Inherited GIT_* variables do not reach it, and neither does the configuration of user and system, unless
    `user_config` asks for it (for what must agree with what the person's own git says). Without `cwd` it runs in
    `git_dir`. The caller names a repository that no agent can write to: its own configuration is read.

    Raises:
        GitError: git ended with an exit code other than 0.
        UserError: git is not installed.
    """
    config = _ALWAYS if user_config else _ALWAYS | _WITHOUT_USER
    command = ["git", "--no-pager"]
    for name, value in config.items():
        command += ["-c", f"{name}={value}"]
    if git_dir is not None:
        command.append(f"--git-dir={git_dir}")
    try:
        done = subprocess.run(
            [*command, *args],
            cwd=cwd or git_dir,
            input=stdin,
            capture_output=True,
            env=_environment(user_config) | dict(env or {}),
            check=False,
        )
    except FileNotFoundError as error:
        if error.filename != "git":
            raise
        raise UserError("git is not installed: install it (Debian, Ubuntu: apt-get install git)") from error
    if done.returncode != 0:
        raise GitError(args, done.returncode, done.stderr)
    return done.stdout


def _environment(user_config: bool) -> dict[str, str]:
    # GIT_CONFIG_* is how CI systems hand over safe.directory; it is part of the user's configuration.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or (user_config and name.startswith("GIT_CONFIG"))
    }
    return kept | _ENVIRONMENT | ({} if user_config else _ENVIRONMENT_WITHOUT_USER)
