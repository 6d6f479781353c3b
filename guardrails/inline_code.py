"""Program text given on a command line (`python -c`, `node -e`, here-documents): what it plainly names and starts.

It is no proof that code is harmless; the sandbox is. It finds what a reader would see.
"""

import ast
import re
from collections.abc import Iterator

from andon.guardrails.paths import is_factory, is_git, is_secret, name_fault, workspace_path
from andon.guardrails.refusal import Found, Refused, Use

_NETWORK = frozenset(
    [
        "socket",
        "urllib",
        "urllib2",
        "urllib3",
        "http",
        "requests",
        "httpx",
        "aiohttp",
        "ftplib",
        "smtplib",
        "poplib",
        "imaplib",
        "telnetlib",
        "xmlrpc",
        "paramiko",
        "pycurl",
        "websocket",
        "websockets",
        "socketserver",
        "asyncssh",
        "fabric",
        "webbrowser",
        "nntplib",
        "ssl",
        "boto3",
        "botocore",
        "grpc",
    ]
)
_LOCAL_HTTP = frozenset({"http.HTTPStatus", "http.cookies", "urllib.parse", "http.client.responses"})
_STARTERS = frozenset(
    [
        "os.system",
        "os.popen",
        "os.execv",
        "os.execve",
        "os.execvp",
        "os.execvpe",
        "os.execl",
        "os.execlp",
        "os.execle",
        "os.execlpe",
        "os.spawnl",
        "os.spawnle",
        "os.spawnv",
        "os.spawnve",
        "os.spawnlp",
        "os.spawnvp",
        "os.posix_spawn",
        "os.posix_spawnp",
        "os.startfile",
        "subprocess.run",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.Popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "pty.spawn",
        "commands.getoutput",
        "asyncio.create_subprocess_shell",
        "asyncio.create_subprocess_exec",
        "asyncio.subprocess.create_subprocess_shell",
        "multiprocessing.process.os.system",
        "posix.system",
        "nt.system",
        "sh.Command",
    ]
)
_EVALUATES = frozenset(
    {
        "eval",
        "exec",
        "builtins.eval",
        "builtins.exec",
        "compile",
        "__import__",
        "execfile",
        "runpy.run_path",
        "importlib.import_module",
    }
)
_REMOVES = frozenset({"shutil.rmtree", "rmtree", "os.removedirs"})
_WRITES = frozenset(
    [
        "os.remove",
        "os.unlink",
        "os.rename",
        "os.replace",
        "os.rmdir",
        "os.symlink",
        "os.link",
        "os.chmod",
        "os.truncate",
        "os.mkdir",
        "os.makedirs",
        "shutil.move",
        "shutil.copy",
        "shutil.copyfile",
        "shutil.copy2",
        "shutil.copytree",
        "write_text",
        "write_bytes",
        "unlink",
        "rename",
        "replace",
        "touch",
        "rmdir",
        "symlink_to",
        "hardlink_to",
    ]
)
_OTHER_STARTS = re.compile(
    r"child_process|\bexec(Sync|File|FileSync)?\s*\(|\bspawn(Sync)?\s*\(|"
    r"\bsystem\s*[\s(\"'']|\bpopen\s*\(|`[^`]*`\s*;?\s*$|\bqx\b|%x[\[{(|]"
    r"|shell_exec|passthru|proc_open|pcntl_exec|\beval\s*[({\"']|new Function\s*\(|"
    r"instance_eval|Open3|IO\.popen|process\.binding|os\.execute|io\.popen"
)
_OTHER_NETWORK = re.compile(
    r"require\(\s*['\"](node:)?(http|https|net|dgram|dns|tls|http2)['\"]|\bfetch\s*\(|"
    r"XMLHttpRequest|WebSocket|Net::HTTP|TCPSocket|IO::Socket|LWP|"
    r"open-uri|fsockopen|curl_exec|\b(Socket|IO::Socket\w*|Net::\w+)\b|"
    r"from\s+['\"](node:)?(http|https|net|dgram|dns|tls)['\"]|socket\.http"
)
_OTHER_WRITES = re.compile(
    r"write|append|unlink|rename|rm\b|rmSync|open\s*\(?.*['\"]\s*[>wa+]|copyFile|mkdir|"
    r"symlink|truncate|put_contents|File\."
)
_STRING = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|`([^`\n$]*)`")


def python_uses(code: str, found: Found, shell: "object") -> None:
    """Judge Python text; `shell(text)` judges a command it starts.

    Raises:
        Refused: it starts what cannot be judged, evaluates text, or reaches for a network.
    """
    if len(code) > 60_000:
        found.ask("inline-code", "the program text is longer than 60000 characters; put it into a file")
        return
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        other_uses(code, found)
        return
    nodes = list(ast.walk(tree))
    constants = _constants(nodes)
    aliases = _aliases(nodes)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            _check_import(node)
        elif isinstance(node, ast.Call):
            _check_call(node, found, constants, aliases, shell)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
            _closed(text, found)
    _joined_paths(nodes, found)


def other_uses(code: str, found: Found) -> None:
    """Judge program text of another language by what is spelled in it.

    Raises:
        Refused: it starts programs, evaluates text or reaches for a network.
    """
    if hit := _OTHER_STARTS.search(code):
        raise Refused(
            "computed-program", f"{hit[0].strip()!r} in program text starts what cannot be judged; run it plainly"
        )
    if hit := _OTHER_NETWORK.search(code):
        raise Refused("network", f"{hit[0].strip()!r} in program text needs a network; there is none here")
    writes = bool(_OTHER_WRITES.search(code))
    for groups in _STRING.findall(code):
        text = next((group for group in groups if group), "")
        _closed(text, found)
        if writes and _looks_like_path(text):
            found.uses.append(Use(text, writes=True, outside=True))


def _constants(nodes: list[ast.AST]) -> dict[str, str]:
    """Return names that are given one string and nothing else."""
    given: dict[str, list[str | None]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    value = node.value.value if isinstance(node.value, ast.Constant) else None
                    given.setdefault(target.id, []).append(value if isinstance(value, str) else None)
    return {name: values[0] for name, values in given.items() if len(values) == 1 and values[0] is not None}


def _check_import(node: "ast.Import | ast.ImportFrom") -> None:
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module or ''}.{name}" for name in names]
    for name in names:
        harmless = any(name == fine or name.startswith(fine + ".") for fine in _LOCAL_HTTP)
        if name.split(".")[0] in _NETWORK and not harmless:
            raise Refused("network", f"importing {name} in program text needs a network; there is none here")
        if name.split(".")[0] in ("pty", "ctypes", "code"):
            raise Refused("computed-program", f"{name} in program text starts what cannot be judged; run it plainly")


def _aliases(nodes: list[ast.AST]) -> dict[str, str]:
    """Return what imported names really are: `s` is subprocess after `import subprocess as s`."""
    real: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            real |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            real |= {alias.asname or alias.name: f"{node.module or ''}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            dotted = _dotted(node.value)
            real |= {target.id: dotted for target in node.targets if isinstance(target, ast.Name) and dotted}
    return real


def _check_call(
    node: ast.Call, found: Found, constants: dict[str, str], aliases: dict[str, str], shell: "object"
) -> None:
    name = _dotted(node.func)
    for _ in range(3):
        first, dot, rest = name.partition(".")
        name = f"{aliases.get(first, first)}{dot}{rest}"
    last = name.rsplit(".", 1)[-1]
    if name in _EVALUATES or last == "__import__" or (last == "getattr" and _starts_by_name(node)):
        literal = _text(node.args[0], constants) if node.args else None
        if name == "compile" or (name == "importlib.import_module" and literal):
            return
        raise Refused("computed-program", f"{last}() in program text runs text that cannot be judged; write it plainly")
    if name in _STARTERS:
        _check_started(node, constants, shell)
    elif name in _REMOVES:
        path = _text(node.args[0], constants) if node.args else None
        if path is None:
            found.ask("delete", "the program text removes a folder it computes; name what is to go")
        else:
            found.uses.append(Use(path or ".", writes=True, outside=True, removes=True, recursive=True))
    else:
        _check_files(node, name, last, found, constants)


def _starts_by_name(node: ast.Call) -> bool:
    return any(_dotted(arg) in ("os", "subprocess", "builtins", "__builtins__") for arg in node.args[:1])


def _check_files(node: ast.Call, name: str, last: str, found: Found, constants: dict[str, str]) -> None:
    texts = [text for arg in node.args if (text := _text(arg, constants)) is not None]
    if last == "open":
        mode = next((text for text in texts[1:2]), "")
        mode = next((_text(one.value, constants) or "" for one in node.keywords if one.arg == "mode"), mode)
        if isinstance(node.func, ast.Attribute) and name not in ("io.open", "os.open", "codecs.open"):
            mode = texts[0] if texts else mode
            inner = _path_of(node.func, constants)
            texts = [inner] if inner else []
        if texts:
            found.uses.append(Use(texts[0] or ".", writes=any(letter in mode for letter in "wax+"), outside=True))
    elif name in _WRITES or last in _WRITES:
        inner = _path_of(node.func, constants) if isinstance(node.func, ast.Attribute) else None
        named = [inner] if inner else []
        if name.startswith(("os.", "shutil.")):
            named += texts[-1:] if name.startswith("shutil.cop") else texts
        found.uses += [Use(text, writes=True, outside=True) for text in named if text and len(text) < 1000]


def _path_of(node: ast.AST, constants: dict[str, str]) -> str | None:
    """Return P of `Path(P).method`."""
    value = node.value if isinstance(node, ast.Attribute) else None
    if isinstance(value, ast.Call) and _dotted(value.func).endswith("Path") and value.args:
        parts = [_text(arg, constants) for arg in value.args]
        return "/".join(part for part in parts if part) if all(part is not None for part in parts) else None
    return None


def _check_started(node: ast.Call, constants: dict[str, str], shell: "object") -> None:
    argument = node.args[0] if node.args else next((one.value for one in node.keywords if one.arg == "args"), None)
    if isinstance(argument, ast.List | ast.Tuple):
        words = [_text(item, constants) for item in argument.elts]
        if _dotted(argument.elts[0] if argument.elts else None) == "sys.executable":
            words[0] = "python"
        text = None if any(word is None for word in words) else _quoted([word or "" for word in words])
    else:
        text = _text(argument, constants) if argument is not None else None
    if text is None:
        raise Refused("computed-program", "program text starts a command it computes; run the command itself")
    shell(text)  # type: ignore[operator]


def _quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _dotted(node: "ast.AST | None") -> str:
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: "ast.AST | None", constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
        left, right = _text(node.left, constants), _text(node.right, constants)
        between = "/" if isinstance(node.op, ast.Div) else ""
        return None if left is None or right is None else f"{left}{between}{right}"
    if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] in ("Path", "join", "PurePath") and node.args:
        parts = [_text(arg, constants) for arg in node.args]
        return None if any(part is None for part in parts) else "/".join(part or "" for part in parts)
    return None


def _joined_paths(nodes: list[ast.AST], found: Found) -> None:
    for node in nodes:
        if isinstance(node, ast.BinOp):
            text = _text(node, {})
            if text:
                _closed(text, found)


def _looks_like_path(text: str) -> bool:
    return bool(re.fullmatch(r"[\w./@+-]{1,300}", text)) and ("/" in text or "." in text)


def _closed(text: str, found: Found) -> None:
    """Note a string that is the name of a closed or outside file: whatever code does with it, it may not."""
    for line in _candidates(text):
        if name_fault(line):
            continue
        inside = workspace_path(line if line.startswith("/") else f"/work/{line}")
        secret = is_secret(line) and bool(re.fullmatch(r"[\w./@+~-]+", line))
        git = is_git(line) and bool(re.fullmatch(r"[\w./@+~-]+", line))
        factory = inside is not None and "/" in line and is_factory(inside) and " " not in line
        host = bool(re.match(r"/(etc|root|home|proc|sys|var|boot|run)(/|$)", line)) or line.startswith("~/")
        if secret or git or factory or host:
            found.uses.append(Use(line, writes=False, outside=True, computed=line.startswith("~")))


def _candidates(text: str) -> Iterator[str]:
    if text and len(text) < 500 and "\n" not in text:
        yield text
