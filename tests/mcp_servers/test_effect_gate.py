"""What a call left behind stands, is undone or is held, by whatever route it came."""

import os

import pytest
from effect_kit import FILES, Ground, Open
from effect_kit import ground as ground
from effect_kit import open_ground as open_ground
from effect_kit import plain as plain
from effect_kit import tier as tier

from andon.guardrails.effects import Effect
from andon.mcp_servers.effect_gate import Settled
from andon.mcp_servers.settled import FileChange
from andon.records.calls import ToolCall
from andon.records.errors import RunError
from andon.records.stops import StopCode
from andon.sandbox.bwrap_options import MEMORY_SIZES
from andon.sandbox.docker_options import INODES
from andon.sandbox.objects import blob_id

CI = ".github/workflows/ci.yml"
EVIL = b"on: push\nevil\n"
# Apart, so that scanners find no key in this file.
TOKEN = "ghp_" + "x7Kq2mVbN4tRw9ZsLc3JhFd8YpGa5TeQu1Xo"


def rules(settled: Settled) -> dict[str, str]:
    """Path to what became of it."""
    found = {effect.path: f"{effect.verdict} {effect.rule}" for effect in settled.undone}
    return found | {each.path: f"hold {each.rule}" for each in settled.held}


async def test_an_ordinary_change_stands_and_costs_no_word(ground: Ground) -> None:
    settled = await ground.after("echo 'VALUE = 2' > src/app.py; rm src/other.py; mkdir new; echo x > new/x.py")
    assert settled == Settled(
        changed=("new/x.py", "src/app.py", "src/other.py"),
        files=(
            FileChange("new/x.py", "added", "@@ -0,0 +1 @@\n+x"),
            FileChange("src/app.py", "changed", "@@ -1 +1 @@\n-VALUE = 1\n+VALUE = 2"),
            FileChange("src/other.py", "removed", "@@ -1 +0,0 @@\n-OTHER = 1"),
        ),
    )


async def test_what_is_no_part_of_a_change_is_not_told_as_one(ground: Ground) -> None:
    settled = await ground.after("mkdir -p __pycache__; echo x > __pycache__/a.pyc; echo x > .env")
    assert settled.files == ()


async def test_a_call_that_left_nothing_is_free(ground: Ground) -> None:
    assert await ground.after("cat src/app.py > /tmp/copy") == Settled()


async def test_what_was_changed_and_changed_back_in_one_call_is_no_effect(ground: Ground) -> None:
    back = f"cp {CI} /tmp/ci; echo evil > {CI}; rm -r .github; mkdir -p .github/workflows; cp /tmp/ci {CI}"
    assert await ground.after(back) == Settled()


async def test_a_protected_change_is_undone_and_held_and_everything_else_stands(ground: Ground) -> None:
    settled = await ground.after(f"echo evil >> {CI}; echo 'VALUE = 2' > src/app.py")
    held = settled.held[0]
    assert (settled.changed, settled.undone, len(settled.held)) == (("src/app.py",), (), 1)
    assert (held.path, held.rule, held.entry) == (CI, "review-control", f"100644 {blob_id(EVIL)}")
    assert (held.before and held.before.content, held.after and held.after.content) == (b"on: push\n", EVIL)
    assert settled.text.startswith(f"held for a person (review-control): {CI}: ")
    assert settled.text.endswith("; it is undone until a person allows it")
    assert (await ground.read(CI), await ground.read("src/app.py")) == ("on: push\n", "VALUE = 2\n")


