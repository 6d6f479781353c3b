"""What the set-up phase does for a base commit: from its lock files, or as its settings say and a person accepted."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from andon.context.base import BaseFiles
from andon.context.folder import Folder
from andon.context.node_locks import LOCKS, NotInstalled, install_lines
from andon.context.project_wheel import project_wheel
from andon.context.python_locks import Unreadable, requirements_of
from andon.context.registries import Registries, Registry
from andon.context.settings import SETTINGS_PATH, Settings
from andon.context.setup_notes import has_lines, requirement_notes
from andon.sandbox.egress_rules import AllowedHost
from andon.sandbox.setup_plan import SetupPlan

MADE = ".andon-setup"
"""The folder of the set-up's workspace that holds what andon made."""
PROJECT = "/opt/project"
"""Where results lie inside."""
VENV, NODE, GO, CARGO = (f"{PROJECT}/{name}" for name in ("venv", "node_modules", "go", "cargo"))

_SETTINGS = frozenset({
    ".npmrc", ".yarnrc", ".yarnrc.yml", ".python-version", ".nvmrc", ".node-version", "Pipfile", "pnpm-workspace.yaml",
    "rust-toolchain", "rust-toolchain.toml", "setup.cfg", "go.work", "go.work.sum",
})  # fmt: skip
_MANIFESTS = frozenset({
    "pyproject.toml", "package.json", "go.mod", "Cargo.toml", "uv.lock", "poetry.lock", "Pipfile.lock",
    "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "go.sum", "Cargo.lock",
})  # fmt: skip
_REQUIREMENTS = re.compile(r"(requirements|constraints)([-_.][\w.-]+)?\.(txt|in)|requirements/[\w.-]+\.(txt|in)")
_PIP = "python -m pip install --quiet --no-input"


@dataclass(frozen=True)
class _Part:
    """One ecosystem's share of a plan."""

    origins: tuple[str, ...]
    lines: tuple[str, ...]
    registry: Registry
    programs: tuple[str, ...]
    results: tuple[tuple[str, str], ...]
    made: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    later_env: Mapping[str, str] = field(default_factory=dict)
    bin_dirs: tuple[str, ...] = ()


def plan_setup(files: BaseFiles, settings: Settings, registries: Registries) -> tuple[SetupPlan | None, list[str]]:
    """Return what to do, or None where nothing is to be installed, and notes for people.

    The settings are believed: whoever calls has seen to it that a person accepted what needs that.
    """
    root = Folder(files, ".")
    said = settings.sandbox.setup
    if said == []:
        return None, [f"Dependencies are not installed in the sandbox, by `setup = []` in {SETTINGS_PATH}."]
    notes: list[str] = []
    look = (_python, _node, _go, _cargo)
    if said:
        parts = [_named(root, said, registries)]
    else:
        parts = [part for one in look if (part := one(root, registries, notes)) is not None]
    if not parts:
        return None, notes or _nothing_locked(root)
    return _plan(root, parts, settings.sandbox.hosts), notes


def _plan(root: Folder, parts: list[_Part], hosts: list[str]) -> SetupPlan:
    named = [AllowedHost.parse(host, private=part.registry.own) for part in parts for host in part.registry.hosts]
    made = {f"{MADE}/{name}": content for part in parts for name, content in part.made.items()}
    return SetupPlan(
        origins=tuple(origin for part in parts for origin in part.origins),
        files=_seen(root) | made,
        script="\n".join(["set -eu", *(line for part in parts for line in part.lines), ""]),
        programs=tuple(dict.fromkeys(program for part in parts for program in part.programs)),
        hosts=tuple(dict.fromkeys([*named, *map(AllowedHost.parse, hosts)])),
        env={name: value for part in parts for name, value in part.env.items()},
        results=tuple(dict.fromkeys(result for part in parts for result in part.results)),
        later_env={name: value for part in parts for name, value in part.later_env.items()},
        bin_dirs=tuple(dict.fromkeys(folder for part in parts for folder in part.bin_dirs)),
    )


