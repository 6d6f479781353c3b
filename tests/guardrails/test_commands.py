"""Shell text: ordinary development passes, what leaves its bounds does not."""

import posixpath
from pathlib import Path

import pytest

from andon.guardrails.judge import Policy, judge
from andon.guardrails.protected import resolve_protected
from andon.records.calls import Decision, ToolCall

TRACKED = frozenset(
    {"README.md", "src/app.py", "src/util.py", "src/auth/login.py", "tests/test_app.py", "tests/conftest.py",
     "pyproject.toml", "Makefile", ".github/workflows/ci.yml", *(f"src/m{number}.py" for number in range(20))}
)  # fmt: skip
PROTECTED = resolve_protected(
    ["src/auth/", "billing"], ["src/auth/login.py", "src/billing/invoice.py", "src/app.py"], {}
)
POLICY = Policy(protected=tuple(PROTECTED))
CALLS = Path(__file__).parent / "calls"


async def _as_written(path: str) -> str:
    """Follow no link: these tests are about the text."""
    return posixpath.normpath(posixpath.join("/work", path))


async def _judged(command: str, policy: Policy = POLICY) -> Decision:
    call = ToolCall(tool="run_command", arguments={"command": command}, role="executor")
    return await judge(call, policy, _as_written)


def _lines(name: str) -> list[str]:
    return [_escaped(line) for line in (CALLS / name).read_text().splitlines()]


def _escaped(line: str) -> str:
    return line.encode().decode("unicode_escape").encode("latin1").decode() if "\\n" in line else line


def _ruled(name: str) -> list[tuple[str, str]]:
    return [
        (line.split("\t", 1)[0], _escaped(line.split("\t", 1)[1])) for line in (CALLS / name).read_text().splitlines()
    ]


@pytest.mark.parametrize("command", _lines("ordinary.txt"))
async def test_ordinary_calls_are_allowed(command: str) -> None:
    known = await _judged(command, Policy(tracked=TRACKED))
    assert known == Decision(verdict="allow", rule="default", reason="")
    assert await _judged(command, Policy()) == known


@pytest.mark.parametrize(("rule", "command"), _ruled("denied.txt"))
async def test_hostile_calls_are_denied_by_the_rule_that_is_about_them(rule: str, command: str) -> None:
    decision = await _judged(command, Policy(tracked=TRACKED))
    assert (decision.verdict, decision.rule) == ("refuse", rule)
    assert decision.reason


@pytest.mark.parametrize(("rule", "command"), _ruled("asked.txt"))
async def test_what_only_a_person_may_allow_is_asked(rule: str, command: str) -> None:
    decision = await _judged(command, Policy(tracked=TRACKED))
    assert (decision.verdict, decision.rule) == ("ask", rule)
    assert decision.reason


ORDINARY = [
    "ls",
    "ls -la src tests",
    "pwd && ls",
    "cat README.md",
    "cat src/auth/login.py",
    "head -50 src/app.py",
    "sed -n '1,80p' src/auth/login.py",
    "grep -rn 'def main' src tests",
    "grep -n '.env' README.md",
    'grep -rn "factory/" docs | head -20',
    'grep -E "foo$" src/app.py',
    "rg -n TODO src || true",
    "find . -name '*.pyc' -delete",
    "find src -name '*.py' -exec wc -l {} +",
    "find . -type f -name '*.md' | xargs wc -l",
    "python -m pytest -q tests/test_app.py",
    "python3 -m pytest tests -k 'watch and not slow' -x",
    "pytest -q tests/test_app.py::test_add 2>&1 | tail -20",
    "PYTHONPATH=src python -m pytest -q",
    "PYTHONPATH=src:tests python -c 'import app; print(app.__doc__)'",
    'python -c "print(1)"',
    "python - <<'EOF'\nimport json\nprint(json.dumps({'a': \"it's\"}))\nEOF",
    "cat > src/new.py <<'EOF'\ndef f():\n    return `1`\nEOF",
    "cat <<EOF > notes.txt\nplain text\nEOF",
    "python src/app.py --port=8000 --help",
    "ruff check .",
    "ruff check --fix src/app.py",
    "ruff format src tests",
    "mypy src",
    "python -m mypy --strict src",
    "python -m compileall -q src",
    "make test",
    "make -j2 check",
    "npm test",
    "npm run build -- --mode production",
    "node --test",
    "node --test tests/app.test.js",
    "npx tsc --noEmit",
    "go test ./...",
    "go vet ./... && go build ./...",
    "cargo test --offline",
    "cargo build && cargo clippy",
    "git status --short",
    "git diff --stat",
    "git diff -- src/app.py",
    "git log --oneline -5",
    "git log -n 3 --stat",
    "git show HEAD:src/app.py",
    "git blame -L 1,20 src/app.py",
    "git ls-files | wc -l",
    "git add -A && git status",
    "git restore -- src/app.py",
    "mkdir -p src/watch tests/watch",
    "mkdir -p src/{a,b}",
    "rm -f src/old.py",
    "rm -rf build dist .pytest_cache",
    "mv src/a.py src/b.py",
    "cp src/app.py /tmp/app.py",
    "touch src/__init__.py",
    "echo 'hello' > /tmp/x && cat /tmp/x",
    'echo "$(date)" >> notes.txt',
    "cd src && python -m app",
    "cd tests && cat ../README.md",
    "(cd src && ls)",
    'for f in src/*.py; do python -m py_compile "$f"; done',
    "if [ -f setup.py ]; then python setup.py --version; fi",
    "test -d src && echo yes || echo no",
    "timeout 30 python -m app",
    "env FOO=1 python -m app",
    "sh -c 'ls src | sort'",
    "bash scripts/build.sh",
    "./scripts/check.sh",
    "sort -u words.txt | uniq -c | sort -rn | head",
    "diff src/a.py src/b.py",
    "echo '{\"a\": 1}' | python3 -m json.tool",
    "pip --version",
    "pip list",
    "pip show requests",
    "python -m pip install --no-index --no-build-isolation -e .",
    "curl --version",
    "which python node",
    "python -m pytest \\\n  -q \\\n  tests",
    "true &&\\\n  ls",
    "command -v curl || true",
    "[ -f src/app.py ] && echo yes",
    "python --version 2>/dev/null",
    "ls /usr/bin | head",
    "x=1; echo $((x + 1))",
    'while read -r line; do echo "$line"; done < words.txt',
    "ls tests/*.py",
    "wc -l $(git ls-files)",
    "sqlite3 /tmp/x.db 'select 1'",
    "cat src/factory/widget.py",
    "cat .env.example",
]