async def test_what_nobody_may_change_is_undone_for_good(ground: Ground) -> None:
    before = await ground.seen()
    settled = await ground.after(
        "mkdir -p sub/.git locked bare/objects bare/refs; echo x > sub/.git/config; echo x > locked/x; echo K=1 > .env;"
        "echo x > bare/head; echo x > bare/objects/o; echo x > bare/refs/r; mkdir -p src/.GIT; echo x > src/.GIT/HEAD"
    )
    assert rules(settled) == {
        ".env": "undo secret-file",
        "bare/head": "undo git-folder",
        "bare/objects/o": "undo git-folder",
        "bare/refs/r": "undo git-folder",
        "locked/x": "undo locked",
        "src/.GIT/HEAD": "undo git-folder",
        "sub/.git/config": "undo git-folder",
    }
    assert await ground.seen() == before
    assert await ground.lies("ls -d bare locked sub src/.GIT 2>/dev/null") == ""


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("mv src/auth w; ln -s ../w src/auth; echo > src/auth/login.py", "hold protected-area", id="link"),
        pytest.param("ln src/auth/login.py hard; echo z > hard", "hold protected-area", id="hard link"),
        pytest.param("mv src/app.py src/auth/login.py", "hold protected-area", id="rename over it"),
        pytest.param("mv src/auth/login.py src/moved.py", "hold protected-area", id="rename away"),
        pytest.param("chmod +x src/auth/login.py", "hold protected-area", id="chmod alone"),
        pytest.param(
            "cd src/auth; rm login.py; mkdir login.py; echo > login.py/x", "hold protected-area", id="file to folder"
        ),
        pytest.param("rm -r src/auth; echo x > src/auth", "hold protected-area", id="folder to file"),
        pytest.param("rm -r src/auth", "hold protected-area", id="folder deleted"),
        pytest.param("rm -r src", "hold protected-area", id="folder above it deleted"),
        pytest.param("git rm -q src/auth/login.py", "hold protected-area", id="by git"),
        pytest.param("sed -i s/2/3/ src/auth/login.py", "hold protected-area", id="by a new inode"),
        pytest.param("mkfifo p; rm src/auth/login.py; mv p src/auth/login.py", "undo special-file", id="fifo"),
        pytest.param("ln -sf /etc/passwd src/auth/login.py", "undo link", id="link that leads out"),
        pytest.param(
            "python3 -c \"import mmap; f = open('src/auth/login.py', 'r+b'); mmap.mmap(f.fileno(), 0)[0:1] = b'q'\"",
            "hold protected-area",
            id="shared memory",
        ),
    ],
)  # fmt: skip
async def test_a_protected_file_is_put_back_by_whatever_route_it_was_changed(
    ground: Ground, script: str, expected: str
) -> None:
    settled = await ground.after(script)
    assert rules(settled)["src/auth/login.py"] == expected
    seen = await ground.seen()
    assert seen["src/auth/login.py"] == ("100644", blob_id(b"y = 2\n"))
    assert await ground.lies("stat -c %F src src/auth src/auth/login.py; stat -c %h src/auth/login.py") == (
        "directory\ndirectory\nregular file\n1\n"
    )


async def test_a_write_through_a_link_lands_where_it_ends_and_is_undone_there(ground: Ground) -> None:
    settled = await ground.after("ln -s ../.github/workflows src/w; echo evil > src/w/ci.yml; echo new > src/w/new.yml")
    assert rules(settled) == {CI: "hold review-control", ".github/workflows/new.yml": "hold review-control"}
    assert settled.changed == ("src/w",)
    assert await ground.lies("cat src/w/*") == "on: push\n"


async def test_names_that_only_look_different_are_the_same_name(ground: Ground) -> None:
    before = await ground.seen()
    settled = await ground.after(
        "mkdir -p .GitHub/workflows Factory; echo x > .GitHub/workflows/x.yml; echo x > Factory/policy.toml;"
        "printf x > \"$(printf 'src/in\\342\\200\\213visible.py')\"; printf x > \"$(printf 'src/caf\\351')\";"
        "printf x > \"$(printf 'src/ctrl\\033[2J')\"; echo x > 'src/naïve ünd [1].py'"
    )
    assert rules(settled) == {
        ".GitHub/workflows/x.yml": "hold review-control",
        "Factory/policy.toml": "undo factory-folder",
        "src/caf\\xe9": "undo name",
        "src/ctrl": "undo name",
        "src/in<U+200B>visible.py": "undo name",
    }
    assert settled.changed == ("src/naïve ünd [1].py",)
    assert (await ground.seen()).keys() == before.keys() | {"src/naïve ünd [1].py"}


