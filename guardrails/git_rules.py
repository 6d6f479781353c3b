"""What the git tool, and `git` in shell text, may do: options by subcommand, operands as the paths and refs they are.

Which subcommands and options are free, need a person or are denied stands in the policy. Here is what must be
understood for that: global options, abbreviations, paths inside pathspecs and `REV:PATH`, remotes, protected branches.
"""

import posixpath
import re
from collections.abc import Sequence

from andon.guardrails.git_options import READING, SUBCOMMANDS, Subcommand
from andon.guardrails.globs import wild
from andon.guardrails.patches import patch_uses
from andon.guardrails.refusal import Found, Refused, Use

_NUMBER = re.compile(r"-\d+")
_BEFORE = frozenset(
    [
        "--no-pager",
        "-P",
        "--no-optional-locks",
        "--literal-pathspecs",
        "--glob-pathspecs",
        "--icase-pathspecs",
        "--no-replace-objects",
        "--no-lazy-fetch",
        "--no-advice",
    ]
)
_SETTINGS = re.compile(
    r"(color\.[\w.]+|core\.quote[Pp]ath|advice\.\w+|diff\.(noprefix|mnemonicPrefix|"
    r"renames|algorithm|colorMoved)|log\.(date|decorate)|column\.ui|core\.pager=cat|"
    r"pager\.\w+=(false|cat))(=.*)?"
)
_PROTECTED = (
    "main",
    "master",
    "trunk",
    "develop",
    "development",
    "dev",
    "release",
    "release/*",
    "releases/*",
    "release-*",
    "production",
    "prod",
    "staging",
    "stable",
    "stable/*",
    "gh-pages",
    "default",
    "mainline",
    "hotfix/*",
)
_READABLE = re.compile(
    r"user\.(name|email)|core\.\w+|init\.defaultbranch|color\.\w+|diff\.\w+|pull\.\w+|"
    r"merge\.\w+|branch\.[\w./-]+\.(remote|merge)|remote\.\w+\.fetch",
    re.IGNORECASE,
)
_INSTEAD = {
    "commit": "leave the change in the working tree; the factory commits the final tree itself",
    "checkout": "to undo your changes to a file use `git restore -- FILE`",
    "switch": "the run stays on its base commit; the factory makes the branch",
    "reset": "to unstage use `git restore --staged -- FILE`",
}


def strip_globals(args: Sequence[str]) -> tuple[list[str], str]:
    """Return subcommand and what follows without options before it, and the folder `-C` leads to.

    Raises:
        Refused: an option before the subcommand may change what git loads or starts.
    """
    rest, folder = list(args), "."
    while rest and rest[0].startswith("-"):
        option = rest[0]
        if option in ("--version", "--help", "-v", "-h"):
            return [option.strip("-") if option.startswith("--") else "version", *rest[1:]], folder
        if option == "-C" and len(rest) > 1:
            folder = posixpath.join(folder, rest[1])
            rest = rest[2:]
        elif option == "-c" and len(rest) > 1 and _SETTINGS.fullmatch(rest[1]):
            rest = rest[2:]
        elif option in _BEFORE:
            rest = rest[1:]
        else:
            raise Refused("git", f"the option {option!r} before a subcommand is not allowed; leave it out")
    return rest, folder


def git_uses(
    args: Sequence[str], found: Found, base: str = ".", *, reads_only: bool = False, document: "str | None" = None
) -> None:
    """Note the paths that `git ARGS` names, `base` being where it runs. `args` hold no global options.

    Raises:
        Refused: it cannot be allowed by anybody: other remotes, protected branches, settings.
    """
    name = args[0] if args else "help"
    if reads_only and not _only_reads(name, args[1:]):
        raise Refused(
            "role", f"git {name} changes something, and this role only reads; read with: {', '.join(sorted(READING))}"
        )
    rule = SUBCOMMANDS.get(name)
    if rule is None:
        return
    operands, paths, options = _split(name, rule, args[1:], found)
    if "-S" in options and name in ("commit", "merge", "revert"):
        raise Refused("git", "signing starts another program; leave it out")
    if name == "grep" and any(option.startswith("-O") for option in options):
        raise Refused("git-programs", "git grep -O starts a pager; leave it out")
    _check_refs(name, args, operands)
    named = _named(name, rule, args, operands, paths, options, found)
    for option, value in _valued(name, args[1:]):
        if option in ("-F", "--file", "-f", "--exclude-from", "--ignore-revs-file", "-X") and name != "clean":
            found.uses.append(Use(_join(base, value), writes=False, outside=True))
    if name == "apply":
        _apply(operands, options, found, base, document)
    writes = rule.writes or name in ("checkout",)
    recursive = "-r" in options or name == "clean"
    found.uses += [
        Use(_join(base, piece), writes=writes, removes=rule.removes, recursive=recursive and rule.removes, pattern=True)
        for piece in named
        if piece
    ]


