"""The types of the fixtures that make checks of the doctor; see tests/line/doctor/conftest.py."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from andon.records.doctor import CheckResult

Find = Callable[..., Awaitable[dict[str, CheckResult]]]
Answers = Mapping[str, tuple[int, dict[str, str], Any]]
"""Status, headers and document of an answer, by path."""
Serve = Callable[[Answers], AbstractContextManager[tuple[str, list[tuple[str, dict[str, str]]]]]]
"""Yields the address, and path and headers of every request as it comes."""
