"""Programs by what they do to the operands they are given."""

import re


def names(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


SHELLS = names("sh bash dash zsh ksh ash")
"""Shells."""
INTERPRETERS = re.compile(r"(python|pypy|perl|ruby|node|nodejs|php|lua|deno|bun|Rscript)[\d.]*")
"""Interpreters that run what they read."""
DECODERS = names("base64 base32 basenc xxd openssl uudecode gunzip zcat bzcat xzcat rev tr gpg iconv")
"""Programs that turn unreadable text into readable."""
WRITERS = names(
    "touch mkdir tee truncate mkfifo fallocate sponge shred rm rmdir unlink mv chmod "
    "chown ln link rename install dos2unix unix2dos rimraf setfacl"
)
"""Programs that change or make every file they name."""
COPIERS = names("cp install ln link")
"""Programs that only read what they name but for the last, or for what `-t` names."""
REMOVERS = names("rm rmdir unlink mv shred rename rimraf")
"""Programs after which what they name may be gone."""
RECURSIVE_READERS = names("rg ag ack tar zip tree du fd cloc tokei scc")
"""Programs that go down into the folders they name."""
FORMATTERS = names(
    "black isort autopep8 autoflake yapf gofmt gofumpt goimports prettier eslint rustfmt "
    "clang-format shfmt rubocop stylelint biome pyupgrade docformatter djlint sqlfluff "
    "codespell ktlint swiftformat stylua php-cs-fixer phpcbf perltidy taplo markdownlint "
    "dart oxlint ruff"
)
"""Programs that may rewrite the files they name."""
NOT_PATHS = names(
    "make gmake npm yarn pnpm bun cargo go just task rake tox nox mvn gradle sbt dotnet "
    "mix bundle gem pip uv poetry pdm pipenv hatch "
    "seq expr kill sleep date id which type whereis command printenv locale getconf "
    "uname hostname tr export set shift exit return umask "
    "ulimit wait read test [ [[ basename dirname echo printf let getopts pgrep pkill "
    "killall man info help whatis ps nproc tput turbo nx ng lerna true false : unset "
    "shopt logger yes concurrently"
)
"""Programs whose operands are words and no files."""
PATTERN_FIRST = names("grep egrep fgrep rg ag ack sed awk gawk mawk nawk jq yq perl")
"""Programs whose first operand is a pattern or program and no path."""
WRAPPERS: dict[str, frozenset[str]] = {
    "env": names("-u --unset"),
    "timeout": names("-k -s --kill-after --signal"),
    "nice": names("-n --adjustment"),
    "ionice": names("-c -n -p"),
    "nohup": names(""),
    "setsid": names(""),
    "stdbuf": names("-i -o -e"),
    "unbuffer": names(""),
    "time": names("-f -o"),
    "command": names(""),
    "builtin": names(""),
    "exec": names("-a"),
    "busybox": names(""),
    "toybox": names(""),
    "chrt": names(""),
    "taskset": names("-c"),
    "cross-env": names(""),
    "xargs": names("-n -I -P -L -s -d -E -a --max-args --max-procs --replace --delimiter --arg-file"),
    "gtimeout": names("-k -s"),
    "strace": names("-e -o -p -s"),
    "ltrace": names("-e -o"),
    "catchsegv": names(""),
    "faketime": names(""),
    "hyperfine": names("-w -r -m -M"),
}
"""Programs that start the one named after them; with their options that take a value."""
RUNNERS: dict[tuple[str, ...], int] = {
    ("poetry", "run"): 2,
    ("pipenv", "run"): 2,
    ("pdm", "run"): 2,
    ("uv", "run"): 2,
    ("hatch", "run"): 2,
    ("rye", "run"): 2,
    ("bundle", "exec"): 2,
    ("pnpm", "exec"): 2,
    ("yarn", "exec"): 2,
    ("npm", "exec"): 2,
    ("coverage", "run"): 2,
    ("python", "-m", "coverage", "run"): 4,
}
"""First words that are dropped to see what is started."""
NPX_KNOWN = names(
    "tsc jest eslint prettier vitest mocha ava tap c8 nyc playwright cypress biome "
    "stylelint webpack vite rollup esbuild babel next tsx ts-node knip madge cspell "
    "typedoc sass tailwindcss turbo nx prisma markdownlint markdownlint-cli2 vue-tsc "
    "svelte-check rimraf depcheck storybook oxlint ng standard xo"
)
"""Packages' commands that a project has of its own and `npx` therefore need not fetch."""
CACHES = re.compile(
    r"(__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis|\.tox|\.nox|"
    r"\.cache|\.coverage(\..*)?|coverage\.xml|htmlcov|coverage|"
    r"build|dist|out|target|node_modules|\.next|\.nuxt|\.turbo|\.parcel-cache|\.eggs|"
    r"[\w.*-]*\.egg-info|[\w*.-]+\.py[co]|\*\.o|[\w*.-]+\.(log|tmp|bak|orig|swp|o|obj|"
    r"class|out|prof)|\.DS_Store|\.nyc_output|"
    r"\.gradle|bin|obj|_build|site|\.venv|venv|\.ipynb_checkpoints|tmp|temp|\.tsbuildinfo|"
    r"[\w*.-]+\.tsbuildinfo|\.eslintcache|\.pyre|\.pytype|cmake-build-\w+|Debug|Release|"
    r"wheels|junit.*\.xml|test-results|playwright-report|storybook-static|\.terraform|"
    r"\.svelte-kit|\.vite|\.angular|zig-cache|zig-out|_site)"
)
"""Last parts of what is made again by building: free to delete."""