def _seen(root: Folder) -> dict[str, bytes]:
    wanted = [
        path
        for path in root.paths
        if not {"node_modules", "vendor", "factory"} & set(path.split("/")[:-1])
        and (
            path.rsplit("/", 1)[-1] in _MANIFESTS | _SETTINGS
            or path in (".cargo/config.toml", ".cargo/config")
            or _REQUIREMENTS.fullmatch(path)
        )
    ]
    found = dict(root.files.read_many(wanted, limit=20_000_000))
    found = {path: _without_local(text) if _REQUIREMENTS.fullmatch(path) else text for path, text in found.items()}
    # cargo reads which files there are, not what is in them.
    if "Cargo.toml" in root.names:
        found |= dict.fromkeys((path for path in root.paths if path.endswith(".rs")), b"")
    return found


def _without_local(text: bytes) -> bytes:
    """Leave out the project itself and what lies beside it: they are not there yet, and are importable afterwards."""
    return re.sub(rb"(?m)^[ \t]*((-e|--editable)[ =]*)?(\.|file:)[^\n]*$", b"#", text)


def _named(root: Folder, said: list[tuple[str, ...]], registries: Registries) -> _Part:
    """What the settings say, with every ecosystem's results and registries: which it uses is not known."""
    hosts = [registries.python, registries.node, registries.go, registries.cargo]
    wheel = project_wheel(root) if {"pyproject.toml", "setup.py"} & root.names else None
    return _Part(
        origins=(SETTINGS_PATH,),
        lines=(*_venv_lines(), *(shlex.join(argv) for argv in said), *_wheel_line(wheel), *_NODE_OUT),
        registry=Registry("", tuple(host for one in hosts for host in one.hosts), any(one.own for one in hosts)),
        programs=(),
        results=((VENV, VENV), (NODE, "/work/node_modules"), (GO, GO), (CARGO, CARGO)),
        made=dict([wheel]) if wheel else {},
        env=_pip_env(registries) | _node_env(registries) | _go_env(registries) | {"CARGO_HOME": CARGO},
        later_env={"VIRTUAL_ENV": VENV, "GOMODCACHE": GO, "GOPROXY": "off", "CARGO_HOME": CARGO},
        bin_dirs=(f"{VENV}/bin",),
    )


def _python(root: Folder, registries: Registries, notes: list[str]) -> _Part | None:
    locks = [name for name in ("uv.lock", "poetry.lock", "Pipfile.lock") if name in root.names]
    wheel = project_wheel(root) if {"pyproject.toml", "setup.py"} & root.names else None
    made: dict[str, bytes] = dict([wheel]) if wheel else {}
    for name in locks:
        try:
            text = requirements_of(name, root.text(name))
        except Unreadable as error:
            notes.append(f"{name} was passed over: {error}.")
            continue
        if not text:
            return None
        made["requirements.txt"] = text.encode()
        install = f"{_PIP} --no-deps --require-hashes -r {MADE}/requirements.txt"
        return _python_part((name,), (install,), made, wheel, registries)
    listed = sorted(path for path in root.paths if _is_list(path) and has_lines(root.text(path)))
    notes += requirement_notes(root, listed)
    if not listed:
        return None
    words = " ".join(f"-r {shlex.quote(path)}" for path in listed)
    return _python_part(tuple(listed), (f"{_PIP} {words}",), made, wheel, registries)


def _is_list(path: str) -> bool:
    """Say whether a path is a list of requirements by the names projects use for what tests and the program need."""
    return (
        re.fullmatch(r"requirements([-_.]?(dev|test|tests|testing))?\.txt|(dev|test)-requirements\.txt", path)
        is not None
    )


def _python_part(
    origins: tuple[str, ...],
    install: tuple[str, ...],
    made: Mapping[str, bytes],
    wheel: tuple[str, bytes] | None,
    registries: Registries,
) -> _Part:
    return _Part(
        origins=origins,
        lines=(*_venv_lines(), *install, *_wheel_line(wheel)),
        registry=registries.python,
        programs=(),
        results=((VENV, VENV),),
        made=made,
        env=_pip_env(registries),
        later_env={"VIRTUAL_ENV": VENV},
        bin_dirs=(f"{VENV}/bin",),
    )


