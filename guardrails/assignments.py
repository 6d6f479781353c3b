"""Which variables a command may be given: those that change what is loaded or started are denied."""

import posixpath
import re

from andon.guardrails.paths import open_outside
from andon.guardrails.refusal import Refused
from andon.guardrails.shell_words import Word

_LOADERS = re.compile(
    r"PATH|HOME|IFS|ENV|BASH_ENV|SHELLOPTS|BASHOPTS|PROMPT_COMMAND|SHELL|PS[0-4]|CDPATH|"
    r"FPATH|ZDOTDIR|FIGNORE|GLOBIGNORE"
    r"|EXECIGNORE|BASH_\w+|HISTFILE|INPUTRC|PYTHON(STARTUP|HOME|USERBASE|INSPECT|"
    r"BREAKPOINT|WARNINGS|EXECUTABLE|PYCACHEPREFIX|"
    r"PLATLIBDIR|CASEOK|SAFEPATH)|PYTEST_(PLUGINS|ADDOPTS)|PERL(5?OPT|5LIB|LIB|5DB|"
    r"5SHELL)|RUBY(OPT|LIB|SHELL)|NODE_OPTIONS|NODE_REPL\w*"
    r"|NODE_EXTRA_CA_CERTS|LD_\w+|DYLD_\w+|_RLD\w*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|"
    r"NLSPATH|TERMINFO\w*|TERMCAP|MALLOC_CONF|GIT_\w+|"
    r"\w*PAGER|\w*EDITOR|VISUAL|\w*BROWSER|LESS(OPEN|CLOSE|KEY\w*)?|MANPATH|MANOPT|"
    r"\w*_PROXY|\w*_proxy|\w*ASKPASS|SSH_\w+|DOCKER_\w+|KUBECONFIG"
    r"|PIP_\w+|UV_\w+|POETRY_\w+|TWINE_\w+|NPM_CONFIG_\w+|npm_config_\w+|YARN_\w+|"
    r"COREPACK_\w+|BUNDLE_\w+|GEM_\w+|CARGO_(HOME|BUILD_\w+|TARGET_\w+|REGISTR\w+|NET_\w+|"
    r"HTTP_\w+|ALIAS_\w+)"
    r"|RUSTC\w*|RUSTDOC|RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|RUSTUP_\w+|GO(FLAGS|PROXY|ROOT|"
    r"PATH|SUMDB|NOSUMDB|NOSUMCHECK|PRIVATE|INSECURE|ENV|BIN|TOOLCHAIN|VCS)|"
    r"CGO_\w*FLAGS\w*|CC|CXX|LD|AR|AS|"
    r"MAKEFLAGS|MFLAGS|GNUMAKEFLAGS|MAKEFILES|\w*JAVA_(TOOL_)?OPTIONS|JAVA_OPTS|JAVA_HOME|"
    r"MAVEN_OPTS|MAVEN_ARGS|GRADLE_\w+|CLASSPATH|JDK_\w+|ANT_OPTS|PHPRC|PHP_INI_SCAN_DIR|"
    r"LUA_\w*|R_PROFILE\w*|R_ENVIRON\w*|JULIA_\w*|"
    r"OPENSSL_\w+|SSL_\w+|CURL_\w+|WGETRC|REQUESTS_CA_BUNDLE|XDG_\w+|RIPGREP_CONFIG_PATH|"
    r"GREP_OPTIONS|FZF_\w+|AWK(PATH|LIBPATH)|TAR_OPTIONS|GZIP|RSYNC_\w+|TMOUT|DISPLAY|"
    r"DBUS_\w+|"
    r"ANDON_\w+|OPENAI_\w+|ANTHROPIC_\w+|AWS_\w+|HOSTALIASES|RES_OPTIONS|LOCALDOMAIN|"
    r"VIRTUAL_ENV|CONDA_\w+|EMAIL|USER|LOGNAME|SUDO_\w+|VIMINIT|EXINIT|MYVIMRC|"
    r"DEBUGINFOD_URLS|SOURCE_DATE_EPOCH_PROGRAM|PROMPT"
)
_IMPORTS = frozenset({"PYTHONPATH", "NODE_PATH"})
_HARMLESS = re.compile(
    r"GIT_(PAGER=cat|TERMINAL_PROMPT=0|OPTIONAL_LOCKS=0)|PAGER=(cat)?|MANPAGER=cat|GOFLAGS=-(mod=\w+|count=1|race|v)|"
    r"PYTHONWARNINGS=(ignore|default|error|always|once|module)|MAKEFLAGS=-j\d*|"
    r"PYTHONINSPECT=|CC=(gcc|clang|cc)|CXX=(g\+\+|clang\+\+|c\+\+)|"
    r"LESS=[-A-Za-z]*|RUSTFLAGS=-D ?warnings|"
    r"NODE_OPTIONS=--(max[-_]old[-_]space[-_]size=\d+|experimental-vm-modules|no-warnings|"
    r"enable-source-maps)|"
    r"(CARGO_NET_OFFLINE=true)|BROWSER=none|GOPROXY=off|GOTOOLCHAIN=local|GOFLAGS=|"
    r"PIP_(NO_INPUT|DISABLE_PIP_VERSION_CHECK|NO_INDEX)=1|UV_(OFFLINE|NO_CACHE)=1|USER=|"
    r"PYTEST_ADDOPTS=(-q|-v|-x)?"
)


def check_assignment(name: str, value: Word) -> None:
    """Refuse a variable that changes what is loaded or started; import paths may point into the workspace.

    Raises:
        Refused: it does.
    """
    name = re.split(r"[\[+]", name, maxsplit=1)[0]
    if name in _IMPORTS:
        for text in value.values or (value.text,):
            _check_imports(name, text)
    elif _LOADERS.fullmatch(name) and (value.computed or not _HARMLESS.fullmatch(f"{name}={value.text}")):
        raise Refused("environment", f"setting {name} changes what is loaded or started; leave it as it is")


def _check_imports(name: str, value: str) -> None:
    for part in value.split(":"):
        if part in ("", f"${name}", f"${{{name}}}") or re.fullmatch(r"\$\{" + name + r":[+-][^}]*\}?", part):
            continue
        path = posixpath.normpath(posixpath.join("/work", part))
        if "$" in part or part.startswith("~") or "`" in part:
            raise Refused("environment", f"{name} holds {part!r}, which is computed; write folders of the workspace")
        if not (path == "/work" or path.startswith("/work/")) or "/.git" in path or open_outside(path):
            raise Refused("environment", f"{name} leads to {part!r}, outside the workspace; use folders inside it")
