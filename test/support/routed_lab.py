# SPDX-License-Identifier: BSD-3-Clause
"""Two hosts in different networks, joined by a router; a tap that only listens, and a way into a third network of the router.

    a ---- near switch ---- router ---- b        box: yagura's; tap: what passes the switch on its way to the router and back
                 |             |                      out: into the far switch
                tap        far switch ---- out
"""

import json
import sys

import netns
from kill_lab import SUPPORT, Hosts


class RoutedLab(Hosts):
    """`tags`: the cables of the near switch, and so what the tap shows, carry tags (tag_cable.py)."""

    A, B = "10.81.1.1", "10.81.2.1"
    VIA = {"a": "10.81.1.254", "b": "10.81.2.254", "out": "10.81.3.254"}  # the router's addresses

    def __init__(self, test, cpus=None, tags=()):
        netns.remove_leftovers()
        self.a, self.b, self.router, self.near, self.far, self.box, self.tool = (netns.Namespace(test) for _ in range(7))
        for switch in (self.near, self.far):
            switch.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            switch.ip("link", "set", "dev", "br0", "up")
        for space, device, port in ((self.a, "eth0", "a"), (self.router, "a", "router")):
            self._plug(self.near, port, space, device, tags)
        self._plug(self.far, "router", self.router, "out")
        self._plug(self.far, "out", self.box, "out")
        netns.connect(self.router, "b", self.b, "eth0")
        netns.connect(self.box, "t", self.tool, "eth0", 65535)
        netns.connect(self.near, "mirror", self.box, "tap", 65535)
        netns.mirror(self.near, "router", "mirror")
        for host, address, via in ((self.a, self.A, self.VIA["a"]), (self.b, self.B, self.VIA["b"])):
            host.ip("addr", "add", f"{address}/24", "dev", "eth0")
            host.ip("route", "add", "default", "via", via)
        for device, address in self.VIA.items():
            self.router.ip("addr", "add", f"{address}/24", "dev", device)
        # The sender of a frame of yagura's is not where the router would look for it.
        self.router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward;"
                                    "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done")
        self.start_ends(test, cpus)

    @staticmethod
    def _plug(switch, port, space, device, tags=()):
        """A cable from a device to a port of a switch."""
        if tags:
            cable = space.start(sys.executable, SUPPORT / "tag_cable.py", device, switch.name, port, *tags)
            cable.wait_for("ready")
            switch.ip("link", "set", "dev", port, "mtu", "1600")
            space.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done")
            space.ip("link", "set", "dev", device, "up")
        else:
            netns.connect(switch, port, space, device)
        switch.ip("link", "set", "dev", port, "master", "br0", "up")

    @staticmethod
    def mac(space, device):
        return json.loads(space.ip("-j", "link", "show", "dev", device))[0]["address"]

    @staticmethod
    def learned(switch):
        """{port: the stations that a switch has learned there}"""
        stations = {}
        for entry in json.loads(switch.run("bridge", "-j", "fdb", "show", "br", "br0")):
            if "permanent" not in (entry.get("state"), *entry.get("flags", [])):
                stations.setdefault(entry["ifname"], set()).add(entry["mac"])
        return stations