async def test_what_tests_make_is_judged_like_everything_else(ground: Ground) -> None:
    script = "import pathlib; pathlib.Path('conftest.py').write_text('x'); pathlib.Path('made.txt').write_text('x')"
    done = await ground.sandbox.run(["python3", "-c", script])
    assert done.exit_code == 0
    settled = await ground.gate.settle(ToolCall(tool="run_tests", arguments={}, role="executor"))
    assert (settled.changed, rules(settled)) == (("made.txt",), {"conftest.py": "hold test-configuration"})


async def test_droppings_and_ignored_files_are_free_but_for_what_nobody_may_make(ground: Ground) -> None:
    settled = await ground.after(
        "mkdir -p .pytest_cache build/x .venv/bin build/sub/.git node_modules/.bin; mkfifo .pytest_cache/p;"
        "echo x > app.log; echo x > build/x/conftest.py; ln -s /usr/bin/python3 .venv/bin/python; echo x > build/.env;"
        "echo x > build/sub/.git/config; ln -s /etc node_modules/.bin/x"
    )
    assert rules(settled) == {"build/sub/.git/config": "undo git-folder"}
    assert (await ground.lies("cat app.log build/x/conftest.py build/.env; ls build")) == "x\nx\nx\nx\n"


async def test_the_bases_ignore_rules_hold_and_not_those_of_the_workspace(open_ground: Open) -> None:
    ground = await open_ground(files=["src/app.py", ".gitignore"])
    settled = await ground.after("echo '*' >> .gitignore; echo x > lib/far.py; echo x > app.log")
    assert (settled.changed, rules(settled)) == ((".gitignore", "app.log"), {"lib/far.py": "undo outside-plan"})


async def test_outside_the_plan_is_undone_until_it_is_amended(open_ground: Open) -> None:
    ground = await open_ground(files=["src/app.py"])
    script = "echo 'VALUE = 2' > src/app.py; echo 'OTHER = 2' > src/other.py; echo x > src/beside.py; rm run.sh"
    settled = await ground.after(script)
    assert settled.undone == (
        Effect("run.sh", "undo", "outside-plan", "it is not in the plan; call amend_plan first"),
        Effect("src/other.py", "undo", "outside-plan", "it is not in the plan; call amend_plan first"),
    )
    assert settled.text == (
        "undone (outside-plan): run.sh: it is not in the plan; call amend_plan first\n"
        "undone (outside-plan): src/other.py: it is not in the plan; call amend_plan first"
    )
    assert settled.changed == ("src/app.py", "src/beside.py")
    assert ground.gate.scope is not None
    ground.gate.scope.grant(["src/other.py"])
    again = await ground.after("echo 'OTHER = 2' > src/other.py")
    assert (again.changed, again.undone) == (("src/other.py",), ())


async def test_a_thousand_files_outside_the_plan_are_undone_and_told_in_a_few_lines(open_ground: Open) -> None:
    ground = await open_ground(files=["src/app.py"])
    before = await ground.seen()
    settled = await ground.after("mkdir many; for n in $(seq 1000); do echo $n > many/$n; done")
    assert (len(settled.undone), settled.changed, await ground.seen()) == (1000, (), before)
    lines = settled.text.splitlines()
    assert (len(lines), lines[-1]) == (21, "… and 980 more were undone: 980 by outside-plan")


