"""Which options of which git subcommand are understood, and which of them take a value. Others need a person.

Git takes abbreviated long options; an abbreviation is in no list here, so it is not understood.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """What is understood of one subcommand."""

    flags: frozenset[str]
    values: frozenset[str] = frozenset()
    """Options that take a value, as the next word, after `=`, or written together."""
    pattern_first: bool = False
    """True if the first operand is a pattern and no path."""
    writes: bool = False
    """True if it changes the files it names."""
    removes: bool = False
    """True if they may go away."""
    named: bool = True
    """True if operands may be paths."""


def _rule(
    flags: str = "",
    values: str = "",
    *,
    pattern_first: bool = False,
    writes: bool = False,
    removes: bool = False,
    named: bool = True,
) -> Subcommand:
    return Subcommand(frozenset(flags.split()), frozenset(values.split()), pattern_first, writes, removes, named)


_DIFF = (
    "--stat --shortstat --numstat --name-only --name-status --summary --cached --staged --patch --no-patch --dirstat "
    "--compact-summary --color --no-color --color-words --word-diff --ignore-all-space "
    "--ignore-space-change --ignore-space-at-eol "
    "--ignore-blank-lines --ignore-cr-at-eol --no-renames --find-renames --find-copies "
    "--find-copies-harder --minimal --patience --histogram --raw "
    "--check --exit-code --quiet --merge-base --no-ext-diff --no-textconv --text "
    "--full-index --binary --function-context "
    "--patch-with-stat --no-prefix --relative --pickaxe-all --pickaxe-regex --root --cc "
    "--unified --no-index-lines --color-moved --irreversible-delete "
    "-p -s -w -b -z -M -R -a -u -C -W -r -t -c -m -B -D"
)
_DIFF_VALUES = (
    "--unified --diff-filter --stat --word-diff --word-diff-regex --abbrev "
    "--find-renames --find-copies --diff-algorithm --color "
    "--ignore-submodules --submodule --src-prefix --dst-prefix --inter-hunk-context "
    "--relative --dirstat --color-moved --color-words --ws-error-highlight "
    "--stat-width --stat-count --ignore-matching-lines --line-prefix --skip-to "
    "--rotate-to --find-object --diff-merges -U -S -G -M -C -I -B -l -O-"
)
_LOG = (
    "--oneline --graph --decorate --no-decorate --no-merges --merges --first-parent "
    "--follow --reverse --all --branches --tags "
    "--remotes --full-history --simplify-merges --topo-order --date-order "
    "--author-date-order --left-right --cherry-pick --cherry-mark --cherry --boundary "
    "--abbrev-commit --no-abbrev-commit --source --show-signature --no-notes --notes "
    "--relative-date --parents --children --dense --sparse --no-walk --stdin "
    "--ancestry-path --invert-grep --all-match --extended-regexp --fixed-strings "
    "--perl-regexp --regexp-ignore-case --no-mailmap --mailmap --use-mailmap -i -E -F -P "
    "-g --walk-reflogs --no-max-parents --show-pulls --full-diff --clear-decorations"
)
_LOG_VALUES = (
    "--max-count --skip --since --until --after --before --author --committer --grep "
    "--format --pretty --date --decorate --decorate-refs --decorate-refs-exclude "
    "--min-parents --max-parents --branches --tags --remotes --glob --exclude --encoding "
    "--since-as-filter --grep-reflog --max-age --min-age -n -L"
)
_COMMIT = (
    "--all --quiet --verbose --dry-run --signoff --no-edit --only --include --short "
    "--branch --porcelain --long --status --no-status --allow-empty-message --no-signoff "
    "--no-post-rewrite -a -q -v -s -o -i -p -z"
)
_REFS = (
    "--all --remotes --heads --tags --verify --quiet --hash --dereference --sparse --current --topics -q -s -d -a -r"
)

SUBCOMMANDS: dict[str, Subcommand] = {
    "status": _rule(
        "--short --branch --porcelain --porcelain=v1 --porcelain=v2 --long --ignored "
        "--ignored=no --verbose --show-stash --ahead-behind --no-ahead-behind --no-renames "
        "--untracked-files --column --no-column -s -b -u -uno -uall -unormal -z -v",
        "--untracked-files --ignore-submodules --ignored --find-renames --column -M",
    ),
    "diff": _rule(_DIFF, _DIFF_VALUES),
    "log": _rule(f"{_LOG} {_DIFF}", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "whatchanged": _rule(f"{_LOG} {_DIFF}", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "reflog": _rule(f"{_LOG} {_DIFF}", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "show": _rule(f"{_LOG} {_DIFF}", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "diff-tree": _rule(f"{_LOG} {_DIFF} --no-commit-id", f"{_LOG_VALUES} {_DIFF_VALUES}"),
    "diff-index": _rule(_DIFF, _DIFF_VALUES),
    "diff-files": _rule(_DIFF, _DIFF_VALUES),
    "range-diff": _rule(
        f"{_DIFF} --no-dual-color --left-only --right-only", f"{_DIFF_VALUES} --creation-factor", named=False
    ),
    "rev-list": _rule(
        f"{_LOG} {_DIFF} --count --objects --disk-usage --quiet --header --timestamp", f"{_LOG_VALUES} {_DIFF_VALUES}"
    ),
    "shortlog": _rule(
        f"{_LOG} --summary --numbered --email --committer -s -n -e -c -ns -sn -sne", f"{_LOG_VALUES} --group -w"
    ),
    "blame": _rule(
        "--porcelain --line-porcelain --incremental --root --show-name --show-number "
        "--show-email --show-stats --first-parent --reverse --progress --no-progress -w -M "
        "-C -s -e -l -t -f -n -b -c -p",
        "--since --date --abbrev --ignore-rev --ignore-revs-file --encoding -L",
    ),
    "annotate": _rule("-w -M -C -s -e -l -t", "--since --date -L"),
    "ls-files": _rule(
        "--cached --deleted --modified --others --ignored --stage --unmerged --killed "
        "--exclude-standard --directory --no-empty-directory --full-name --eol "
        "--error-unmatch --deduplicate --debug --recurse-submodules "
        "-c -d -m -o -i -s -t -v -z -k -u -f",
        "--exclude --exclude-from --exclude-per-directory --with-tree --format --abbrev -x -X",
    ),
    "ls-tree": _rule(
        "--name-only --name-status --long --full-name --full-tree --object-only -r -d -t -l -z", "--abbrev --format"
    ),
    "grep": _rule(
        "--ignore-case --word-regexp --line-number --column --count --name-only "
        "--files-with-matches --files-without-match --fixed-strings --extended-regexp "
        "--basic-regexp --perl-regexp --untracked --cached --heading --break --show-function "
        "--function-context --no-color --color --quiet --invert-match --full-name --text "
        "--recursive --no-recursive --only-matching --null --no-exclude-standard "
        "--exclude-standard --all-match --and --or --not -i -w "
        "-n -c -l -L -F -E -G -P -I -h -H -o -q -v -p -W -a -r -z",
        "--max-count --max-depth --context --after-context --before-context --threads --color -A -B -C -m -e -f",
        pattern_first=True,
    ),
    "rev-parse": _rule(
        "--short --abbrev-ref --verify --show-toplevel --show-prefix --show-cdup "
        "--is-inside-work-tree --is-inside-git-dir --is-bare-repository "
        "--is-shallow-repository --symbolic --symbolic-full-name --all --branches --tags "
        "--sq --revs-only --no-revs --flags --no-flags --end-of-options --quiet -q",
        "--short --abbrev-ref --default --branches --tags --glob --since --until --show-object-format",
        named=False,
    ),
    "branch": _rule(
        "--list --all --remotes --show-current --verbose --no-color --color --no-column "
        "--column --quiet --no-track --track --ignore-case -l -a -r -v -vv -q -t -i",
        "--sort --format --contains --no-contains --merged --no-merged --points-at --abbrev --color --column",
        named=False,
    ),
    "tag": _rule(
        "--list --no-color --column --ignore-case -l -n -i",
        "--sort --format --contains --no-contains --merged --no-merged --points-at -n",
        named=False,
    ),
    "describe": _rule(
        "--tags --all --always --long --first-parent --exact-match --contains --dirty --broken --debug",
        "--abbrev --match --exclude --candidates --dirty --broken",
        named=False,
    ),
    "merge-base": _rule("--all --octopus --is-ancestor --fork-point --independent -a", named=False),
    "name-rev": _rule("--name-only --tags --all --always --no-undefined", "--refs --exclude", named=False),
    "for-each-ref": _rule(
        "--shell --ignore-case --omit-empty",
        "--format --sort --count --points-at --contains --no-contains --merged --no-merged --exclude",
        named=False,
    ),
    "show-ref": _rule(_REFS, "--hash --abbrev --exclude-existing", named=False),
    "show-branch": _rule(_REFS, "--more", named=False),
    "cherry": _rule("-v", "--abbrev", named=False),
    "count-objects": _rule("--verbose --human-readable -v -H", named=False),
    "check-ignore": _rule("--quiet --verbose --no-index --non-matching --stdin -q -v -n -z"),
    "check-attr": _rule("--all --cached --stdin -a -z", named=False),
    "check-ref-format": _rule("--branch --normalize --allow-onelevel", named=False),
    "cat-file": _rule("-t -s -e -p --batch --batch-check --batch-all-objects --follow-symlinks --buffer --unordered"),
    "fsck": _rule(
        "--full --no-dangling --unreachable --no-reflogs --connectivity-only --strict "
        "--verbose --progress --no-progress -v",
        named=False,
    ),
    "remote": _rule("--verbose -v --push --all", named=False),
    "submodule": _rule("--cached --recursive --quiet -q"),
    "worktree": _rule("--porcelain --verbose -v -z", named=False),
    "config": _rule(
        "--get --get-all --get-urlmatch --bool --int --type --null --name-only --includes "
        "--no-includes --local --default -z",
        "--type --default",
        named=False,
    ),
    "version": _rule("--build-options", named=False),
    "help": _rule("--all --guides -a -g", named=False),
    "verify-commit": _rule("--verbose --raw -v", named=False),
    "stripspace": _rule("--strip-comments -s", named=False),
    "patch-id": _rule("--stable --unstable --verbatim", named=False),
    "add": _rule(
        "--all --update --intent-to-add --verbose --dry-run --no-all --ignore-errors "
        "--renormalize --refresh --force --patch -A -u -N -v -n -p -f",
        "--chmod",
        writes=True,
    ),
    "stage": _rule("--all --update -A -u -v -n", writes=True),
    "restore": _rule(
        "--staged --worktree --quiet --progress --no-progress --ours --theirs --ignore-unmerged -S -W -q",
        "--source -s",
        writes=True,
    ),
    "reset": _rule("--mixed --soft --quiet --no-refresh --intent-to-add -q -N", named=False),
    "commit": _rule(_COMMIT, "--message --file --cleanup --trailer --untracked-files -m -F -u"),
    "stash": _rule(
        "--include-untracked --all --quiet --keep-index --no-keep-index --staged --index "
        "--patch --stat --name-only --only-untracked -u -a -q -k -S -p",
        "--message -m",
        named=False,
    ),
    "rm": _rule("--cached --quiet --dry-run --ignore-unmatch -r -q -n", writes=True, removes=True),
    "mv": _rule("--verbose --dry-run -v -n -k", writes=True, removes=True),
    "checkout": _rule(
        "--quiet --progress --no-progress --ours --theirs --no-track --track --no-guess "
        "--guess --overlay --no-overlay -q -t",
        "-b --orphan --conflict",
        named=False,
    ),
    "switch": _rule(
        "--quiet --no-track --track --no-guess --guess --progress --no-progress -q -t",
        "--create -c --orphan --conflict",
        named=False,
    ),
    "revert": _rule(
        "--no-edit --no-commit --continue --abort --quit --skip --signoff -n -s",
        "--mainline --strategy -m",
        named=False,
    ),
    "apply": _rule(
        "--stat --numstat --summary --check --index --cached --3way --reverse --apply "
        "--verbose --quiet --recount --ignore-whitespace --ignore-space-change "
        "--inaccurate-eof --allow-empty --reject -R -v -q -3",
        "--whitespace --exclude --include -p -C",
        named=False,
    ),
    "clean": _rule("--dry-run --quiet -n -q -d", "--exclude -e", writes=True, removes=True),
    "gc": _rule("--auto --quiet", named=False),
    "push": _rule(
        "--set-upstream --verbose --quiet --dry-run --porcelain --progress --no-progress "
        "--tags --follow-tags --atomic --thin --no-thin -u -v -q -n",
        "--repo",
        named=False,
    ),
    "archive": _rule("--verbose --list -v -l -0 -9", "--format --prefix --mtime"),
    "pull": _rule("--ff-only --rebase --no-rebase --quiet --verbose --all --tags -q -v", named=False),
    "ls-remote": _rule("--heads --tags --refs --quiet --symref -q", named=False),
    "fetch": _rule(
        "--all --tags --no-tags --verbose --quiet --dry-run --unshallow --progress -v -q -t",
        "--depth --jobs -j",
        named=False,
    ),
}

READING = frozenset(
    [
        "status",
        "diff",
        "log",
        "whatchanged",
        "show",
        "diff-tree",
        "diff-index",
        "diff-files",
        "range-diff",
        "rev-list",
        "shortlog",
        "blame",
        "annotate",
        "ls-files",
        "ls-tree",
        "grep",
        "rev-parse",
        "describe",
        "merge-base",
        "name-rev",
        "for-each-ref",
        "show-ref",
        "show-branch",
        "cherry",
        "count-objects",
        "check-ignore",
        "check-attr",
        "check-ref-format",
        "cat-file",
        "fsck",
        "version",
        "help",
        "verify-commit",
        "stripspace",
        "patch-id",
    ]
)
"""Subcommands that change nothing whatever they are given."""
