"""Programs by what they are to the rules of `programs.py`."""

import re


def names(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


NETWORK = names(
    "curl wget nc ncat netcat ssh scp sftp rsync ftp tftp telnet socat nslookup dig host ping aria2c http https"
)
"""Network clients."""
SERVICES = names("docker podman kubectl gh glab twine aws gcloud az heroku flyctl wrangler vercel netlify")
"""Clients of engines, forges and clouds."""
PRIVILEGED = names("sudo su doas chroot unshare nsenter mount umount bwrap")
"""Programs that change rights or namespaces."""
EVALUATES = names("eval source . alias trap shopt enable function coproc")
"""Words of the shell that run or rename text."""
SHELLS = names("sh bash dash zsh ksh ash")
"""Shells."""
INTERPRETERS = re.compile(r"(python|pypy|perl|ruby|node|php)[\d.]*")
"""Interpreters that run what they read."""
DECODERS = names("base64 base32 xxd openssl uudecode gunzip zcat rev tr")
"""Programs that turn unreadable text into readable."""
INSTALLS: dict[str, frozenset[str]] = {
    "pip": names("install download wheel index"),
    "uv": names("pip add sync lock tool python publish"),
    "poetry": names("add install update lock publish"),
    "pdm": names("add install update lock publish"),
    "npm": names("install i ci add update upgrade publish login audit outdated view search"),
    "pnpm": names("install i add update up publish dlx"),
    "yarn": names("install add upgrade up publish dlx"),
    "cargo": names("add install update fetch publish login search"),
    "go": names("get install"),
    "gem": names("install update push"),
    "bundle": names("install update"),
    "composer": names("install update require"),
    "apt": names("install update upgrade"),
    "apt-get": names("install update upgrade"),
    "apk": names("add update"),
    "brew": names("install update"),
    "conda": names("install create update"),
}
"""Package managers and those of their verbs that need an index."""
READERS = names(
    "cat head tail less more nl wc grep egrep fgrep rg ls tree stat file diff cmp sort uniq cut test [ [[ cd pytest "
    "py.test mypy pyright flake8 pylint bandit jq md5sum sha1sum sha256sum od hexdump basename dirname realpath "
    "readlink du unittest compileall py_compile coverage for select case"
)
"""Programs that leave the files they name as they are."""
REMOVERS = names("rm rmdir unlink mv shred ln chmod chown truncate")
"""Programs after which what they name may be gone or different with all below it."""
PATTERN_FIRST = names("grep egrep fgrep rg ag sed awk gawk mawk jq")
"""Programs whose first operand is a pattern and no path."""
SPEAKERS = names("echo printf")
"""Programs that only print what they are given."""
WRAPPERS: dict[str, frozenset[str]] = {
    "env": names("-u --unset"),
    "timeout": names("-k -s --kill-after --signal"),
    "nice": names("-n"),
    "ionice": names("-c -n"),
    "nohup": names(""),
    "setsid": names(""),
    "stdbuf": names("-i -o -e"),
    "time": names("-f -o"),
    "command": names(""),
    "builtin": names(""),
    "exec": names("-a"),
    "busybox": names(""),
    "xargs": names("-n -I -P -L -s -d -E -a --max-args --max-procs"),
}
"""Programs that start the one named after them; with their options that take a value."""
LOADERS = re.compile(
    r"(PATH|HOME|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|SHELL|PS4|CDPATH|PYTHONSTARTUP|PYTHONHOME"
    r"|PYTHONUSERBASE|PERL5OPT|PERL5LIB|RUBYOPT|NODE_OPTIONS|LD_\w+|DYLD_\w+|GIT_\w+|\w*PAGER|\w*EDITOR|\w*BROWSER"
    r"|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy)"
)
"""Variables that change what is loaded, started or shown to an interpreter."""
