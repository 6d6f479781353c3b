"""What a set-up is made from: lock files and manifests of the base commit, never its sources."""

import io
import zipfile
from collections.abc import Callable, Mapping

import pytest

from andon.context.base import BaseFiles
from andon.context.python_locks import Unreadable, requirements_of
from andon.context.registries import Registries, Registry
from andon.context.settings import SandboxSettings, Settings
from andon.context.setup_plan import plan_setup
from andon.sandbox.egress_rules import AllowedHost
from andon.sandbox.setup_plan import SetupPlan

Plan = Callable[..., tuple[SetupPlan | None, list[str]]]
Made = Callable[[dict[str, str]], SetupPlan]

UV = """
version = 1
[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "web" }, { name = "winonly", marker = "sys_platform == 'win32'" }]
[package.optional-dependencies]
test = [{ name = "extra-test" }]
gpu = [{ name = "huge" }]
[package.dev-dependencies]
dev = [{ name = "tester", extra = ["fast"] }]
[[package]]
name = "web"
version = "1.0"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "compat", marker = "python_full_version < '3.11'" }, { name = "web" }]
sdist = { url = "u", hash = "sha256:aa" }
wheels = [{ url = "u", hash = "sha256:bb" }]
[[package]]
name = "compat"
version = "2.0"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "deep", marker = "os_name == 'nt'" }]
wheels = [{ url = "u", hash = "sha256:cc" }]
[[package]]
name = "deep"
version = "3"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "u", hash = "sha256:dd" }]
[[package]]
name = "winonly"
version = "4"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "compat" }]
wheels = [{ url = "u", hash = "sha256:ee" }]
[[package]]
name = "extra-test"
version = "5"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "u", hash = "sha256:ff" }]
[[package]]
name = "huge"
version = "6"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "u", hash = "sha256:00" }]
[[package]]
name = "tester"
version = "7"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "u", hash = "sha256:11" }]
[package.optional-dependencies]
fast = [{ name = "speedup" }]
[[package]]
name = "speedup"
version = "8"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "u", hash = "sha256:22" }]
"""

POETRY = """
[[package]]
name = "one"
version = "1"
optional = false
groups = ["main"]
markers = "python_version < '3.12'"
files = [{ file = "f", hash = "sha256:aa" }]
[[package]]
name = "two"
version = "2"
optional = true
groups = ["main"]
files = [{ file = "f", hash = "sha256:bb" }]
[metadata]
lock-version = "2.1"
"""


@pytest.fixture
def plan(base: Callable[[Mapping[str, str | bytes]], BaseFiles]) -> Plan:
    return lambda files, settings=None, registries=None: plan_setup(
        base(files), settings or Settings(), registries or Registries()
    )


@pytest.fixture
def made(plan: Plan) -> Made:
    def make(files: dict[str, str]) -> SetupPlan:
        found, notes = plan(files)
        assert found is not None, notes
        return found

    return make


def test_a_uv_lock_is_read_as_what_pip_installs_and_when() -> None:
    assert requirements_of("uv.lock", UV).splitlines() == [
        "compat==2.0 ; ((python_full_version < '3.11')) or ((sys_platform == 'win32')) --hash=sha256:cc",
        "deep==3 ; ((python_full_version < '3.11') and (os_name == 'nt')) or "
        "((sys_platform == 'win32') and (os_name == 'nt')) --hash=sha256:dd",
        "extra-test==5 --hash=sha256:ff",
        "speedup==8 --hash=sha256:22",
        "tester==7 --hash=sha256:11",
        "web==1.0 --hash=sha256:aa --hash=sha256:bb",
        "winonly==4 ; ((sys_platform == 'win32')) --hash=sha256:ee",
    ]


