"""The effect gate where no worker is inside: the same promises over programs of the system."""

import pytest
from effect_kit import FILES, Ground, Open
from effect_kit import ground as ground
from effect_kit import open_ground as open_ground
from effect_kit import tier as tier

from andon.mcp_servers.effect_gate import Settled

CI = ".github/workflows/ci.yml"


@pytest.fixture
def plain() -> bool:
    """What is done without a worker."""
    return True


async def test_what_may_stand_stands_and_what_may_not_is_put_back(open_ground: Open) -> None:
    ground = await open_ground(files=["src/app.py"])
    before = await ground.seen()
    settled = await ground.after(
        f"echo evil > {CI}; echo 'VALUE = 2' > src/app.py; rm -r src/auth; ln -s /etc src/auth; mkdir -p lib/x/.git;"
        "echo x > lib/x/.git/config; mkfifo src/p; chmod +x src/other.py; rm lib/data.bin; mkdir lib/data.bin;"
        "echo x > lib/data.bin/x; chmod 500 lib lib/data.bin"
    )
    found = {effect.path: f"{effect.verdict} {effect.rule}" for effect in settled.undone}
    assert found | {each.path: f"hold {each.rule}" for each in settled.held} == {
        CI: "hold review-control",
        "lib/data.bin": "undo outside-plan",
        "lib/data.bin/x": "undo outside-plan",
        "lib/x/.git/config": "undo git-folder",
        "src/auth": "undo link",
        "src/auth/login.py": "hold protected-area",
        "src/other.py": "undo outside-plan",
        "src/p": "undo special-file",
    }
    seen = await ground.seen()
    assert settled.changed == ("src/app.py",)
    assert (seen | {"src/app.py": before["src/app.py"]}, seen["src/app.py"] != before["src/app.py"]) == (before, True)


async def test_what_changed_nothing_is_free(ground: Ground) -> None:
    assert await ground.after("touch src/app.py; git status -s") == Settled()


async def test_what_was_held_is_applied_later(ground: Ground) -> None:
    settled = await ground.after(f"echo good > {CI}; ln -sf app.py src/auth/login.py")
    assert await ground.gate.apply(settled.held) == ""
    assert await ground.lies(f"cat {CI}; readlink src/auth/login.py") == "good\napp.py\n"
    assert await ground.lies("cat run.sh") == FILES["run.sh"]
