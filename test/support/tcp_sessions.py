# SPDX-License-Identifier: BSD-3-Clause
"""TCP sessions read back from captured frames: what each side sent, and whether any frame lacks bytes."""

import struct
from dataclasses import dataclass, field


@dataclass
class Direction:
    """One direction: its segments by sequence number, relative to its SYN, or to the first of them where it is not `opened`."""

    first: int | None = None
    opened: bool = False
    segments: list = field(default_factory=list)

    def data(self):
        """Its bytes up to the first hole."""
        out, end = bytearray(), 0
        for begin, data in sorted(self.segments, key=lambda segment: segment[0]):
            if begin > end:
                break
            out += data[end - begin:]
            end = max(end, begin + len(data))
        return bytes(out)

    def __str__(self):
        ends = [begin + len(data) for begin, data in self.segments]
        return f"{len(self.segments)} segments to {max(ends, default=0)}, without a hole to {len(self.data())}"


@dataclass
class Frames:
    """What a capture holds: TCP directions by (source port, destination port), other frames, and faults."""

    directions: dict = field(default_factory=dict)
    vlans: dict = field(default_factory=dict)  # of each direction's frames
    cut: list = field(default_factory=list)    # lengths of frames that end before their IP packet
    others: int = 0
    largest: int = 0

    def holds(self, data):
        """Whether these bytes are just what one side sent."""
        return any(direction.data() == data for direction in self.directions.values())

    def __str__(self):
        return "\n".join(f"{key}: {direction}" for key, direction in self.directions.items())


def read(records):
    frames = Frames()
    for record in records:
        data = record.data
        frames.largest = max(frames.largest, len(data))
        at, tags = 12, ()
        while data[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
            tags += (struct.unpack_from(">H", data, at + 2)[0] & 0xFFF,)
            at += 4
        ip = at + 2
        if data[at:at + 2] != b"\x08\x00" or data[ip + 9] != 6:
            frames.others += 1
            continue
        total = struct.unpack_from(">H", data, ip + 2)[0]
        if ip + total > len(data):
            frames.cut.append(len(data))
            continue
        tcp = ip + (data[ip] & 15) * 4
        source, target, sequence = struct.unpack_from(">HHI", data, tcp)
        payload = data[tcp + (data[tcp + 12] >> 4) * 4:ip + total]
        key = (source, target)
        direction = frames.directions.setdefault(key, Direction())
        frames.vlans.setdefault(key, set()).add(tags)
        if data[tcp + 13] & 2:
            direction.first, direction.opened = sequence + 1 & 0xFFFFFFFF, True
        if payload:
            if direction.first is None:
                direction.first = sequence
            direction.segments.append(((sequence - direction.first) & 0xFFFFFFFF, payload))
    return frames
