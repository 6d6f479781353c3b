"""Repositories a command prepared for the host's git: nothing of theirs is run or taken, and each is named."""

from pathlib import Path

import pytest
from sandbox_kit import sh

from andon.sandbox.protocol import Sandbox
from andon.sandbox.store import TreeStore
from andon.sandbox.tree_out import TakenTree, take_tree


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """Exists if the host's git was made to run something."""
    return tmp_path / "ran"


def there(path: Path) -> bool:
    return path.exists()


def traps(git_dir: str, ran: Path) -> str:
    """Make every setting of a repository run a program that leaves `ran` on the host."""
    return f"""
    mkdir -p {git_dir}/hooks {git_dir}/info
    cat >> {git_dir}/config <<'END'
[core]
    fsmonitor = touch {ran}
    hooksPath = {git_dir}/hooks
    sshCommand = touch {ran}
    pager = touch {ran}
    attributesFile = {git_dir}/info/attributes
[filter "evil"]
    clean = touch {ran}; cat
    smudge = touch {ran}; cat
    process = touch {ran}
    required = true
[diff "evil"]
    command = touch {ran}
    textconv = touch {ran}
[diff]
    external = touch {ran}
[gpg]
    program = touch {ran}
END
    for hook in pre-commit post-checkout post-index-change reference-transaction fsmonitor-watchman; do
        printf '#!/bin/sh\\ntouch {ran}\\n' > {git_dir}/hooks/$hook; chmod +x {git_dir}/hooks/$hook
    done
    echo '* filter=evil diff=evil' > {git_dir}/info/attributes
"""


async def take(sandbox: Sandbox, store: TreeStore, base: str, script: str) -> TakenTree:
    code, said = await sh(sandbox, "set -e\n" + script)
    assert (code, said) == (0, "")
    return take_tree(await sandbox.entries(), store, base)


async def test_settings_hooks_and_filters_of_the_workspaces_repository_are_left_where_they_are(
    sandbox: Sandbox, store: TreeStore, base: str, ran: Path
) -> None:
    script = traps("/work/.git", ran) + "echo '* filter=evil diff=evil' > .gitattributes; echo new > new.bin"
    taken = await take(sandbox, store, base, script)
    assert (taken.changed, taken.refused) == ([".gitattributes", "new.bin"], [])
    assert store.read(taken.tree, "new.bin") == b"new\n"
    assert store.changed(base, taken.tree) == taken.changed
    assert not there(ran)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("rm -rf .git; ln -s {outside} .git", id="a link"),
        pytest.param("rm -rf .git; echo 'gitdir: {outside}' > .git", id="a file"),
        pytest.param("rm -rf .git; mkfifo .git", id="a pipe"),
        pytest.param("rm -rf .git", id="gone"),
    ],
)
async def test_whatever_lies_in_place_of_the_repository_is_not_looked_at(
    sandbox: Sandbox, store: TreeStore, base: str, tmp_path: Path, script: str
) -> None:
    taken = await take(sandbox, store, base, script.format(outside=tmp_path) + "; echo x > new")
    assert (taken.changed, taken.refused) == (["new"], [])


async def test_a_repository_below_or_under_another_spelling_is_refused_by_name(
    sandbox: Sandbox, store: TreeStore, base: str, ran: Path
) -> None:
    spellings = (
        "sub/.git", ".GIT", ".Git", "git~1", "GIT~1", ".git ", ".git.", ".git...", ".git::$INDEX_ALLOCATION", "a\\.git",
        "deep/er/.gIT", ".g\u200cit",
    )  # fmt: skip
    made = "".join(f"mkdir -p '{name}'; cp -r .git/config .git/hooks '{name}/'\n" for name in spellings)
    files = "mkdir f l; echo 'gitdir: /tmp' > f/.git; ln -s ../.git l/way; ln -s /work/.git l/abs; echo x > fine"
    taken = await take(sandbox, store, base, traps("/work/.git", ran) + made + files)
    assert taken.changed == ["fine"]
    spelled = {name for name in (*spellings, "f/.git") if any(repr(name)[1:-1] in line for line in taken.refused)}
    assert spelled == {*spellings, "f/.git"}
    assert {line for line in taken.refused if "l/" in line.split()[0]} == {
        "'l/abs' is a link with an absolute or empty target: it was not taken",
        "'l/way' is a link into `.git`: it was not taken",
    }
    assert not there(ran)


async def test_a_submodule_made_inside_brings_no_repository_along(
    sandbox: Sandbox, store: TreeStore, base: str, ran: Path
) -> None:
    script = f"""
    git init -q lib; echo code > lib/code; git -C lib add code
    git -C lib -c user.name=t -c user.email=t@t commit -qm lib
    git -c protocol.file.allow=always submodule --quiet add ./lib vendored 2>/dev/null
    git config -f .gitmodules submodule.vendored.update '!touch {ran}'
    git commit -qam submodule
    """
    taken = await take(sandbox, store, base, script)
    assert all(".git/" in line or ".git'" in line for line in taken.refused)
    modes = {file.path: file.mode for file in store.files(taken.tree)}
    assert "160000" not in modes.values()
    assert not any(part.startswith(b".git/") or b"/.git" in part for part in modes)
    assert b"lib/code" in modes
    assert not there(ran)