async def test_a_credential_is_undone_and_its_value_is_not_told(ground: Ground) -> None:
    settled = await ground.after(f"printf 'a = 1\\ntoken = \"{TOKEN}\"\\n' > src/app.py; echo {TOKEN} > src/new.txt")
    assert rules(settled) == {"src/app.py": "undo credential", "src/new.txt": "undo credential"}
    assert ("(line 2)" in settled.text, TOKEN in settled.text) == (True, False)
    assert await ground.read("src/app.py") == "VALUE = 1\n"


async def test_a_credential_the_base_holds_may_be_moved(open_ground: Open) -> None:
    held = f"token = '{TOKEN}'\n"
    ground = await open_ground({**FILES, "src/old.py": held})
    settled = await ground.after("mv src/old.py src/new.py; echo x=1 >> src/new.py")
    assert (settled.changed, settled.undone, settled.held) == (("src/new.py", "src/old.py"), (), ())
    assert [(one.path, TOKEN in one.diff) for one in settled.files] == [("src/new.py", False), ("src/old.py", False)]


async def test_a_weakened_test_is_held_and_a_new_one_is_free(ground: Ground) -> None:
    added = await ground.after("printf 'def test_new():\\n    assert 3 == 3\\n' > tests/test_new.py")
    assert (added.changed, rules(added)) == (("tests/test_new.py",), {})
    gone = await ground.after("rm tests/test_new.py")
    assert (gone.changed, rules(gone)) == (("tests/test_new.py",), {})
    settled = await ground.after("sed -i '/test_more/,$d' tests/test_app.py; echo x > src/new.py")
    assert (settled.changed, rules(settled)) == (("src/new.py",), {"tests/test_app.py": "hold tests"})
    assert "test_more" in settled.text
    assert await ground.read("tests/test_app.py") == FILES["tests/test_app.py"]


async def test_a_weakened_test_that_a_person_allowed_is_not_held_again(ground: Ground) -> None:
    weaken = "sed -i '/test_more/,$d' tests/test_app.py"
    assert rules(await ground.after(weaken, "tests")) == {}
    again = await ground.after("printf 'def test_new():\\n    assert 3 == 3\\n' >> tests/test_app.py")
    assert (again.changed, rules(again)) == (("tests/test_app.py",), {})


async def test_losing_much_of_the_base_at_once_needs_a_person(open_ground: Open) -> None:
    many: dict[str, str | bytes] = {f"src/m{number}.py": f"x = {number}\n" for number in range(12)}
    ground = await open_ground({**FILES, **many})
    moved = await ground.after("mkdir lib2; mv src/m*.py lib2; mv lib2/* src")
    assert moved == Settled()
    renamed = await ground.after("mkdir src/deep; mv src/m*.py src/deep")
    assert (len(renamed.changed), rules(renamed)) == (24, {})
    back = await ground.after("mv src/deep/* src")
    assert rules(back) == {}
    settled = await ground.after("rm src/m*.py")
    assert rules(settled) == dict.fromkeys(sorted(many), "hold delete")
    assert (await ground.after("rm src/m1.py src/m2.py")).changed == ("src/m1.py", "src/m2.py")


async def test_planner_and_reviewer_change_nothing(ground: Ground) -> None:
    settled = await ground.after("echo 2 > src/app.py; mkdir .pytest_cache; echo x > .pytest_cache/x", role="reviewer")
    assert rules(settled) == {"src/app.py": "undo role"}
    assert await ground.read("src/app.py") == "VALUE = 1\n"


async def test_git_can_take_back_what_was_done_and_not_bring_what_is_closed(ground: Ground) -> None:
    await ground.after("echo 'VALUE = 2' > src/app.py; echo n > src/new.py")
    stashed = await ground.after("git stash -q -u >/dev/null")
    assert (stashed.changed, rules(stashed)) == (("src/app.py", "src/new.py"), {})
    popped = await ground.after("git stash pop -q >/dev/null")
    assert (popped.changed, rules(popped)) == (("src/app.py", "src/new.py"), {})
    back = await ground.after("git checkout -q -- src/app.py")
    assert (back.changed, rules(back)) == (("src/app.py",), {})
    script = (
        f"git checkout -q -b other; echo evil > {CI}; git commit -qam x; git checkout -q main; git checkout -q other"
    )
    assert rules(await ground.after(script)) == {CI: "hold review-control"}
    assert await ground.read(CI) == "on: push\n"


