# SPDX-License-Identifier: BSD-3-Clause
"""Which sessions of a capture a rule's patterns choose, the slow and simple way: all bytes of a flow are kept until it
ends, then each direction is put in order and searched with Python's `re`.

Written from docs/configuration.md and the RFCs, to be independent of the code under test. What it leaves out on
purpose: every budget. It waits for a missing segment until the flow ends, however many others come.
"""

import bisect
import re
from collections import defaultdict
from ipaddress import ip_address
from typing import NamedTuple

from reference_packets import TCP, UDP, Packet, as_ethernet, parse, transport

FIN, SYN, RST, ACK = 1, 2, 4, 16
SECOND = 10**9
TIMEOUT = {"opening": 60 * SECOND, "tcp": 3600 * SECOND, "closed": 10 * SECOND, "udp": 300 * SECOND,
           "other": 60 * SECOND}
FRAGMENT_TIMEOUT = 30 * SECOND
STREAM_DEPTH = 1 << 20
MOST_AHEAD = 1 << 30  # the largest window (RFC 7323)


class Flow:
    """Both directions; 0 is that of the first packet."""

    def __init__(self, key, now, ns):
        self.key = key
        self.first = ns
        self.last_seen = now
        self.client_is_first = None
        self.packets = ([], [])
        self.seen = [False, False]
        self.acknowledged = False
        self.fins = [False, False]
        self.resets = [False, False]

    @property
    def is_tcp(self):
        return self.key[1] == TCP

    def is_over(self):
        one_sided = any(self.fins) and not all(self.seen)
        return any(self.resets) or all(self.fins) or one_sided

    def timeout(self):
        if not self.is_tcp:
            return TIMEOUT["udp" if self.key[1] == UDP else "other"]
        if self.is_over():
            return TIMEOUT["closed"]
        return TIMEOUT["tcp" if self.acknowledged else "opening"]

    def take(self, packet, now):
        way = 0 if packet.key == self.key else 1
        self.last_seen = max(self.last_seen, now)
        self.seen[way] = True
        flags = packet.flags
        if self.client_is_first is None:
            self.client_is_first = flags & (SYN | ACK) != SYN | ACK
        if self.is_tcp:
            if packet.fragment is None:
                if flags & ACK and not flags & SYN:
                    self.acknowledged = True
                if flags & FIN:
                    self.fins[way] = True
                # A reset is not believed of somebody who goes on sending.
                if flags & RST:
                    self.resets[way] = True
                elif packet.size and not all(self.fins):
                    self.resets[way] = False
        self.packets[way].append(packet)

    def to_server(self, way):
        return (way == 0) == self.client_is_first

    def identity(self):
        """As in flows.jsonl."""
        version, proto, source, sport, destination, dport = self.key
        return (f"{self.first // SECOND}.{self.first % SECOND:09}", proto, address(source), sport,
                address(destination), dport)


def address(packed):
    return str(ip_address(packed))


# From packets to flows

class Datagrams:
    """IP fragments: each gets the key of the first one, and the one that completes a datagram the whole of it."""

    def __init__(self):
        self.open = {}

    @staticmethod
    def name(packet):
        version, proto, source, _, destination, _ = packet.key
        return version, proto if version == 4 else 0, source, destination, packet.fragment[0]

    def keys(self, packets):
        """The flow keys of all fragments: (number of the packet, key of the first one or its own)."""
        datagrams = {}
        for number, (now, packet) in packets:
            name = self.name(packet)
            found = datagrams.get(name)
            if found is None or now > found[0]:
                found = datagrams[name] = [now + FRAGMENT_TIMEOUT, None, []]
            if packet.fragment[1] == 0:
                found[1] = packet.key
                yield from ((waiting, packet.key) for waiting in found[2])
                found[2] = []
            if found[1]:
                yield number, found[1]
            else:
                found[2].append(number)
                yield number, packet.key

    def take(self, packet, key, now):
        """The datagram that this fragment completes, as a packet; None while some is missing."""
        name = self.name(packet)
        state = self.open.get(name)
        if state is None or now > state[0]:
            state = self.open[name] = [now + FRAGMENT_TIMEOUT, Stream(0), None, packet.key[1]]
        _, offset, more = packet.fragment
        state[1].put(offset, packet.payload)
        if offset == 0:
            state[3] = packet.key[1]
        if not more:
            state[2] = offset + packet.size
        pieces = state[1].pieces()
        if state[2] is None or len(pieces) != 1 or pieces[0][0] != 0 or len(pieces[0][1]) < state[2]:
            return None
        del self.open[name]
        payload, size, seq, flags = transport(state[3], pieces[0][1][:state[2]], state[2])
        return Packet(key, payload, size, None, seq, flags)


