"""Which files are tests, by their names."""

import re

_FOLDER = re.compile(r"(^|/)(tests?|specs?|__tests__|e2e)/", re.IGNORECASE)
_NAME = re.compile(
    r"(^|/)("
    r"test_[^/]*\.[^/]+|[^/]*_(test|spec)\.[^/]+|[^/]*[.-](test|spec)\.[^/]+|conftest\.py|tests\.py|"
    r"[^/]*[A-Za-z0-9](Test|Tests|TestCase|Spec)\.(java|kt|kts|groovy|scala|cs|fs|vb|php|swift|m|mm)"
    r")\Z"
)
"""pytest, unittest and Django, Go, jest, vitest and mocha, RSpec and minitest; JUnit and the runners named after it."""


def is_test_file(path: str) -> bool:
    """Say whether a path is a test or what tests lean on, by the names test runners use."""
    return bool(_FOLDER.search(path) or _NAME.search(path))