def test_poetry_and_pipenv_locks_are_read_too() -> None:
    assert requirements_of("poetry.lock", POETRY) == "one==1 ; python_version < '3.12' --hash=sha256:aa\n"
    pipfile = (
        '{"default": {"a": {"version": "==1", "hashes": ["sha256:b", "sha256:a"], "markers": "os_name == \'nt\'"}}}'
    )
    assert requirements_of("Pipfile.lock", pipfile) == "a==1 ; os_name == 'nt' --hash=sha256:a --hash=sha256:b\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("uv.lock", "[", "malformed"),
        ("uv.lock", "[[package]]\n", "a version that is known"),
        ("uv.lock", UV.replace('{ registry = "https://index.example/simple" }', '{ git = "x" }', 1), "a registry"),
        ("uv.lock", UV.replace('wheels = [{ url = "u", hash = "sha256:22" }]', ""), "no hash for speedup"),
        ("uv.lock", UV.replace('"sha256:22"', '"sha256:22\\n--index-url=x"'), "a line break"),
        ("poetry.lock", POETRY.replace("2.1", "2.0"), "lock it with Poetry 2"),
        ("poetry.lock", "# poetry\n", "a version that is known"),
        ("Pipfile.lock", '{"default": {"a": {"git": "x"}}}', "does not come from a registry"),
        ("Pipfile.lock", "[]", "a version that is known"),
        ("Pipfile.lock", "{", "malformed"),
    ],
)
def test_a_lock_that_does_not_say_enough_is_passed_over_with_a_reason(
    plan: Plan, name: str, text: str, reason: str
) -> None:
    with pytest.raises(Unreadable, match=reason):
        requirements_of(name, text)
    found, notes = plan({"pyproject.toml": "[project]\nname = 'a'\n", name: text})
    assert (found, len(notes), reason in notes[0], name in notes[0]) == (None, 1, True, True)


def test_only_manifests_and_lock_files_are_seen(made: Made) -> None:
    found = made({
        "pyproject.toml": "[project]\nname = 'mine'\nversion = '0.1'\n[project.scripts]\nmine = 'mine:main'\n",
        "uv.lock": UV, "src/mine.py": "SECRET = 1\n", ".env": "x", "README.md": "x", "factory/andon.toml": "",
        "packages/x/package.json": "{}", "node_modules/y/package.json": "{}", "requirements-dev.txt": "-e .\nsix\n",
    })  # fmt: skip
    assert sorted(found.files) == [
        ".andon-setup/mine-0.1-py3-none-any.whl", ".andon-setup/requirements.txt",
        "packages/x/package.json", "pyproject.toml", "requirements-dev.txt", "uv.lock",
    ]  # fmt: skip
    assert found.files["requirements-dev.txt"] == b"#\nsix\n"
    assert found.origins == ("uv.lock",)
    assert found.hosts == (AllowedHost("pypi.org"), AllowedHost("files.pythonhosted.org"))
    assert found.results == (("/opt/project/venv", "/opt/project/venv"),)
    assert found.bin_dirs == ("/opt/project/venv/bin",)
    assert "--no-deps --require-hashes -r .andon-setup/requirements.txt" in found.script


def test_the_project_is_importable_from_the_workspace_under_its_name(made: Made) -> None:
    found = made({
        "pyproject.toml": "[project]\nname = 'My.App'\nversion = '1.2'\n[project.scripts]\nrun = 'app:main'\n",
        "requirements.txt": "six\n", "src/app/__init__.py": "",
    })  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(found.files[".andon-setup/my_app-1.2-py3-none-any.whl"])) as wheel:
        assert {name: wheel.read(name).decode() for name in wheel.namelist() if "RECORD" not in name} == {
            "_my_app.pth": "/work/src\n",
            "my_app-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: My.App\nVersion: 1.2\n",
            "my_app-1.2.dist-info/WHEEL": (
                "Wheel-Version: 1.0\nGenerator: andon\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            ),
            "my_app-1.2.dist-info/entry_points.txt": "[console_scripts]\nrun = app:main\n",
        }


@pytest.mark.parametrize(
    ("files", "origins", "programs", "command", "host"),
    [
        ({"requirements.txt": "six\n"}, ("requirements.txt",), (), "-r requirements.txt", "pypi.org"),
        ({"requirements.txt": "six\n", "requirements-test.txt": "x\n"}, ("requirements-test.txt", "requirements.txt"),
         (), "-r requirements-test.txt -r requirements.txt", "pypi.org"),
        ({"package.json": '{"dependencies": {"a": "1"}}', "package-lock.json": "{}"}, ("package-lock.json",),
         ("node", "npm"), "npm ci", "registry.npmjs.org"),
        ({"package.json": '{"devDependencies": {"a": "1"}}', "pnpm-lock.yaml": ""}, ("pnpm-lock.yaml",),
         ("node", "pnpm"), "pnpm install --frozen-lockfile", "registry.npmjs.org"),
        ({"package.json": '{"workspaces": ["a"]}', "yarn.lock": ""}, ("yarn.lock",), ("node", "yarn"),
         "yarn install --frozen-lockfile", "registry.npmjs.org"),
        ({"go.mod": "module a\n", "go.sum": "x"}, ("go.sum",), ("go",), "go mod download", "proxy.golang.org"),
        ({"Cargo.toml": "[package]\n", "Cargo.lock": 'source = "registry+x"\n', "src/lib.rs": "fn secret() {}\n"},
         ("Cargo.lock",), ("cargo",), "cargo fetch --locked", "index.crates.io"),
    ],
)  # fmt: skip
def test_every_ecosystem_has_its_command_and_its_registry(
    made: Made, files: dict[str, str], origins: tuple[str, ...], programs: tuple[str, ...], command: str, host: str
) -> None:
    found = made(files)
    assert (found.origins, found.programs, command in found.script) == (origins, programs, True)
    assert AllowedHost(host) in found.hosts
    assert b"secret" not in b"".join(found.files.values())


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": "x"},
        {"uv.lock": "version = 1\n", "pyproject.toml": ""},
        {"requirements.txt": "# none yet\n\n"},
        {"package.json": '{"scripts": {"test": "x"}}', "package-lock.json": "{}"},
        {"go.mod": "module a\n"},
        {"go.mod": "module a\n", "go.sum": "x", "vendor/modules.txt": ""},
        {"Cargo.toml": "[package]\n", "Cargo.lock": "version = 3\n"},
        {"packages/api/requirements.txt": "six\n"},
    ],
)
def test_where_nothing_is_locked_at_the_root_nothing_is_installed(plan: Plan, files: dict[str, str]) -> None:
    assert plan(files) == (None, [])


