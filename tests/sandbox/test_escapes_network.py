"""Attempts to reach anything at all: each is refused at once, and the command is told so."""

import json
import socket
from contextlib import ExitStack

from sandbox_kit import ask

from andon.sandbox.protocol import Sandbox

_REACH = """
import errno, json, socket, sys
port, abstract = json.loads(sys.argv[1])
answers = {}
def reach(name, family, kind, address, protocol=0):
    try:
        with socket.socket(family, kind, protocol) as asked:
            asked.settimeout(5)
            asked.connect(address)
            asked.send(b'hello')
        answers[name] = 'sent'
    except OSError as error:
        answers[name] = errno.errorcode.get(error.errno, str(error))
IP, IP6, TCP, UDP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
for name, host in {'host': sys.argv[2], 'metadata': '169.254.169.254', 'gateway': '172.17.0.1',
        'neighbour': '172.17.0.2', 'private': '10.0.0.1', 'world': '192.0.2.1', 'broadcast': '255.255.255.255'}.items():
    reach(name + ' tcp', IP, TCP, (host, port))
    reach(name + ' udp', IP, UDP, (host, port))
for name, host in {'world': '2001:db8::1', 'local': 'fe80::1', 'metadata': 'fd00:ec2::254'}.items():
    reach(name + ' tcp6', IP6, TCP, (host, port, 0, 1))
    reach(name + ' udp6', IP6, UDP, (host, port, 0, 1))
reach('own loopback', IP, TCP, ('127.0.0.1', port))
reach('own loopback 6', IP6, TCP, ('::1', port))
reach('abstract', socket.AF_UNIX, TCP, chr(0) + abstract)
for name, words in {'raw': (IP, socket.SOCK_RAW, socket.IPPROTO_ICMP), 'packet': (17, socket.SOCK_RAW, 3),
        'vsock': (40, TCP, 0), 'netlink': (16, socket.SOCK_RAW, 4)}.items():
    try:
        socket.socket(*words).close()
        answers[name] = 'made'
    except OSError as error:
        answers[name] = errno.errorcode[error.errno]
for name in ('example.com', 'localhost.localdomain', 'metadata.google.internal'):
    try:
        answers[name] = socket.getaddrinfo(name, 80)
    except socket.gaierror as error:
        answers[name] = 'no such name'
answers['interfaces'] = [name for _, name in socket.if_nameindex()]
answers['routes'] = open('/proc/net/route').read().count(chr(10))
print(json.dumps(answers))
"""


async def test_nothing_is_reached_and_every_attempt_is_told(sandbox: Sandbox) -> None:
    with ExitStack() as listening:
        tcp = listening.enter_context(socket.create_server(("0.0.0.0", 0)))  # noqa: S104 - the host's every address
        port = tcp.getsockname()[1]
        udp = listening.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", port))  # noqa: S104
        abstract = listening.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0andon-test-{port}")
        abstract.listen()
        address = socket.gethostbyname(socket.gethostname())
        answers = await ask(sandbox, _REACH, json.dumps([port, f"andon-test-{port}"]), address)
        for server in (tcp, udp, abstract):
            server.setblocking(False)
            try:
                heard: object = server.recv(1) if server is udp else server.accept()
            except BlockingIOError:
                heard = None
            assert heard is None
    assert (answers.pop("interfaces"), answers.pop("routes")) == (["lo"], 1)
    local = {"host tcp", "host udp"} if address.startswith("127.") else set()
    expected = dict.fromkeys(answers, "ENETUNREACH") | {
        "own loopback": "ECONNREFUSED", "own loopback 6": "ECONNREFUSED", "abstract": "ECONNREFUSED", "raw": "EPERM",
        "packet": "EPERM", "vsock": "EPERM", "netlink": "EPERM", "example.com": "no such name",
        "localhost.localdomain": "no such name", "metadata.google.internal": "no such name",
    }  # fmt: skip
    told = {name: answer for name, answer in answers.items() if name not in local}
    unlike = {name: answer for name, answer in told.items() if answer != expected[name]}
    # Where there is no IPv6 at all, its families or addresses are not there either.
    assert {
        name: answer for name, answer in unlike.items()
        if not (name.endswith("6") and answer in ("EAFNOSUPPORT", "EADDRNOTAVAIL", "ENETUNREACH", "ENODEV", "EINVAL"))
        and (name, answer) not in {("broadcast tcp", "EACCES"), ("broadcast udp", "EACCES")}
    } == {}  # fmt: skip
    assert len(answers) == 30