def flows_of(records):
    """The flows of a capture: [(ns, wire length, frame as Ethernet)] -> [Flow]."""
    now, parsed = 0, []
    for ns, wire, frame in records:
        now = max(now, ns)
        packet = parse(frame, wire)
        if packet:
            parsed.append((now, ns, packet))
    datagrams = Datagrams()
    keys = dict(datagrams.keys((number, (now, packet)) for number, (now, _, packet) in enumerate(parsed)
                               if packet.fragment))
    flows, table = [], {}
    for number, (now, ns, packet) in enumerate(parsed):
        if packet.fragment:
            packet = packet._replace(key=keys[number])
        version, proto, source, sport, destination, dport = packet.key
        reverse = (version, proto, destination, dport, source, sport)
        name = min(packet.key, reverse)
        flow = table.get(name)
        opens = packet.flags & (SYN | ACK | FIN | RST) == SYN
        if flow is None or now - flow.last_seen > flow.timeout() or (flow.is_tcp and opens and flow.is_over()):
            flow = table[name] = Flow(packet.key, now, ns)
            flows.append(flow)
        flow.take(packet, now)
        if packet.fragment:
            whole = datagrams.take(packet, packet.key, now)
            if whole:
                flow.take(whole, now)
    return flows


# From packets to what is searched

class Stream:
    """Bytes by place; those that came first stay."""

    def __init__(self, start):
        self.begins, self.runs = [], []
        self.next = start  # where the run ends that most bytes are added to

    def put(self, place, data):
        while data:
            index = bisect.bisect_right(self.begins, place)
            if index and self.begins[index - 1] + len(self.runs[index - 1]) > place:
                known = self.begins[index - 1] + len(self.runs[index - 1]) - place
                place, data = place + known, data[known:]
                continue
            room = self.begins[index] - place if index < len(self.begins) else len(data)
            fresh, data = data[:room], data[room:]
            if index and self.begins[index - 1] + len(self.runs[index - 1]) == place:
                self.runs[index - 1] += fresh
            else:
                self.begins.insert(index, place)
                self.runs.insert(index, bytearray(fresh))
            place += len(fresh)

    def pieces(self):
        """[(place, bytes)] without holes in them."""
        joined = []
        for begin, run in zip(self.begins, self.runs):
            if joined and joined[-1][0] + len(joined[-1][1]) == begin:
                joined[-1] = (joined[-1][0], joined[-1][1] + run)
            else:
                joined.append((begin, run))
        return [(begin, bytes(run)) for begin, run in joined]


class Piece(NamedTuple):
    """Bytes to search. `starts`: the stream or datagram begins with them; `ends`: it ends with them."""

    data: bytes
    starts: bool
    ends: bool


def distance(here, there):
    return (there - here + (1 << 31)) % (1 << 32) - (1 << 31)


