"""What the git tool, and `git` in shell text, may do: read, stage, and restore named files.

Options are allow-listed by subcommand, because git has options that run programs (`--ext-diff`, `-O`) and write files
(`--output`). A commit is made by the factory from the final tree, and publishing belongs to delivery.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from andon.guardrails.refusal import Refused, Use

_NUMBER = re.compile(r"-\d+")
_DIFF = (
    "--stat --shortstat --numstat --name-only --name-status --summary --cached --staged --patch --no-patch "
    "--no-color --word-diff --ignore-all-space --ignore-space-change --ignore-blank-lines --no-renames --find-renames "
    "--minimal --raw --check --exit-code --quiet --merge-base --no-ext-diff --no-textconv --text --full-index "
    "-p -s -w -b -z -M -R -a -u"
)
_DIFF_VALUES = "--unified --diff-filter --stat --word-diff --abbrev --find-renames --diff-algorithm -U -S -G -M"


@dataclass(frozen=True)
class _Subcommand:
    flags: frozenset[str]
    values: frozenset[str] = frozenset()
    pattern_first: bool = False
    writes: bool = False


def _rule(flags: str, values: str = "", *, pattern_first: bool = False, writes: bool = False) -> _Subcommand:
    return _Subcommand(frozenset(flags.split()), frozenset(values.split()), pattern_first, writes)


_LOG = (
    "--oneline --graph --decorate --no-decorate --no-merges --merges --first-parent --follow --reverse --all "
    "--full-history"
)
_LOG_VALUES = "--max-count --skip --since --until --after --before --author --grep --format --pretty --date -n"
_RULES: dict[str, _Subcommand] = {
    "status": _rule(
        "--short --branch --porcelain --porcelain=v1 --porcelain=v2 --long --ignored --untracked-files "
        "-s -b -u -uno -uall -z"
    ),
    "diff": _rule(_DIFF, _DIFF_VALUES),
    "log": _rule(f"{_LOG} {_DIFF} -i -E -F", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "show": _rule(f"--oneline {_DIFF}", f"--format --pretty --date {_DIFF_VALUES}"),
    "blame": _rule("--porcelain --line-porcelain --root -w -M -C -s -e -l -t", "--since --date -L"),
    "ls-files": _rule(
        "--cached --deleted --modified --others --ignored --stage --exclude-standard --directory --full-name "
        "-c -d -m -o -i -s -t -v -z"
    ),
    "grep": _rule(
        "--ignore-case --word-regexp --line-number --count --name-only --files-with-matches --fixed-strings "
        "--extended-regexp --perl-regexp --untracked --cached --heading --break --show-function --no-color -i -w "
        "-n -c -l -L -F -E -P -I -h -H -o -q -v -p -W",
        "--max-count --max-depth --context -A -B -C -m -e",
        pattern_first=True,
    ),
    "rev-parse": _rule("--short --abbrev-ref --verify --show-toplevel --show-prefix --is-inside-work-tree --quiet -q"),
    "branch": _rule("--list --all --remotes --show-current --verbose --no-color -l -a -r -v -vv", "--sort --format"),
    "add": _rule("--all --update --intent-to-add --verbose --dry-run -A -u -N -v -n", writes=True),
    "restore": _rule("--staged --worktree --quiet -S -W -q", "--source", writes=True),
}  # fmt: skip

_INSTEAD = {
    "commit": "leave the change in the working tree; the factory commits the final tree itself",
    "push": "publishing belongs to delivery, after review",
    "pull": "there is no network here, and the base commit is fixed",
    "fetch": "there is no network here, and the base commit is fixed",
    "clone": "there is no network here",
    "checkout": "to undo your changes to a file use `git restore -- FILE`",
    "switch": "the run stays on its base commit; the factory makes the branch",
    "reset": "to unstage use `git restore --staged -- FILE`",
    "stash": "the working tree is the result; use `git restore -- FILE` to undo a file",
    "clean": "delete files one by one, by name",
    "rm": "delete the file itself; staging is not needed",
    "mv": "move the file itself; staging is not needed",
    "config": "the configuration is not yours to read or change",
}


def git_uses(args: Sequence[str], base: str = ".") -> list[Use]:
    """Return the paths that `git ARGS` names, `base` being where it runs.

    Raises:
        Refused: the subcommand or an option is not among those allowed.
    """
    name = args[0] if args else ""
    rule = _RULES.get(name)
    if rule is None:
        hint = _INSTEAD.get(name) or f"allowed are: {', '.join(_RULES)}"
        what = f"the option {name!r} before a subcommand" if name.startswith("-") else f"git {name}"
        raise Refused("git", f"{what} is not allowed; {hint}")
    operands, paths = _split(name, rule, args[1:])
    if rule.pattern_first and not any(arg.startswith("-e") for arg in args):
        operands = operands[1:]
    _check(name, args, [*operands, *paths])
    if name == "branch":
        return []
    named = [piece for operand in operands for piece in _pieces(operand)]
    named += [piece for path in paths for piece in _pathspec(path)]
    return [Use(_join(base, piece), writes=rule.writes, pattern=True) for piece in named if piece]


def _split(name: str, rule: _Subcommand, rest: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return operands before and after `--`; every option must be one of the rule's."""
    operands: list[str] = []
    position = 0
    while position < len(rest):
        arg = rest[position]
        position += 1
        if arg == "--":
            return operands, list(rest[position:])
        if not arg.startswith("-") or arg == "-":
            operands.append(arg)
        elif arg in rule.flags or (name in ("log", "diff", "show", "grep") and _NUMBER.fullmatch(arg)):
            continue
        elif arg in rule.values:
            position += 1
        elif not _has_value(rule, arg) and not _cluster(rule, arg):
            raise Refused(
                "git", f"the option {arg!r} of git {name} is not allowed; allowed are: "
                f"{' '.join(sorted(rule.flags | {f'{value}=…' for value in rule.values}))}"
            )  # fmt: skip
    return operands, []


def _has_value(rule: _Subcommand, arg: str) -> bool:
    """True for `--name=value` and for `-Xvalue` of a value option."""
    if arg.startswith("--"):
        return "=" in arg and arg.split("=", 1)[0] in rule.values
    return arg[:2] in rule.values


def _cluster(rule: _Subcommand, arg: str) -> bool:
    """True for short flags written together, `-nI`."""
    return not arg.startswith("--") and all(f"-{letter}" in rule.flags for letter in arg[1:])


def _check(name: str, args: Sequence[str], operands: Sequence[str]) -> None:
    if name == "branch" and operands and not {"--list", "-l"} & set(args):
        raise Refused("git", "git branch only lists here (`--list PATTERN`); the factory makes the branch")
    if name == "restore":
        if any(arg.startswith("--source") and arg != "--source=HEAD" for arg in args):
            raise Refused("git", "git restore takes files from HEAD only; leave --source out")
        if not operands or any(_clean_spec(operand) in ("", ".", "*") for operand in operands):
            raise Refused("git", "git restore of everything would lose the work; name the files")


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
