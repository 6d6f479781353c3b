"""What a lane of the queue may be called."""

import re

DEFAULT_LANE = "default"
"""The lane of runs that name none."""
LANE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Matched by the whole name of every lane."""