def test_what_has_no_lock_file_is_said(plan: Plan) -> None:
    found, (note,) = plan({"pyproject.toml": "[project]\nname = 'a'\ndependencies = ['six']\n"})
    assert (found, "there is no lock file at the root" in note) == (None, True)


def test_lists_that_are_not_installed_are_named_with_what_installs_them(plan: Plan) -> None:
    found, notes = plan({
        "requirements.txt": "-r requirements/base.txt\n-crequirements/pins.txt\n", "requirements/base.txt": "six==1\n",
        "requirements/pins.txt": "x==1\n", "requirements/constraints.txt": "y==1\n", "requirements/none.txt": "# no\n",
        "requirements/dev.txt": "tool==1\n", "requirements-docs.txt": "sphinx==1\n", "docs/requirements.txt": "z==1\n",
    })  # fmt: skip
    assert found is not None and found.origins == ("requirements.txt",)
    assert notes == [
        "Not installed in the sandbox: requirements-docs.txt, requirements/dev.txt. If tests need that, name "
        "everything to be installed in `setup` under [sandbox] in factory/andon.toml, as in "
        '`setup = [["pip", "install", "-r", "requirements-docs.txt"]]`.'
    ]
    alone, (note,) = plan({"requirements/dev.txt": "tool==1\n", "setup.py": ""})
    assert (alone, note.startswith("Not installed in the sandbox: requirements/dev.txt.")) == (None, True)


@pytest.mark.parametrize(
    "line",
    [
        "six",
        "six>=1",
        "six==1.*",
        "six[a,b] ~= 1 ; python_version < '4'",
        "six>=1,!=2  # why",
        "six != 1 \\\n  --hash=x",
    ],
)
def test_a_list_that_does_not_fix_versions_is_installed_and_said(plan: Plan, line: str) -> None:
    found, notes = plan({"requirements.txt": f"good==1\n{line}\n"})
    assert found is not None
    assert notes == [
        "Installed without a fixed version, by requirements.txt: six. What a set-up brings can differ from day to day: "
        "pin each with `==`, or commit a lock file."
    ]


@pytest.mark.parametrize(
    "line",
    [
        "six==1",
        "six == 1.0.post1 ; python_version < '4'  # why",
        "Six[a]===1",
        "six (==1)",
        "six==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        "six @ https://files.example/six-1.whl",
        "https://files.example/six-1.whl",
        "./six",
        "-e .",
        "--pre",
        "six\n-c constraints.txt",
        "six\n--constraint=constraints.txt",
    ],
)
def test_a_list_that_fixes_versions_needs_no_word(plan: Plan, line: str) -> None:
    assert plan({"requirements.txt": f"good==1\n{line}\n", "constraints.txt": "SIX==1\n"})[1] == []