def _venv_lines() -> tuple[str, ...]:
    # pytest and ruff come from the toolchain where the project names none of its own: a .pth file comes last.
    link = (
        "import pathlib, sys, sysconfig\n"
        "if sys.prefix != sys.base_prefix:\n"
        f"    at = pathlib.Path({VENV!r}, 'lib', f'python{{sys.version_info[0]}}.{{sys.version_info[1]}}')\n"
        "    (at / 'site-packages' / 'zz_toolchain.pth').write_text(sysconfig.get_path('purelib') + '\\n')\n"
    )
    return (f"python3 -m venv {VENV}", f"python3 -c {shlex.quote(link)}", f"PATH={VENV}/bin:$PATH; export PATH")


def _wheel_line(wheel: tuple[str, bytes] | None) -> tuple[str, ...]:
    # The project itself, without any index: a path into the workspace, its name, version and commands.
    return (f"{_PIP} --no-deps --no-index {shlex.quote(f'{MADE}/{wheel[0]}')}",) if wheel else ()


def _pip_env(registries: Registries) -> dict[str, str]:
    return {"PIP_INDEX_URL": registries.python.url, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1",
            "PIP_CONFIG_FILE": "/dev/null"}  # fmt: skip


# Entry by entry: the folder they go into may belong to somebody else, whose times cp must not set.
_NODE_OUT = (
    f"if [ -d node_modules ]; then find node_modules -mindepth 1 -maxdepth 1 -exec cp -a -t {NODE} {{}} +; fi",
)


def _node_env(registries: Registries) -> dict[str, str]:
    url = registries.node.url
    quiet = {"npm_config_audit": "false", "npm_config_fund": "false", "npm_config_update_notifier": "false"}
    return quiet | {"npm_config_registry": url, "YARN_NPM_REGISTRY_SERVER": url, "YARN_REGISTRY": url}


def _node(root: Folder, registries: Registries, notes: list[str]) -> _Part | None:
    name = next((name for name in LOCKS if name in root.names), None)
    wants = ("dependencies", "devDependencies", "optionalDependencies", "workspaces")
    if name is None or "package.json" not in root.names or not any(root.package.get(key) for key in wants):
        return None
    if any(path.startswith("node_modules/") for path in root.paths):
        notes.append(f"{name} was passed over: the repository holds node_modules itself.")
        return None
    try:
        lines = install_lines(root, name, registries.node)
    except NotInstalled as error:
        notes.append(f"{name} was passed over: {error}.")
        return None
    return _Part(
        origins=(name,),
        lines=(*lines, *_NODE_OUT),
        registry=registries.node,
        programs=("node", LOCKS[name][0]),
        results=((NODE, "/work/node_modules"),),
        env=_node_env(registries),
    )


def _go_env(registries: Registries) -> dict[str, str]:
    return {"GOMODCACHE": GO, "GOPROXY": registries.go.url, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"} | (
        {"GONOSUMDB": "*", "GONOSUMCHECK": "1"} if registries.go.own else {}
    )


def _go(root: Folder, registries: Registries, notes: list[str]) -> _Part | None:
    if "go.mod" not in root.names or not root.text("go.sum").strip() or "vendor/modules.txt" in root.names:
        return None
    return _Part(
        origins=("go.sum",),
        lines=("go mod download",),
        registry=registries.go,
        programs=("go",),
        results=((GO, GO),),
        env=_go_env(registries),
        later_env={"GOMODCACHE": GO, "GOPROXY": "off", "GOTOOLCHAIN": "local"},
    )


def _cargo(root: Folder, registries: Registries, notes: list[str]) -> _Part | None:
    locked = re.search(r"^source = ", root.text("Cargo.lock"), re.MULTILINE)
    if "Cargo.toml" not in root.names or not locked:
        return None
    return _Part(
        origins=("Cargo.lock",),
        lines=("cargo fetch --locked",),
        registry=registries.cargo,
        programs=("cargo",),
        results=((CARGO, CARGO),),
        env={"CARGO_HOME": CARGO},
        later_env={"CARGO_HOME": CARGO},
    )


def _nothing_locked(root: Folder) -> list[str]:
    project = root.pyproject.get("project")
    wants = isinstance(project, dict) and project.get("dependencies")
    wants = wants or any(root.package.get(key) for key in ("dependencies", "devDependencies"))
    if not wants:
        return []
    return [
        "Dependencies are not installed in the sandbox: there is no lock file at the root. Commit one, or name "
        f"`setup` under [sandbox] in {SETTINGS_PATH}."
    ]
