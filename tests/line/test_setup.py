"""Dependencies of the base commit are installed before anybody works, as a run and as a client's session see it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from egress_kit import Site, site
from lane_kit import CHANGE, FILES, git, make_repository, plan, report, review, run_line
from sandbox_kit import need_docker
from setup_kit import NAME, PIN, index, node_lock, node_package

from andon.context.settings import load_settings
from andon.line.base_files import CommitFiles
from andon.line.registries import registries_of
from andon.line.trust import TrustFile, claims_of
from andon.records.errors import UserError
from andon.sandbox.repository import Repository

DEPENDENT = FILES | {
    "requirements.txt": PIN,
    "tests/test_dep.py": f"import {NAME}\n\n\ndef test_dep():\n    assert {NAME}.ANSWER == 42\n",
}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The index of this machine, by its settings."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with site(index()) as found:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://someone:hunter2@{found.host}/simple")
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        yield found


def test_a_runs_checks_use_what_was_installed_and_the_next_run_installs_nothing(tmp_path: Path, there: Site) -> None:
    root = make_repository(tmp_path / "repository", DEPENDENT)
    ran = run_line(root, [plan()], *CHANGE, [report()], [review()])
    assert (ran.result.stop_code, ran.result.message) == ("delivered", ran.result.message)
    assert ran.result.setup is not None
    assert (ran.result.setup.origins, ran.result.setup.cached) == (["requirements.txt"], False)
    assert [(one.host, one.outcome) for one in ran.result.setup.hosts] == [("127.0.0.1", "allowed")]
    kinds = [data.get("name", kind) for kind, data in ran.kinds("phase", "setup.ended", "check.ended")]
    assert kinds.index("setup") < kinds.index("setup.ended") < kinds.index("base-checks")
    stored = (ran.folder / "result.json").read_text() + (ran.folder / "audit.jsonl").read_text()
    assert (json.loads((ran.folder / "result.json").read_text())["setup"]["digest"], "hunter2" in stored) == (
        ran.result.setup.digest,
        False,
    )
    asked = len(there.requests)
    git(root, "branch", "-D", str(ran.result.branch))
    (root / "factory/tasks/queue.json").write_text(FILES["factory/tasks/queue.json"])
    again = run_line(root, [plan()], *CHANGE, [report()], [review()])
    assert again.result.setup is not None
    assert (again.result.stop_code, again.result.setup.cached, len(there.requests)) == ("delivered", True, asked)
    assert "setup" not in [data["name"] for _, data in again.kinds("phase")]


def test_what_cannot_be_installed_ends_the_run_before_anybody_works(tmp_path: Path, there: Site) -> None:
    root = make_repository(tmp_path / "repository", DEPENDENT | {"requirements.txt": "no-such-package==1\n"})
    ran = run_line(root)
    assert (ran.result.stop_code, ran.result.exit_code, ran.model.calls) == ("setup-failed", 50, ())
    assert ran.result.sandbox == "bubblewrap"
    assert ran.result.message.startswith("dependencies of requirements.txt could not be installed")
    assert "no-such-package" in ran.result.message


def test_what_npm_installs_is_seen_on_docker_too(tmp_path: Path, there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    need_docker()
    monkeypatch.setenv("ANDON_SANDBOX", "docker")
    monkeypatch.setenv("npm_config_registry", f"http://{there.host}/")
    address = f"http://{there.host}/{NAME}/-/{NAME}-1.0.0.tgz"
    there.pages[f"/{NAME}/-/{NAME}-1.0.0.tgz"] = node_package()
    locked = {
        "package.json": json.dumps({"name": "p", "version": "1.0.0", "dependencies": {NAME: "1.0.0"}}),
        "package-lock.json": node_lock(address),
        "tests/test_dep.py": f"def test_dep():\n    assert open('node_modules/{NAME}/index.js').read() == 'x'\n",
    }
    ran = run_line(make_repository(tmp_path / "repository", FILES | locked), [plan()], *CHANGE, [report()], [review()])
    assert (ran.result.stop_code, ran.result.sandbox) == ("delivered", "docker"), ran.result.message


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('setup = ["make deps"]', "sandbox.setup"),
        ('hosts = ["files.example"]', "sandbox.hosts"),
        ('image = "mine:1"', "sandbox.image"),
    ],
)
def test_what_a_repository_may_not_decide_alone_is_refused_until_accepted(
    tmp_path: Path, there: Site, line: str, key: str
) -> None:
    root = make_repository(tmp_path / "repository", DEPENDENT | {"factory/andon.toml": f"[sandbox]\n{line}\n"})
    with pytest.raises(UserError, match=rf"sets {key} to .*andon trust") as caught:
        run_line(root)
    assert "a repository may not decide that alone" in str(caught.value)
    assert there.requests == []


def test_accepted_commands_stand_in_for_lock_files(
    tmp_path: Path, there: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'[sandbox]\nsetup = ["python -m pip install -q {NAME}"]\n'
    root = make_repository(tmp_path / "repository", DEPENDENT | {"factory/andon.toml": text, "requirements.txt": "x\n"})
    repository = Repository.open(root)
    (claim,) = claims_of(load_settings(CommitFiles(repository, repository.head())))
    TrustFile(tmp_path / "config" / "andon" / "trust.json").accept(repository.root, claim)
    ran = run_line(root, [plan()], *CHANGE, [report()], [review()])
    assert ran.result.setup is not None, ran.result.message
    assert (ran.result.stop_code, ran.result.setup.origins) == ("delivered", ["factory/andon.toml"])


def test_an_empty_list_installs_nothing_and_needs_nobody(tmp_path: Path, there: Site) -> None:
    files = FILES | {"requirements.txt": PIN, "factory/andon.toml": "[sandbox]\nsetup = []\n"}
    ran = run_line(make_repository(tmp_path / "repository", files), [plan()], *CHANGE, [report()], [review()])
    assert (ran.result.stop_code, ran.result.setup, there.requests) == ("delivered", None, [])
    assert any("by `setup = []`" in warning for warning in ran.result.warnings)


@pytest.mark.parametrize("host", ["*.example.org", "https://x", ""])
def test_a_host_that_names_no_single_server_is_refused(tmp_path: Path, there: Site, host: str) -> None:
    root = make_repository(tmp_path / "repository", FILES | {"factory/andon.toml": f'[sandbox]\nhosts = ["{host}"]\n'})
    with pytest.raises(UserError, match=r"sandbox\.hosts"):
        run_line(root)


def test_registries_are_those_this_machine_names_without_credentials(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text(
        "//npm.example/:_authToken=hunter2\nregistry=https://u:hunter2@npm.example/r/?x=hunter2\n"
    )
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[global]\nindex-url = https://u:hunter2@pip.example:8443/simple\n")
    found = registries_of({
        "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "GOPROXY": "direct,https://go.example",
    })  # fmt: skip
    assert (found.python.url, found.python.hosts, found.python.own) == (
        "https://pip.example:8443/simple", ("pip.example:8443",), True,
    )  # fmt: skip
    assert (found.node.url, found.node.hosts) == ("https://npm.example/r/", ("npm.example",))
    assert (found.go.url, found.go.hosts) == ("https://go.example", ("go.example",))
    assert "hunter2" not in repr(found)
    before = registries_of({"HOME": str(tmp_path), "UV_DEFAULT_INDEX": "https://uv.example/simple"})
    assert before.python.hosts == ("uv.example",)


@pytest.mark.parametrize("value", ["", "not an address", "file:///x", "http://", "http://[::1", "https://a:b/"])
def test_what_is_no_address_leaves_the_public_registry(tmp_path: Path, value: str) -> None:
    environment = {"HOME": str(tmp_path), "PIP_INDEX_URL": value, "PIP_CONFIG_FILE": "/dev/null"}
    assert registries_of(environment).python.hosts == ("pypi.org", "files.pythonhosted.org")