async def test_a_binary_file_is_put_back_byte_for_byte(open_ground: Open) -> None:
    ground = await open_ground(files=["src"])
    settled = await ground.after("head -c 100000 /dev/urandom > lib/data.bin")
    assert rules(settled) == {"lib/data.bin": "undo outside-plan"}
    assert await ground.sandbox.read("lib/data.bin", limit=1000) == FILES["lib/data.bin"]


async def test_a_file_too_large_to_be_carried_is_undone_unless_it_is_ignored(ground: Ground) -> None:
    settled = await ground.after(
        "head -c 60000000 /dev/zero > large; mkdir build; cp large build/large; cp large run.sh"
    )
    assert rules(settled) == {"large": "undo oversized", "run.sh": "undo oversized"}
    assert await ground.lies("ls large 2>/dev/null; wc -c < build/large; cat run.sh") == "60000000\n#!/bin/sh\n"


async def test_a_rule_that_a_person_allowed_lets_its_effects_stand_and_no_others(open_ground: Open) -> None:
    ground = await open_ground(files=["src/app.py"])
    settled = await ground.after(
        f"echo more >> {CI}; echo x > conftest.py; echo x > README.md; echo x > sitecustomize.py", "review-control"
    )
    assert settled.changed == (CI,)
    assert rules(settled) == {
        "README.md": "undo outside-plan",
        "conftest.py": "hold test-configuration",
        "sitecustomize.py": "hold interpreter-startup",
    }


async def test_exactly_what_a_person_accepted_stands(ground: Ground) -> None:
    ground.accepted.add((CI, f"100644 {blob_id(b'good' + bytes([10]))}"))
    assert (await ground.after(f"echo good > {CI}")).changed == (CI,)
    assert rules(await ground.after(f"echo worse > {CI}")) == {CI: "hold review-control"}
    assert await ground.read(CI) == "good\n"


async def test_two_rules_on_one_path_both_have_to_be_allowed(open_ground: Open) -> None:
    ground = await open_ground({**FILES, "src/auth/conftest.py": "x = 1\n"})
    script = "echo 'x = 2' > src/auth/conftest.py"
    assert rules(await ground.after(script, "protected-area")) == {"src/auth/conftest.py": "hold test-configuration"}
    assert rules(await ground.after(script, "test-configuration")) == {"src/auth/conftest.py": "hold protected-area"}
    assert rules(await ground.after(script, "protected-area", "test-configuration")) == {}


async def test_what_people_allowed_is_remembered_by_its_content(ground: Ground) -> None:
    await ground.after("echo good > conftest.py", "test-configuration")
    weaken = "sed -i '/test_more/,$d' tests/test_app.py"
    await ground.after(weaken, "tests")
    await ground.after("printf 'def test_new():\\n    assert 3 == 3\\n' >> tests/test_app.py; echo x > src/new.py")
    entries = {path: f"{mode} {blob}" for path, (mode, blob) in (await ground.seen()).items()}
    allowed = {path: ground.gate.allowed(path, entry) for path, entry in entries.items()}
    assert [path for path, said in allowed.items() if said] == ["conftest.py", "tests/test_app.py"]
    assert not ground.gate.allowed("conftest.py", entries["src/new.py"])
    stashed = await ground.after("git stash -q -u >/dev/null; git stash pop -q >/dev/null; rm conftest.py")
    assert rules(stashed) == {}
    assert (await ground.after("echo good > conftest.py")).changed == ("conftest.py",)
    assert rules(await ground.after("echo worse > conftest.py")) == {"conftest.py": "hold test-configuration"}