def _only_reads(name: str, rest: Sequence[str]) -> bool:
    operands = [word for word in rest if not word.startswith("-")]
    if name in ("branch", "tag"):
        return not operands or bool({"--list", "-l"} & set(rest)) or any(word.startswith("--contains") for word in rest)
    if name == "stash":
        return operands[:1] in (["list"], ["show"])
    if name in ("remote", "worktree", "submodule"):
        return not operands or operands[0] in ("get-url", "list", "status")
    return name in READING or name in ("config", "reflog")


def _split(name: str, rule: Subcommand, rest: Sequence[str], found: Found) -> tuple[list[str], list[str], set[str]]:
    """Return operands before and after `--`, and options; an option that is not understood needs a person."""
    operands: list[str] = []
    options: set[str] = set()
    position = 0
    while position < len(rest):
        arg = rest[position]
        position += 1
        if arg == "--":
            return operands, list(rest[position:]), options
        if not arg.startswith("-") or arg == "-":
            operands.append(arg)
        elif arg in rule.flags or (
            name in ("log", "diff", "show", "grep", "rev-list", "stash", "shortlog", "reflog")
            and _NUMBER.fullmatch(arg)
        ):
            options.add(arg)
        elif arg in rule.values:
            options.add(arg)
            position += 1
        elif _has_value(rule, arg):
            options.add(arg.split("=", 1)[0] if arg.startswith("--") else arg[:2])
        elif letters := _cluster(rule, arg):
            options |= letters
            position += f"-{arg[-1]}" in rule.values
        else:
            options.add(arg)
            allowed = " ".join(sorted(rule.flags | {f"{value}=…" for value in rule.values}))
            found.ask("git-option", f"the option {arg!r} of git {name} is not known here; known are: {allowed}")
    return operands, [], options


def _valued(name: str, rest: Sequence[str]) -> list[tuple[str, str]]:
    values = SUBCOMMANDS[name].values
    pairs = [(word, rest[at + 1]) for at, word in enumerate(rest[:-1]) if word in values]
    return pairs + [tuple(word.split("=", 1)) for word in rest if word.startswith("--") and "=" in word]  # type: ignore[misc]


def _has_value(rule: Subcommand, arg: str) -> bool:
    """True for `--name=value` and for `-Xvalue` of a value option."""
    if arg.startswith("--"):
        return "=" in arg and arg.split("=", 1)[0] in rule.values
    return arg[:2] in rule.values


def _cluster(rule: Subcommand, arg: str) -> set[str]:
    """Return short flags written together, `-nI`; the last may take a value, `-am`."""
    if arg.startswith("--") or len(arg) < 3:
        return set()
    letters = [f"-{letter}" for letter in arg[1:]]
    known = all(letter in rule.flags for letter in letters[:-1]) and letters[-1] in rule.flags | rule.values
    return set(letters) if known else set()


def protected_branch(name: str) -> bool:
    """True for a branch that others build on."""
    bare = name.removeprefix("refs/heads/").removeprefix("origin/").lower()
    return any(wild(pattern, bare) for pattern in _PROTECTED)


def _check_refs(name: str, args: Sequence[str], operands: Sequence[str]) -> None:
    if name in ("push", "fetch", "pull", "ls-remote"):
        remotes = [*operands[:1], *(word.split("=", 1)[1] for word in args if word.startswith("--repo="))]
        if any(remote != "origin" for remote in remotes):
            raise Refused(
                "git-remote",
                f"{remotes[-1]!r} is not the run's own remote; publishing belongs to delivery, after review",
            )
    if name == "push":
        for spec in operands[1:]:
            target = spec.lstrip("+").rsplit(":", 1)[-1]
            if protected_branch(target) or target in ("*", "refs/heads/*"):
                raise Refused("protected-branch", f"{target!r} is a protected branch; publishing belongs to delivery")
        if any(word.startswith(("--fo", "--de", "--mi", "--pru")) for word in args[1:]):
            raise Refused("git-force", "forced or deleting pushes are denied; publishing belongs to delivery")
    if name == "branch" and any(re.match(r"-[a-zA-Z]*[dDmMfcC]|--(delete|move|force|copy)", word) for word in args[1:]):
        hit = next((operand for operand in operands if protected_branch(operand)), None)
        if hit:
            raise Refused("protected-branch", f"{hit!r} is a protected branch; leave it as it is")


def _named(
    name: str,
    rule: Subcommand,
    args: Sequence[str],
    operands: list[str],
    paths: list[str],
    options: set[str],
    found: Found,
) -> list[str]:
    """Return what the operands name as paths, and note what needs a person."""
    if rule.pattern_first and not any(arg.startswith("-e") or arg.startswith("-f") for arg in args):
        operands = operands[1:]
    if name in ("restore", "checkout") and any(_clean_spec(one) in ("", ".", "*", "..") for one in (*operands, *paths)):
        found.ask("loses-work", f"git {name} of everything would lose the work; name the files")
    check = {
        "config": _check_config,
        "checkout": _check_checkout,
        "switch": _check_switch,
        "reset": _check_reset,
        "tag": _check_tag,
        "branch": _check_branch,
        "restore": _check_restore,
        "stash": _check_stash,
        "remote": _check_remote,
    }.get(name)
    if check is not None:
        check(args, operands, paths, options, found)
    named = [piece for path in paths for piece in _pathspec(path)]
    if rule.named or name in ("checkout", "reset"):
        named += [piece for operand in operands for piece in _pieces(operand)]
    return named