def tcp_pieces(packets):
    """One direction of a TCP connection. It begins behind the last SYN before any data, or with the first byte."""
    start, stream, highest, fin = None, Stream(0), 0, None
    for packet in packets:
        if packet.fragment or packet.flags & RST:
            continue
        seq = packet.seq
        if packet.flags & SYN:
            if not stream.runs:
                start, highest, fin = (seq + 1) % (1 << 32), 0, None
            seq += 1
        if not packet.size and not packet.flags & FIN:
            continue
        if start is None:
            start = seq % (1 << 32)
        place = highest + distance((start + highest) % (1 << 32), seq)
        if abs(place - highest) > MOST_AHEAD:
            continue
        end = place + packet.size
        if fin is not None:
            end = min(end, fin)
        elif packet.flags & FIN and end >= highest:
            fin = end
        data = packet.payload[:max(end - place, 0)]
        if place < 0:
            data, place = data[-place:], 0
        stream.put(place, data)
        highest = max(highest, end)
    end = highest if fin is None else fin
    result = []
    for place, data in stream.pieces():
        ends = place + len(data) == end
        if place + len(data) > STREAM_DEPTH:
            data, ends = data[:max(STREAM_DEPTH - place, 0)], False
        if data:
            result.append(Piece(data, place == 0, ends))
    return result


def datagram_pieces(packets):
    left, result = STREAM_DEPTH, []
    for packet in packets:
        if packet.fragment or not packet.payload or left <= 0:
            continue
        data = packet.payload[:left]
        left -= len(packet.payload)
        result.append(Piece(data, True, len(data) == packet.size))
    return result


def pieces_of(flow):
    """By direction: to the server, to the client."""
    by_way = {}
    for way in (0, 1):
        make = tcp_pieces if flow.is_tcp else datagram_pieces
        by_way["to_server" if flow.to_server(way) else "to_client"] = make(flow.packets[way])
    return by_way


# Patterns

class Pattern:
    """An entry of `payload`, `payload_all` or `payload_none`."""

    def __init__(self, value):
        value = value if isinstance(value, dict) else {"pattern": value}
        text, flags = value["pattern"], 0
        self.multiline = False
        if text.startswith("/"):
            text, letters = text[1:].rsplit("/", 1)
            self.multiline = "m" in letters
            flags = sum({"i": re.I, "s": re.S, "m": re.M}[letter] for letter in letters)
            # `/` needs no backslash in Python, and may have one.
            self.expression = text.encode("latin-1")
        else:
            self.expression = re.escape(text.encode())
        self.regex = re.compile(self.expression, flags)
        self.to_start = self.expression.startswith((b"^", b"\\A")) and not self.multiline
        self.to_end = self.expression.endswith(b"$") and not self.expression.endswith(b"\\$")
        self.way = value.get("direction", "both")
        self.offset = value.get("offset", 0)
        self.depth = value.get("depth")

    def found_in(self, piece):
        if not piece.starts and (self.to_start or self.offset or self.depth is not None):
            return False
        if self.to_end and not piece.ends and not self.multiline:
            return False
        if piece.starts and (piece.ends or not self.to_end):
            limit = len(piece.data) if self.depth is None else self.offset + self.depth
            return self.regex.search(piece.data, self.offset, limit) is not None
        # What stands next to the piece is not known: no line begins or ends there.
        before, after = b"" if piece.starts else b"\0", b"\0" if self.to_end and not piece.ends else b""
        return self.regex.search(before + piece.data + after, len(before)) is not None

    def found(self, by_way):
        return any(self.found_in(piece) for way in ("to_server", "to_client") if self.way in ("both", way)
                   for piece in by_way[way])


class Rule:
    """The payload part of a rule of the configuration."""

    def __init__(self, value):
        self.any, self.all, self.none = ([Pattern(entry) for entry in _list(value.get(key))]
                                         for key in ("payload", "payload_all", "payload_none"))

    def selects(self, by_way):
        return ((not self.any or any(pattern.found(by_way) for pattern in self.any))
                and all(pattern.found(by_way) for pattern in self.all)
                and not any(pattern.found(by_way) for pattern in self.none))


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def select(capture, rules):
    """The flows that each rule selects: {rule id: {identity}}. `rules`: as in the configuration."""
    records = []
    for record in capture.records:
        frame = as_ethernet(record.data, record.wire, capture.link_types[record.interface])
        if frame:
            records.append((record.ns, frame[1], frame[0]))
    selected = defaultdict(set)
    compiled = {rule["id"]: Rule(rule) for rule in rules}
    for flow in flows_of(records):
        by_way = pieces_of(flow)
        for number, rule in compiled.items():
            if rule.selects(by_way):
                selected[number].add(flow.identity())
    return selected
