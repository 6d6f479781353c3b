"""The lower tier for an ordinary user: attacks run again by one who has no rights on the machine.

The whole suite can be run by such a user; this shows a part of it where the caller is root.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.sandbox.bwrap_devices import can_mount

_USER = 61_234
"""An id nobody has: no other process or file is its own."""

_PART = {
    "test_escapes_files.py": (
        "test_no_way_leads_to_a_file_of_the_host",
        "test_a_write_through_a_link_stays_inside",
        "test_nothing_can_be_mounted_or_laid_bare",
        "test_the_machines_settings_are_closed",
        "test_the_machines_devices_keep_their_modes",
        "test_devices_cannot_be_made_and_pipes_hold_nobody_up",
    ),
    "test_escapes_processes.py": (
        "test_no_process_survives_its_call",
        "test_the_worker_can_be_neither_read_nor_written_nor_ended",
        "test_a_command_cannot_speak_for_the_worker",
        "test_no_program_gives_more_rights",
        "test_the_engine_and_what_listens_on_the_host_are_not_there",
    ),
    "test_escapes_network.py": ("test_nothing_is_reached_and_every_attempt_is_told",),
    "test_bwrap_worker.py": ("",),
}

# In a mount namespace of its own, so that what root's home holds is seen by who may not enter that.
_SHOWN = """
mount --bind "$1" python && mount --bind "$2" packages && mount --bind "$3" checkout || exit 99
user=$4; shift 4; cd checkout || exit 99
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder everybody can enter, with one of the user's own in it."""
    made = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    try:
        made.chmod(0o755)
        for name in ("python", "packages", "checkout", "own"):
            (made / name).mkdir()
        os.chown(made / "own", _USER, _USER)
        yield made
    finally:
        shutil.rmtree(made)


@pytest.mark.skipif(os.geteuid() != 0 or not can_mount(), reason="only root can become another user here")
def test_the_lower_tier_holds_for_a_user_without_rights(place: Path) -> None:
    done = _as_user(place, [f"{file}::{name}".removesuffix("::") for file, names in _PART.items() for name in names])
    said = done.stdout.decode()
    assert done.returncode == 0, said + done.stderr.decode()
    counted = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|deselected|error)", said)
    }
    # Without rights there may be no control group, whose two tests say so.
    assert counted["passed"] >= 12, said
    assert "failed" not in counted and "error" not in counted


def _as_user(place: Path, tests: list[str]) -> "subprocess.CompletedProcess[bytes]":
    checkout = Path(__file__).parents[2]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = str(place / "own")
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": own, "TMPDIR": own, "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{place}/checkout/src:{place}/packages",
    }  # fmt: skip
    pytest_words = ["-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "-k", "not docker", "--tb=short"]
    return subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _SHOWN, "sh"),
            *(sys.base_prefix, sysconfig.get_path("purelib"), str(checkout), str(_USER)),
            *(f"{place}/python/bin/{version}", *pytest_words, *(f"tests/sandbox/{test}" for test in tests)),
        ],
        cwd=place, env=env, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