def _check_config(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    verb = operands[0] if operands[:1] in (["get"], ["list"], ["set"], ["unset"], ["edit"]) else ""
    names = operands[1:] if verb else operands
    if verb in ("set", "unset", "edit") or (len(names) != 1 and verb != "list" and not {"--list", "-l"} & set(args)):
        raise Refused("git-config", "the configuration is not yours to change")
    if any(
        re.match(r"--(global|system|file|blob|worktree|edit|add|unset|replace|rename|remove|show)|-[fe]", word)
        for word in args
    ):
        raise Refused("git-config", "the configuration is not yours to change, and only harmless names are read")
    if verb == "list" or not names or not all(_READABLE.fullmatch(one) for one in names):
        raise Refused(
            "git-config", "the configuration may hold a credential and is closed; `git config --get user.name` is fine"
        )


def _check_checkout(
    args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found
) -> None:
    if {"-b", "--orphan"} & options:
        operands.clear()
        return
    if not paths and operands and not _file_like(operands[0]):
        found.ask("loses-work", f"git checkout {operands[0]} leaves the run's branch; {_INSTEAD['checkout']}")
    if paths and operands:
        operands.clear()


def _check_switch(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if not {"-c", "--create", "--orphan"} & options:
        found.ask("loses-work", f"git switch leaves the run's branch; {_INSTEAD['switch']}")


def _check_reset(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if operands and operands[0] not in ("HEAD", "@") and not _file_like(operands[0]) and not paths:
        found.ask("history", f"git reset {operands[0]} moves the branch; {_INSTEAD['reset']}")
    operands[:] = [operand for operand in operands if _file_like(operand)]


def _check_tag(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if operands and not {"-l", "--list", "-n", "--contains", "--points-at", "--merged"} & options:
        found.ask("publishing", "tags are made by a person; publishing belongs to delivery")


def _check_branch(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if operands and len(operands) > 2:
        found.ask("git-option", "git branch takes a name and a start; the factory makes the branch")


def _check_restore(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if not operands and not paths:
        found.ask("loses-work", "git restore names no file; name the files")


def _check_stash(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if operands and operands[0] not in ("push", "pop", "apply", "list", "show", "save", "branch", "create"):
        found.ask("loses-work", f"git stash {operands[0]} can lose work; leave the change in the working tree")


def _check_remote(args: Sequence[str], operands: list[str], paths: list[str], options: set[str], found: Found) -> None:
    if operands and operands[0] not in ("get-url", "show", "update"):
        raise Refused("git-closed", f"git remote {operands[0]} reaches other repositories; leave remotes as they are")


def _file_like(operand: str) -> bool:
    return bool(re.search(r"\.[A-Za-z0-9]{1,8}$|/$", operand)) or operand.startswith(
        ("./", "../", ":", "src/", "tests/")
    )


def _apply(operands: Sequence[str], options: set[str], found: Found, base: str, document: "str | None") -> None:
    if {"--stat", "--numstat", "--summary", "--check"} & options and "--apply" not in options:
        found.uses += [Use(_join(base, one), writes=False, outside=True) for one in operands if one != "-"]
        return
    if document is not None and not [one for one in operands if one != "-"]:
        patch_uses(document, found, base)
    else:
        found.uses += [Use(_join(base, one), writes=False, outside=True) for one in operands if one != "-"]
        found.ask(
            "patch", "what the patch changes cannot be seen here; use edit_file, or give the patch as a here-document"
        )


def _pieces(operand: str) -> list[str]:
    """Return what an operand before `--` may name: itself as a path, and the path after `rev:`."""
    if operand.startswith(":"):
        return _pathspec(operand)
    if ":" in operand:
        return [operand.split(":", 1)[1], operand]
    return [operand]


def _pathspec(spec: str) -> list[str]:
    """Return the path of a pathspec, its magic taken off; nothing for one that only excludes."""
    if spec.startswith((":!", ":^")) or re.match(r":\([^)]*exclude[^)]*\)", spec):
        return []
    return [_clean_spec(spec)]


def _clean_spec(spec: str) -> str:
    return re.sub(r"^:(\([^)]*\)|[/:]+)?(\d:)?", "", spec).rstrip("/") if spec.startswith(":") else spec.rstrip("/")


def _join(base: str, path: str) -> str:
    return path if path.startswith("/") or base == "." else f"{base}/{path}"
