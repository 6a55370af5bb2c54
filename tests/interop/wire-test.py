#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""usage: wire-test.py

Tests wire.py with captures made up here: the good ones pass, and each kind of
violation is seen. Prints what went wrong; the exit status tells."""

import contextlib
import io
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire                                     # noqa: E402

FIN, SYN, RST, ACK, PSH = 0x01, 0x02, 0x04, 0x10, 0x08
GOOD, BAD, UNUSABLE = 0, 1, 2

PREFIX = b"IKETCP"
V4 = (bytes([198, 51, 100, 1]), bytes([203, 0, 113, 1]))
V6 = (bytes.fromhex("20010db8000100000000000000000001"),
      bytes.fromhex("20010db8000200000000000000000001"))


def ike(exchange=34, size=100, claim=None, version=0x20):
    return framed(bytes(4) + struct.pack(
        ">8s8sBBBBII", b"initiato", bytes(8), 33, version, exchange, 8, 0,
        size if claim is None else claim) + bytes(size - 28))


def esp(seq, spi=0x12345678, size=60):
    return framed(struct.pack(">II", spi, seq) + bytes(size - 8))


def framed(message):
    return struct.pack(">H", len(message) + 2) + message


class Capture:
    def __init__(self, hosts=V4, link=1, order="<", isn=(0xfffffff0, 77)):
        self.hosts, self.link, self.order = hosts, link, order
        self.seq = list(isn)
        self.ports = (40000, 4500)
        self.records = []
        self.tos = 0

    def packet(self, payload, protocol=6, side=0):
        source, target = self.hosts[side], self.hosts[1 - side]
        if len(source) == 4:
            head = struct.pack(">BBHHHBBH4s4s", 0x45, self.tos,
                               20 + len(payload), 0, 0x4000, 64, protocol, 0,
                               source, target)
        else:
            head = struct.pack(">IHBB16s16s", 6 << 28 | self.tos << 20,
                               len(payload), protocol, 64, source, target)
        kind = b"\x08\x00" if len(source) == 4 else b"\x86\xdd"
        before = {1: bytes(12) + kind, 113: bytes(14) + kind,
                  276: kind + bytes(18), 101: b""}[self.link]
        self.records.append(before + head + payload)

    def tcp(self, side, flags, data=b"", seq=None):
        if seq is None:
            seq = self.seq[side]
            self.seq[side] += len(data) + bool(flags & (SYN | FIN))
        self.packet(struct.pack(
            ">HHIIBBHHH", self.ports[side], self.ports[1 - side],
            seq & 0xffffffff, self.seq[1 - side] & 0xffffffff, 5 << 4, flags,
            1000, 0, 0) + data, side=side)
        return self

    def open(self):
        return self.tcp(0, SYN).tcp(1, SYN | ACK).tcp(0, ACK)

    def say(self, side, *parts):
        for part in parts:
            self.tcp(side, PSH | ACK, part)
        return self

    def close(self):
        return self.tcp(0, FIN | ACK).tcp(1, FIN | ACK).tcp(0, ACK)

    def arp(self):
        self.records.append(bytes(12) + b"\x08\x06" + bytes(28))
        return self

    def bytes(self, cut=None):
        data = struct.pack(self.order + "IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0,
                           262144, self.link)
        for record in self.records:
            kept = record[:cut]
            data += struct.pack(self.order + "IIII", 0, 0, len(kept),
                                len(record)) + kept
        return data


def stream(*messages, **options):
    return Capture(**options).open().say(0, PREFIX, *messages)


def cases():
    both = lambda c: c.open().say(0, PREFIX, ike(), ike(35), esp(1)) \
        .say(1, ike(), ike(35), esp(1, 0x9999), esp(2, 0x9999)).close()
    need = "--need ike=2 --need esp=1 --need connections=1 --only --no-skips"
    yield "IPv4", GOOD, both(Capture()), need
    yield "IPv6", GOOD, both(Capture(V6)), need
    yield "Linux cooked", GOOD, both(Capture(link=113)), need
    yield "Linux cooked v2", GOOD, both(Capture(V6, link=276)), need
    yield "raw IP", GOOD, both(Capture(link=101)), need
    yield "big-endian file", GOOD, both(Capture(order=">")), need
    yield "quiet", GOOD, both(Capture()), "--quiet"
    yield "too little", BAD, both(Capture()), "--need esp=2"
    yield "too few connections", BAD, both(Capture()), "--need connections=2"

    whole = PREFIX + ike() + esp(1) + esp(2) + ike(37)
    for size in 1, 7, 1000:
        parts = [whole[i:i + size] for i in range(0, len(whole), size)]
        yield "segments of %d" % size, GOOD, \
            Capture().open().say(0, *parts).close(), "--need esp=0"
    c = Capture().open()
    at = c.seq[0]
    for i in range(len(whole) - 50, -50, -50):
        c.tcp(0, ACK, whole[max(i, 0):i + 50], at + max(i, 0))
    yield "segments backwards", GOOD, c, ""
    c = stream(ike(), esp(1))
    c.tcp(0, ACK, PREFIX + ike() + esp(1), c.seq[0] - len(PREFIX + ike() + esp(1)))
    yield "the same again", GOOD, c, ""
    c = stream(ike(), esp(1))
    c.tcp(0, ACK, ike(size=101)[:90], c.seq[0] - len(ike() + esp(1)))
    yield "something else again", BAD, c, ""
    c = stream(ike(), esp(1))
    c.tcp(0, ACK, esp(2) + esp(3), c.seq[0] + 20)
    yield "a hole", UNUSABLE, c, ""
    yield "a hole, allowed", GOOD, c, "--allow-incomplete"
    c = Capture().say(0, esp(1))
    yield "no SYN", UNUSABLE, c, ""
    yield "no SYN, allowed", GOOD, c, "--allow-incomplete"
    yield "cut frames", UNUSABLE, (stream(ike()), 96), ""

    yield "no prefix", BAD, Capture().open().say(0, ike()), ""
    yield "wrong prefix", BAD, Capture().open().say(0, b"IKETCQ", ike()), ""
    yield "the prefix twice", BAD, stream(PREFIX, ike()), ""
    yield "the responder's prefix", BAD, stream(ike()).say(1, PREFIX, ike()), ""
    yield "end in the prefix", BAD, Capture().open().say(0, b"IKE").close(), ""
    yield "end in the length", BAD, stream(b"\0").close(), ""
    yield "end in a message", BAD, stream(ike()[:-1]).close(), ""
    yield "not yet the end of a message", GOOD, stream(ike()[:-1]), ""
    yield "length 0", BAD, stream(b"\0\0"), ""
    yield "length 1", BAD, stream(b"\0\1"), ""
    yield "an empty message", BAD, stream(framed(b"")), ""
    yield "a keepalive", BAD, stream(framed(b"\xff")), ""
    yield "a keepalive, allowed", GOOD, stream(framed(b"\xff")), "--allow-keepalive"
    yield "three bytes", BAD, stream(framed(b"abc")), "--allow-keepalive"
    yield "a marker alone", BAD, stream(framed(bytes(4))), ""
    yield "IKE with a wrong length", BAD, stream(ike(claim=99)), ""
    yield "IKEv1", BAD, stream(ike(version=0x10)), ""
    yield "a reserved SPI", BAD, stream(esp(1, 255)), ""
    yield "odd ESP", BAD, stream(esp(1, size=61)), ""
    yield "short ESP", BAD, stream(framed(b"\1\2\3\4\0\0")), ""
    yield "ESP twice", BAD, stream(esp(1), esp(1)), ""
    yield "ESP backwards", BAD, stream(esp(2), esp(1)), ""
    yield "ESP of two SPIs", GOOD, stream(esp(2), esp(1, 0x777)), "--no-skips"
    yield "ESP round the corner", GOOD, stream(esp(0xffffffff), esp(0)), "--no-skips"
    yield "ESP skips", GOOD, stream(esp(1), esp(3)), ""
    yield "ESP skips, forbidden", BAD, stream(esp(1), esp(3)), "--no-skips"

    def with_tos(*values):
        c = stream(ike())
        for number, value in enumerate(values):
            c.tos = value
            c.say(0, esp(number + 1))
        return c
    yield "ECN-capable", BAD, with_tos(2), ""
    yield "ECN-capable, allowed", GOOD, with_tos(2), "--allow-ecn"
    yield "DSCP changes", BAD, with_tos(0x20, 0x40), ""

    c = stream(ike()).arp()
    yield "ARP", GOOD, c, "--only"
    for name, protocol, payload in (("UDP", 17, bytes.fromhex("1194119400080000")),
                                    ("ESP outside TCP", 50, bytes(40)),
                                    ("a ping", 1, b"\x08" + bytes(20)),
                                    ("another TCP port", 6,
                                     struct.pack(">HHIIBBHHH", 1, 80, 0, 0, 80,
                                                 ACK, 0, 0, 0))):
        c = stream(ike())
        c.packet(payload, protocol)
        yield name, BAD, c, "--only"
        yield name + ", allowed", GOOD, c, ""
    c = stream(ike())
    c.packet(b"\x03\x04" + bytes(20), 1)
    yield "an ICMP error", GOOD, c, "--only"
    c = both(Capture())
    c.seq = [5000, 9000]
    yield "the ports again", GOOD, both(c), "--need connections=2"
    c = Capture()
    c.ports = (40000, 443)
    yield "port 443", GOOD, c.open().say(0, PREFIX, ike()), \
        "--port 443 --only --need connections=1"


def main():
    failed = count = 0
    for name, wanted, capture, words in cases():
        cut = None
        if isinstance(capture, tuple):
            capture, cut = capture
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            got = wire.judge(wire.Options(words.split() + ["-"]),
                             io.BytesIO(capture.bytes(cut)))
        count += 1
        if got != wanted:
            failed += 1
            print("%s: exit status %d instead of %d" % (name, got, wanted))
            print(output.getvalue())
    print("%d of %d captures judged wrongly" % (failed, count))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
