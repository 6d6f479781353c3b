"""Runs inside a sandbox: PORT of loopback leads to the proxy's socket while a command runs.

python3 egress_relay.py SOCKET PORT COMMAND…; the exit code is the command's. Its text goes in, so it imports nothing
of ours.
"""

import socket
import subprocess
import sys
import threading


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def _relay(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as proxy:
        try:
            proxy.connect(path)
        except OSError:
            return
        up = threading.Thread(target=_pump, args=(client, proxy), daemon=True)
        up.start()
        _pump(proxy, client)
        up.join()


def _serve(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_relay, args=(client, path), daemon=True).start()


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=128)
    threading.Thread(target=_serve, args=(listener, sys.argv[1]), daemon=True).start()
    code = subprocess.call(sys.argv[3:])
    sys.exit(code if code >= 0 else 128 - code)