async def test_what_was_held_is_applied_later_whole(ground: Ground) -> None:
    settled = await ground.after(f"echo good > {CI}; rm src/auth/login.py; mkdir src/auth/login.py; chmod +x {CI}")
    before = ground.gate.state
    assert (await ground.gate.apply(settled.held), ground.gate.state == before) == ("", False)
    assert (
        await ground.lies(f"cat {CI}; test -x {CI} && ls src/auth 2>&1")
        == "good\nls: cannot access 'src/auth': No such file or directory\n"
    )
    assert await ground.gate.apply(settled.held) == ""
    assert await ground.after("true") == Settled()


async def test_what_was_held_is_not_applied_over_something_else(ground: Ground) -> None:
    settled = await ground.after(f"echo good > {CI}; mkdir .vscode; echo x > .vscode/tasks.json")
    await ground.after(f"echo other > {CI}", "review-control")
    assert await ground.gate.apply(settled.held) == f"{CI} has changed since; make the change again"
    assert await ground.lies(f"cat {CI}; ls .vscode 2>/dev/null") == "other\n"


async def test_what_was_held_is_not_applied_into_a_folder_that_is_a_link_now(ground: Ground) -> None:
    settled = await ground.after("mkdir .vscode; echo x > .vscode/tasks.json")
    await ground.after("ln -s src .vscode", "editor-startup")
    assert await ground.gate.apply(settled.held) == (
        ".vscode lies in the way of .vscode/tasks.json; make the change again"
    )
    assert await ground.lies("ls src") == "app.py\nauth\nother.py\n"


async def test_the_state_tells_what_differs_from_the_base_and_nothing_else(ground: Ground) -> None:
    clean = ground.gate.state
    await ground.after("mkdir .pytest_cache build; echo x > .pytest_cache/x; echo x > build/x; touch src/app.py")
    assert ground.gate.state == clean
    await ground.after("echo 'VALUE = 2' > src/app.py")
    changed = ground.gate.state
    await ground.after("chmod +x src/app.py")
    modes = ground.gate.state
    await ground.after("rm src/app.py")
    assert len({clean, changed, modes, ground.gate.state}) == 4
    await ground.after("echo 'VALUE = 1' > src/app.py")
    assert ground.gate.state == clean


async def test_a_workspace_that_differs_at_the_start_is_taken_as_it_is(ground: Ground) -> None:
    await ground.lies(f"echo evil > {CI}")
    await ground.gate.begin()
    assert rules(await ground.after("echo 'VALUE = 2' > src/app.py")) == {}
    assert await ground.read(CI) == "evil\n"


async def test_a_call_is_not_settled_before_anything_was_looked_at(ground: Ground) -> None:
    ground.gate.begun = False
    with pytest.raises(RunError):
        await ground.after("true")


async def test_no_room_to_undo_is_a_stop_of_its_own(open_ground: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEMORY_SIZES, "/work", 8 << 20)
    monkeypatch.setitem(INODES, "/work", 400)
    ground = await open_ground({**FILES, "src/auth/large": os.urandom(3 << 20)})
    with pytest.raises(RunError) as caught:
        await ground.after("rm src/auth/large; cat /dev/zero > src/fill 2>/dev/null || true")
    assert caught.value.code is StopCode.SANDBOX_FULL


async def test_room_taken_by_what_is_undone_is_used_again(open_ground: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEMORY_SIZES, "/work", 8 << 20)
    monkeypatch.setitem(INODES, "/work", 400)
    ground = await open_ground({**FILES, "src/auth/large": os.urandom(3 << 20)}, files=["src/app.py"])
    settled = await ground.after("rm src/auth/large; cat /dev/zero > lib/fill 2>/dev/null || true")
    assert rules(settled) == {"lib/fill": "undo outside-plan", "src/auth/large": "hold protected-area"}
