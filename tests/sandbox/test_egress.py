"""The proxy of the set-up phase: who is reached, who is not, and what is noted."""

import asyncio
import socket
from pathlib import Path

import pytest
from egress_kit import ask, connect, site

from andon.records.setup import HostAsked
from andon.sandbox.egress import SOCKET_NAME, EgressLimits, EgressProxy, open_egress
from andon.sandbox.egress_rules import AllowedHost

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def allowed(*names: str) -> list[AllowedHost]:
    return [AllowedHost.parse(name) for name in names]


def hosts(proxy: EgressProxy) -> list[tuple[str, int, str, int]]:
    return [(one.host, one.port, one.outcome, one.count) for one in proxy.asked()]


async def echo() -> asyncio.Server:
    """A server that sends everything back, and ends when its client ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def test_a_listed_server_is_reached_through_a_tunnel_and_half_closing_is_passed_on(tmp_path: Path) -> None:
    async with await echo() as server:
        name = f"127.0.0.1:{port_of(server)}"
        async with open_egress(tmp_path, allowed(name)) as proxy:
            request = f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
            assert await ask(tmp_path, request + b"hello") == OK + b"hello"
            assert await ask(tmp_path, request.replace(b"1.1\r", b"1.0\r")) == OK
            assert proxy.asked() == [HostAsked(host="127.0.0.1", port=port_of(server), outcome="allowed", count=2)]


async def test_a_page_is_fetched_by_its_absolute_address_with_our_own_head(tmp_path: Path) -> None:
    with site({"/simple/?a=b": b"page"}) as there:
        async with open_egress(tmp_path, allowed(there.host)) as proxy:
            answer = await ask(
                tmp_path,
                f"GET http://{there.host}/simple/?a=b HTTP/1.1\r\nhost: {there.host}\r\nAccept: text/html\r\n"
                "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nProxy-Authorization: Basic eA==\r\n\r\n"
                "GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n".encode(),
            )
            assert answer.startswith(b"HTTP/1.0 200 OK\r\n") and answer.endswith(b"\r\n\r\npage")
            assert hosts(proxy) == [("127.0.0.1", there.port, "allowed", 1)]
        assert there.requests == [
            f"GET /simple/?a=b HTTP/1.1\nHost: {there.host}\nConnection: close\nAccept: text/html"
        ]


@pytest.mark.parametrize(
    ("request_line", "status", "reason", "host"),
    [
        ("CONNECT evil.example:443 HTTP/1.1", 403, "not among the hosts", ("evil.example", 443)),
        ("CONNECT EVIL.example.:443 HTTP/1.1", 403, "not among the hosts", ("evil.example", 443)),
        ("CONNECT files.index.example:443 HTTP/1.1", 403, "not among the hosts", ("files.index.example", 443)),
        ("CONNECT index.example:22 HTTP/1.1", 403, "not among the hosts", ("index.example", 22)),
        ("CONNECT 169.254.169.254:80 HTTP/1.1", 403, "not among the hosts", ("169.254.169.254", 80)),
        ("CONNECT [::1]:443 HTTP/1.1", 403, "not among the hosts", ("::1", 443)),
        ("GET http://evil.example/ HTTP/1.1", 403, "not among the hosts", ("evil.example", 80)),
        ("CONNECT index.example:443@evil.example:443 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT 127.1:443 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT 2130706433:443 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT 0x7f.1:443 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT [fe80::1%25lo]:443 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT index.example HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT index.example:99999 HTTP/1.1", 400, "no HOST:PORT", None),
        ("CONNECT index.example:0 HTTP/1.1", 400, "no HOST:PORT", None),
        ("GET / HTTP/1.1", 400, "absolute http://", None),
        ("GET https://index.example/ HTTP/1.1", 400, "absolute http://", None),
        ("GET http://user@index.example/ HTTP/1.1", 400, "absolute http://", None),
        ("GET http://evil.example#@index.example/ HTTP/1.1", 400, "absolute http://", None),
        ("GET http://evil.example\\@index.example/ HTTP/1.1", 400, "absolute http://", None),
        ("GET http://[::1/ HTTP/1.1", 400, "absolute http://", None),
        ("GET http://index.example:x/ HTTP/1.1", 400, "absolute http://", None),
        ("POST http://index.example/ HTTP/1.1", 403, "only reads", None),
        ("PUT http://index.example/ HTTP/1.1", 403, "only reads", None),
        ("GET http://index.example/ HTTP/2.0", 400, "request line", None),
        ("GET  http://index.example/ HTTP/1.1", 400, "request line", None),
        ("get http://index.example/ HTTP/1.1", 400, "request line", None),
        ("GET http://index.example/\x00 HTTP/1.1", 400, "request line", None),
        ("GET http://index.example/\nX: y HTTP/1.1", 400, "request line", None),
        ("GET http://index.example/ HTTP/1.1\r\nHost: evil.example", 400, "Host header", ("index.example", 80)),
        ("GET http://index.example/ HTTP/1.1\r\nHost: index.example:81", 400, "Host header", ("index.example", 80)),
        ("GET http://index.example/ HTTP/1.1\r\nHost: index.example\r\nHost: index.example", 400, "Host header",
         ("index.example", 80)),
        ("CONNECT index.example:443 HTTP/1.1\r\nHost: evil.example:443", 400, "Host header", ("index.example", 443)),
        ("GET http://index.example/ HTTP/1.1\r\nX: a\r\n b", 400, "header is malformed or folded", None),
        ("GET http://index.example/ HTTP/1.1\r\nX : a", 400, "header is malformed or folded", None),
        ("GET http://index.example/ HTTP/1.1\r\nX: a\nY: b", 400, "header is malformed or folded", None),
        ("GET http://index.example/ HTTP/1.1\r\nX: a\rY: b", 400, "header is malformed or folded", None),
        ("GET http://index.example/ HTTP/1.1\r\nX: a\x00", 400, "header is malformed or folded", None),
        ("GET http://index.example/ HTTP/1.1\r\nContent-Length: 5", 403, "with a body", None),
        ("GET http://index.example/ HTTP/1.1\r\ncontent-length: 0\r\nTransfer-Encoding: chunked", 403, "body", None),
        ("CONNECT index.example:443 HTTP/1.1\r\nContent-Length: 5", 403, "with a body", None),
        ("GET http://index.example/ HTTP/1.1\r\nX: " + "a" * 20_000, 431, "over 16384 bytes", None),
    ],
)  # fmt: skip
async def test_everything_else_is_refused_with_a_reason_and_noted(
    tmp_path: Path, request_line: str, status: int, reason: str, host: tuple[str, int] | None
) -> None:
    async def nobody(name: str, port: int) -> list[str]:
        raise AssertionError("nothing that is refused by its text is looked up")

    async with open_egress(tmp_path, allowed("index.example"), resolve=nobody) as proxy:
        answer = (await ask(tmp_path, request_line.encode() + b"\r\n\r\n", end=False)).decode()
        assert (answer.split(" ")[1], reason in answer) == (str(status), True), answer
        assert hosts(proxy) == [(*(host or ("(not a host name)", 0)), "refused", 1)]


@pytest.mark.parametrize(
    ("addresses", "private", "reason"),
    [
        (["127.0.0.1"], True, "this machine or its link"),
        (["0.0.0.1"], True, "this machine or its link"),
        (["169.254.169.254"], True, "this machine or its link"),
        (["::1"], True, "this machine or its link"),
        (["fe80::1%lo"], True, "this machine or its link"),
        (["::ffff:127.0.0.1"], True, "this machine or its link"),
        (["64:ff9b::a9fe:a9fe"], True, "this machine or its link"),
        (["2002:7f00:1::"], True, "this machine or its link"),
        (["224.0.0.1"], True, "this machine or its link"),
        (["10.1.2.3"], False, "a private network"),
        (["192.168.0.1"], False, "a private network"),
        (["172.31.0.1"], False, "a private network"),
        (["100.100.100.200"], False, "a private network"),
        (["fd00:ec2::254"], False, "a private network"),
        (["192.0.2.1", "127.0.0.1"], False, "this machine or its link"),
        (["nonsense"], False, "no address"),
    ],
)
async def test_a_name_may_not_lead_to_this_machine_or_its_network(
    tmp_path: Path, addresses: list[str], private: bool, reason: str
) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        return addresses

    rules = [AllowedHost.parse("index.example", private=private)]
    async with open_egress(tmp_path, rules, resolve=resolve) as proxy:
        answer = await ask(tmp_path, b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 ") and reason.encode() in answer
        assert [(one.outcome, reason in one.reason) for one in proxy.asked()] == [("refused", True)]


async def test_what_is_connected_to_is_the_address_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    reached: list[str] = []

    async def rebinding(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["192.0.2.7"] if len(asked) == 1 else ["127.0.0.1"]

    async def open_connection(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reached.append(host)
        raise OSError("nobody is there")

    async with open_egress(tmp_path, allowed("index.example"), resolve=rebinding):
        # Only the name of what would be connected to can be seen: there is no such machine.
        monkeypatch.setattr("asyncio.open_connection", open_connection)
        answer = await ask(tmp_path, b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ") and b"nobody is there" in answer
    assert (asked, reached) == (["index.example"], ["192.0.2.7"])


async def test_a_private_address_is_fine_where_a_persons_own_settings_name_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    async def resolve(name: str, port: int) -> list[str]:
        return ["10.255.255.254"]

    async def open_connection(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reached.append(host)
        raise OSError("nobody is there")

    async with open_egress(tmp_path, [AllowedHost.parse("index.example", private=True)], resolve=resolve) as proxy:
        monkeypatch.setattr("asyncio.open_connection", open_connection)
        assert (await ask(tmp_path, b"CONNECT index.example:443 HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 502 ")
        assert ("index.example", 443, "allowed", 1) in hosts(proxy)
    assert reached == ["10.255.255.254"]


async def test_afterwards_the_socket_and_every_connection_are_gone(tmp_path: Path) -> None:
    async with await echo() as server:
        name = f"127.0.0.1:{port_of(server)}"
        async with open_egress(tmp_path, allowed(name)):
            reader, writer = await connect(tmp_path)
            writer.write(f"CONNECT {name} HTTP/1.1\r\n\r\nx".encode())
            assert await reader.readexactly(len(OK) + 1) == OK + b"x"
            silent, other = await connect(tmp_path)
        assert (await reader.read(), await silent.read(), (tmp_path / SOCKET_NAME).exists()) == (b"", b"", False)
        writer.close()
        other.close()
        with pytest.raises(OSError, match="No such file"):
            await connect(tmp_path)


def _many(count: int) -> EgressLimits:
    return EgressLimits(connections=count)


@pytest.mark.parametrize(
    ("limits", "words", "expected"),
    [
        (EgressLimits(idle=0.05), b"", OK),
        (EgressLimits(sent=4), b"12345678", OK),
        (EgressLimits(received=4), b"12345678", OK),
    ],
)
async def test_a_tunnel_ends_at_its_limits(tmp_path: Path, limits: EgressLimits, words: bytes, expected: bytes) -> None:
    async with await echo() as server:
        name = f"127.0.0.1:{port_of(server)}"
        async with open_egress(tmp_path, allowed(name), limits=limits):
            reader, writer = await connect(tmp_path)
            writer.write(f"CONNECT {name} HTTP/1.1\r\n\r\n".encode())
            assert await reader.readexactly(len(OK)) == OK
            writer.write(words)
            # The client keeps its end open: it is the proxy that ends it.
            assert await reader.read() == b""
            writer.close()
            if words:
                again = await ask(tmp_path, f"CONNECT {name} HTTP/1.1\r\n\r\n".encode())
                assert again.startswith(b"HTTP/1.1 403 ") and b"as many bytes as it may" in again


async def test_who_does_not_finish_a_request_is_let_go(tmp_path: Path) -> None:
    async with open_egress(tmp_path, allowed("index.example"), limits=EgressLimits(head=0.05)) as proxy:
        assert await ask(tmp_path, b"CONNECT index.ex", end=False) == b""
        assert await ask(tmp_path, b"CONNECT index.ex") == b""
        assert proxy.asked() == []


async def test_more_connections_at_a_time_than_allowed_are_refused(tmp_path: Path) -> None:
    async with await echo() as server:
        name = f"127.0.0.1:{port_of(server)}"
        async with open_egress(tmp_path, allowed(name), limits=_many(1)):
            reader, writer = await connect(tmp_path)
            writer.write(f"CONNECT {name} HTTP/1.1\r\n\r\n".encode())
            assert await reader.readexactly(len(OK)) == OK
            assert (await ask(tmp_path, b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()


async def test_a_server_that_is_gone_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with open_egress(tmp_path, allowed(f"127.0.0.1:{port}")):
        answer = await ask(tmp_path, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 502 ") and b"cannot be reached" in answer


async def test_many_names_do_not_fill_the_record(tmp_path: Path) -> None:
    async with open_egress(tmp_path, []) as proxy:
        for number in range(510):
            await ask(tmp_path, f"CONNECT h{number}.example:443 HTTP/1.1\r\n\r\n".encode())
        assert (len(proxy.asked()), hosts(proxy)[0]) == (501, ("(others)", 0, "refused", 10))


@pytest.mark.parametrize(
    ("text", "host", "ports"),
    [
        ("PyPI.org.", "pypi.org", (443, 80)),
        ("index.example:8443", "index.example", (8443,)),
        ("127.0.0.1:8000", "127.0.0.1", (8000,)),
        ("[0:0::1]:8000", "::1", (8000,)),
    ],
)
def test_a_server_is_named_by_name_or_address(text: str, host: str, ports: tuple[int, ...]) -> None:
    assert AllowedHost.parse(text) == AllowedHost(host, ports)


@pytest.mark.parametrize(
    "text",
    ["", "*.example.org", "*", "https://pypi.org", "pypi.org/simple", "user@pypi.org", "pypi.org:", "pypi.org:0",
     "pypi.org:70000", "a b", "exämple.org", "-x.example", "x" * 64 + ".example", "127.1", "0x7f000001", "::1", "[::1",
     "[fe80::1%eth0]:80", "a..b", "pypi.org\n"],
)  # fmt: skip
def test_what_names_no_single_server_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"is a pattern|is no host name"):
        AllowedHost.parse(text)


def test_a_socket_may_lie_deeper_than_its_address_can_say(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)

    async def there() -> bool:
        async with open_egress(deep, []):
            return (deep / SOCKET_NAME).is_socket()

    assert asyncio.run(there())