def test_lists_that_name_each_other_or_nothing_end(plan: Plan) -> None:
    both = {
        "requirements.txt": "-r requirements-dev.txt\n",
        "requirements-dev.txt": "-r requirements.txt\n-r ../x\na\n",
    }
    (note,) = plan(both)[1]
    assert note.startswith("Installed without a fixed version, by requirements-dev.txt: a.")


def test_beside_a_lock_file_lists_are_no_matter(plan: Plan) -> None:
    assert plan({"uv.lock": UV, "requirements.txt": "six\n", "requirements/dev.txt": "tool\n"})[1] == []


BERRY = "# Manual changes might be lost!\n\n__metadata:\n  version: 8\n  cacheKey: 10c0\n"
CLASSIC = '# yarn lockfile v1\n\n\na@^1:\n  version "1.0.0"\n  resolved "u"\n'
PACKAGE = '{"dependencies": {"a": "1"}}'


@pytest.mark.parametrize(
    "linker", ["", "nodeLinker: pnp\n", "# nodeLinker: node-modules\n", "nodeLinker: node-modules-x\n"]
)
def test_a_lock_of_yarn_2_without_node_modules_is_passed_over_with_the_remedy(plan: Plan, linker: str) -> None:
    assert plan({"package.json": PACKAGE, "yarn.lock": BERRY, ".yarnrc.yml": linker}) == (
        None,
        [
            "yarn.lock was passed over: it is of Yarn 2 or newer, which makes no node_modules unless told to. Commit "
            "`nodeLinker: node-modules` in .yarnrc.yml, or name `setup` under [sandbox] in factory/andon.toml."
        ],
    )


def test_a_lock_of_yarn_2_is_installed_unchanged_by_a_yarn_that_reads_it(made: Made) -> None:
    files = {"package.json": PACKAGE, "yarn.lock": BERRY, ".yarnrc.yml": 'a: 1\r\nnodeLinker: "node-modules"\r\n'}
    found = made(files)
    guard, install = found.script.splitlines()[1:3]
    assert (guard.startswith('case "$(YARN_IGNORE_PATH=1 yarn --version)" in [01].*)'), "exit 1" in guard) == (
        True,
        True,
    )
    assert install.endswith(" YARN_IGNORE_PATH=1 YARN_ENABLE_TELEMETRY=0 yarn install --immutable")
    old = made({"package.json": PACKAGE, "yarn.lock": CLASSIC})
    assert old.script.splitlines()[1] == "yarn install --frozen-lockfile --non-interactive"


def test_the_settings_go_before_lock_files(plan: Plan) -> None:
    named = Settings(sandbox=SandboxSettings(setup=[("make", "deps")], hosts=["files.example:8443"]))
    found, notes = plan({"requirements.txt": "six\n", "package.json": "{}"}, named)
    assert found is not None and notes == []
    assert (found.origins, "\nmake deps\n" in found.script) == (("factory/andon.toml",), True)
    assert {AllowedHost("pypi.org"), AllowedHost("registry.npmjs.org"), AllowedHost("files.example", (8443,))} <= set(
        found.hosts
    )
    off, (note,) = plan({"requirements.txt": "six\n"}, Settings(sandbox=SandboxSettings(setup=[])))
    assert (off, "by `setup = []`" in note) == (None, True)


def test_the_registry_of_this_machine_stands_in_for_the_public_one(plan: Plan) -> None:
    own = Registry("https://index.internal:8443/simple", ("index.internal:8443",), own=True)
    found, _ = plan({"requirements.txt": "six\n"}, registries=Registries(python=own))
    assert found is not None
    assert found.hosts == (AllowedHost("index.internal", (8443,), private=True),)
    assert found.env["PIP_INDEX_URL"] == "https://index.internal:8443/simple"


def test_a_plan_has_another_name_when_anything_it_is_made_from_changes(made: Made) -> None:
    first, same = made({"requirements.txt": "six\n"}), made({"requirements.txt": "six\n", "a.py": "x"})
    other = made({"requirements.txt": "six==1\n"})
    assert first.digest("base") == same.digest("base")
    assert len({first.digest("base"), other.digest("base"), first.digest("other")}) == 3