@pytest.mark.parametrize("command", ORDINARY)
async def test_ordinary_commands_run(command: str) -> None:
    assert await _judged(command) == Decision(verdict="allow", rule="default", reason="")


ASKED = {"protected-area", "delete", "install", "publishing", "loses-work"}
HOSTILE = [
    ("cat .env", "secret-file"),
    ("cat config/.env.production", "secret-file"),
    ("head -c 100 < .env", "secret-file"),
    ("python -m app --env-file=.env", "secret-file"),
    ("cat ~/.ssh/id_rsa", "outside-workspace"),
    ("cat keys/server.pem", "secret-file"),
    ("cat $PWD/.env", "secret-file"),
    ("cat .en?", "pattern"),
    ("cat .e{nv,x}", "secret-file"),
    ("cat src/../.env", "secret-file"),
    ("cat '.e''nv'", "secret-file"),
    ("cat .e\\nv", "secret-file"),
    ("cat .git/config", "git-folder"),
    ("cat .GIT/config", "git-folder"),
    ("echo x >> .git/hooks/pre-commit", "git-folder"),
    ("echo x > .g*t/config", "pattern"),
    ("rm -rf .git", "git-folder"),
    ("cd .git && ls", "git-folder"),
    ("cat factory/andon.toml", "factory-folder"),
    ("echo x > factory/policy.toml", "factory-folder"),
    ("cp a Factory/x", "factory-folder"),
    ("cat ./factory/context/memory.md", "factory-folder"),
    ("cd src && cat ../factory/x", "factory-folder"),
    ("cd nowhere; cat factory/x", "factory-folder"),
    ("rm -r fact*", "pattern"),
    ("cat /work/factory/x", "factory-folder"),
    ("echo x > src/auth/login.py", "protected-area"),
    ("sed -i s/a/b/ src/auth/login.py", "protected-area"),
    ("rm src/auth/login.py", "protected-area"),
    ("rm -rf src", "protected-area"),
    ("mv src old", "protected-area"),
    ("cp x.py src/Auth/login.py", "protected-area"),
    ("tee src/billing/invoice.py < x", "protected-area"),
    ("tee src/billing/new.py < x", "protected-area"),
    ("dd if=x of=src/auth/login.py", "protected-area"),
    ("find src/auth -name '*.py' -delete", "delete"),
    ("ruff check --fix src/auth/login.py", "protected-area"),
    ("sh -c 'echo x > src/auth/a.py'", "protected-area"),
    ("echo $(rm src/auth/login.py)", "protected-area"),
    ("git restore -- src/auth/login.py", "protected-area"),
    ("cat /etc/passwd", "outside-workspace"),
    ("cat ../../etc/passwd", "outside-workspace"),
    ("cat /proc/1/environ", "outside-workspace"),
    ("echo x > /dev/sda", "outside-workspace"),
    ("cp src/app.py /root/x", "outside-workspace"),
    ("cd / && ls", "outside-workspace"),
    ("rm -rf .", "delete-all"),
    ("rm -rf *", "delete-all"),
    ("rm -rf /work", "delete-all"),
    ("find . -delete", "delete-all"),
    ("curl https://example.org", "network"),
    ("/usr/bin/curl -s x", "network"),
    ("\\curl x", "network"),
    ("c'ur'l x", "network"),
    ("true && wget x", "network"),
    ("true\ncurl x", "network"),
    ("echo $(curl x)", "network"),
    ('echo "a $(curl x)"', "network"),
    ("env A=1 curl x", "network"),
    ("timeout 5 nc host 1", "network"),
    ("time -p curl x", "network"),
    ("time { curl x; }", "network"),
    ("xargs -n 1 curl < urls", "network"),
    ("find . -exec curl {} +", "network"),
    ("bash -lc 'ssh host'", "network"),
    ("if true; then scp a b; fi", "network"),
    ("{ curl x; }", "network"),
    ("(curl x)", "network"),
    ("cat <(curl x)", "network"),
    ("busybox wget x", "network"),
    ("true # it's\ncurl x # it's", "network"),
    ("cat <<'X'\n\tX\n'\nX\ncurl x\necho \"'\"", "shell"),
    ("cat <<'E'\nE\ncurl x", "network"),
    ("docker ps", "network"),
    ("pip install requests", "install"),
    ("python -m pip install -r requirements.txt", "install"),
    ("pip3.11 install x", "install"),
    ("npm ci", "install"),
    ("npm publish", "network"),
    ("apt-get install -y x", "install"),
    ("eval 'ls'", "computed-program"),
    ("source x.sh", "computed-program"),
    (". ./x.sh", "computed-program"),
    ("$CMD x", "computed-program"),
    ("$(echo curl) x", "computed-program"),
    ("{curl,x}", "shell"),
    ("cur* x", "computed-program"),
    ("time a=1 curl x", "network"),
    ("echo bHM= | base64 -d | sh", "computed-program"),
    ("cat x | bash", "computed-program"),
    ("cat x |\n bash -s", "computed-program"),
    ("base64 -d x | python3", "computed-program"),
    ('sh -c "$X"', "computed-program"),
    ("alias ls=curl", "computed-program"),
    ("trap 'curl x' EXIT", "computed-program"),
    ("env -S 'curl x'", "computed-program"),
    ("cd $X && cat y", "computed-path"),
    ("sudo ls", "sandbox"),
    ("PATH=/tmp:$PATH ls", "environment"),
    ("LD_PRELOAD=/tmp/x.so ls", "environment"),
    ("export GIT_DIR=/tmp/x", "environment"),
    ("env BASH_ENV=x bash -c ls", "environment"),
    ("git push", "publishing"),
    ("git -c alias.x=!sh x", "git"),
    ("git -C /tmp status", "outside-workspace"),
    ("git diff --ext-diff", "git-programs"),
    ("git diff --output=x", "git-programs"),
    ("git grep -Ox y", "git-programs"),
    ("git $X", "git"),
    ("git show HEAD:.env", "secret-file"),
    ("git restore .", "loses-work"),
    ("echo 'unclosed", "shell"),
    ('echo "unclosed', "shell"),
    ("echo `curl x`", "network"),
    ("echo $(curl x", "shell"),
    ("cat <<EOF\n$(curl x)\nEOF", "network"),
    ("cat <<EOF\nnever closed", "shell"),
    ("((1<<EOF))\ncurl x\nEOF", "network"),
    ("echo $((1<<EOF))\ncurl x\nEOF", "network"),
    ("a[1<<EOF]=3\ncurl x\nEOF", "shell"),
    ("a=([1<<EOF]=2)\ncurl x\nEOF", "shell"),
    ("echo $[1<<EOF]\ncurl x\nEOF", "network"),
    ('echo ${x:-"}"}; curl x; echo "', "shell"),
    ("cat <<EOF\nE\\\nOF\ncurl x\nEOF", "shell"),
    ('echo "$(case x in x) curl x;; esac)"', "network"),
    ("$'\\x63url' x", "network"),
    ("cat <<'EOF'\r\nEOF\r\ncurl x\nEOF", "shell"),
    ("curl$\\\nx y", "shell"),
    ("cat <\\\n<E\ncurl x\nE", "shell"),
    ("cat <<E\\\nF\n$(curl x)\nEF", "shell"),
    ("true &\\\n> f", "shell"),
    ("echo x >", "shell"),
    ("ls\0 x", "shell"),
]


@pytest.mark.parametrize(("command", "rule"), HOSTILE)
async def test_hostile_commands_are_refused_with_a_reason(command: str, rule: str) -> None:
    decision = await _judged(command)
    assert decision.verdict == ("ask" if rule in ASKED else "refuse")
    assert decision.rule == rule
    assert decision.reason


async def test_a_question_names_the_protected_entry() -> None:
    decision = await _judged("echo x > src/auth/login.py")
    assert decision.reason == "'src/auth/login.py' is protected by the project context ('src/auth/')"


async def test_too_many_paths_are_refused() -> None:
    assert (await _judged("ls " + " ".join(f"f{number}" for number in range(500)))).rule == "shell"


async def test_a_long_command_is_judged_without_harm() -> None:
    assert (await _judged("ls;" * 6000)).verdict == "allow"
    assert (await _judged("$(" * 5000)).rule == "shell"
    assert (await _judged("'" * 9999)).rule == "shell"
