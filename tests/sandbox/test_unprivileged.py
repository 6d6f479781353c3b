"""The lower tier for an ordinary user: attacks that escape nowhere, run again by one who has no rights on the machine.

The whole suite runs as such a user where its caller is one; this shows a part of it also where the caller is root.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import andon

_USER = 61_234
"""An id nobody has: neither its processes nor its files are anybody else's."""

_PART = (
    "test_escapes_files.py::test_a_link_that_leaves_the_workspace_is_followed_only_inside",
    "test_escapes_processes.py::test_no_process_survives_its_call",
    "test_escapes_processes.py::test_the_worker_can_be_neither_read_nor_written_nor_ended",
    "test_escapes_processes.py::test_no_program_gives_more_rights",
    "test_escapes_network.py",
)


