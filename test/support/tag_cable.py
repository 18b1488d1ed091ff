# SPDX-License-Identifier: BSD-3-Clause
"""A cable on which all frames carry tags, between a host that knows nothing of them and a port of a bridge:

    tag_cable.py DEVICE NAMESPACE PORT TAG...

makes DEVICE here and PORT in NAMESPACE, both taps, says "ready", and carries frames until it is killed. TAGs are hex, from the
outside in: 81000005 is VLAN 5. What the bridge sends with other tags, or none, does not reach the host: so does a host with a
VLAN interface, and it works where the kernel has no VLANs. Not for speed.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
CLONE_NEWNET = 0x40000000
MOST = 1 << 16
ADDRESSES = 12


def tap(name):
    number = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(number, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return number


def enter(namespace):
    with open(f"/run/netns/{namespace}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def carry(source, target, change):
    """All frames that are there."""
    while True:
        try:
            frame = os.read(source, MOST)
        except BlockingIOError:
            return
        frame = change(frame)
        if frame:
            try:
                os.write(target, frame)
            except (BlockingIOError, OSError):
                pass  # not up yet, or full: as on any cable


def main():
    device, namespace, port, *tags = sys.argv[1:]
    front = b"".join(bytes.fromhex(tag) for tag in tags)
    host = tap(device)
    enter(namespace)
    bridge = tap(port)

    def tagged(frame):
        return frame[:ADDRESSES] + front + frame[ADDRESSES:]

    def plain(frame):
        rest = frame[ADDRESSES:]
        return frame[:ADDRESSES] + rest[len(front):] if rest.startswith(front) else None

    poll = select.poll()
    poll.register(host, select.POLLIN)
    poll.register(bridge, select.POLLIN)
    print("ready", flush=True)
    while True:
        for number, _ in poll.poll():
            if number == host:
                carry(host, bridge, tagged)
            else:
                carry(bridge, host, plain)


if __name__ == "__main__":
    main()
