"""Which servers the set-up phase may reach: names and addresses written out one by one."""

import ipaddress
import re
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PORTS = (443, 80)

# Not `is_private`: that also holds the ranges kept for documentation, which some test networks use.
_LOCAL = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8"),
    )
)
"""This machine, its link (cloud metadata is there), multicast, reserved."""
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
         "fc00::/7", "fec0::/10"),
    )
)  # fmt: skip
_EMBEDDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""IPv6 addresses that a gateway turns into the IPv4 address in their last 32 bits."""


@dataclass(frozen=True)
class AllowedHost:
    """One server by name or literal address."""

    host: str
    """Lower case, no dot at the end; an address in its shortest form, without brackets."""
    ports: tuple[int, ...] = _PORTS
    """TCP ports."""
    private: bool = False
    """True if the name may resolve to a private address: a person's own settings name it. Never to this machine."""

    @classmethod
    def parse(cls, text: str, *, private: bool = False) -> "AllowedHost":
        """Return the server `text` names: `HOST` (ports 443 and 80) or `HOST:PORT`, an IPv6 address in brackets.

        Raises:
            ValueError: it names none, or a pattern.
        """
        if "*" in text:
            raise ValueError(f"{text!r} is a pattern: name every host by itself")
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", text)
        host = normal_host(match[1]) if match else None
        port = int(match[2]) if match and match[2] else None
        if host is None or port == 0 or (port or 1) > 65535:
            raise ValueError(f"{text!r} is no host name or address such as pypi.org, index.example.org:8443")
        return cls(host, _PORTS if port is None else (port,), private)

    @property
    def literal(self) -> bool:
        """Whether it is an address."""
        return address_of(self.host) is not None


def normal_host(text: str) -> str | None:
    """Return a host name in lower case or an address in its shortest form, without brackets; None if it is neither."""
    if text.startswith("[") and text.endswith("]"):
        address = address_of(text[1:-1])
        return str(address) if isinstance(address, ipaddress.IPv6Address) and "%" not in text else None
    name = text.lower().removesuffix(".")
    if not name.isascii() or not _NAME.fullmatch(name):
        return None
    # What ends in a number is an address to every resolver, also `127.1` and `0x7f.1`.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]):
        return name if isinstance(address_of(name), ipaddress.IPv4Address) else None
    return name


def address_of(text: str) -> Address | None:
    """Return the address `text` is, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def refusal_of(address: Address, *, private: bool) -> str | None:
    """Say why a name may not lead to `address`, or None if it may. `private`: private networks are fine."""
    inner = _inner(address)
    if inner is not None:
        return refusal_of(inner, private=private)
    if any(address in network for network in _LOCAL):
        return f"it resolves to {address}, which is this machine or its link"
    if not private and any(address in network for network in _PRIVATE):
        return f"it resolves to {address}, which is in a private network"
    return None


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    embeds = int(address) > 1 and any(address in network for network in _EMBEDDING)
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if embeds else None
