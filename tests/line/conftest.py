from pathlib import Path

import pytest
from lane_kit import FILES, make_repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """The small repository of lane_kit, committed."""
    return make_repository(tmp_path / "repo", FILES)
