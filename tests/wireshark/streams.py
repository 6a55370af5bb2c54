#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Streams of IKE and ESP over TCP, and what a dissector must find in them.

usage: streams.py make DIRECTORY
       streams.py fields
       streams.py read DIRECTORY NAME [subset] <OUTPUT

"make" writes captures, NAME.pcap, and for each what is in it, NAME.want: a line
for each direction of each kind of connection, "KIND >: MESSAGES" for what the
originator sent, "KIND <: MESSAGES" for the responder. Many connections may be of
one kind; they differ in what must not matter, as in where the segments end. Which
connection is of which kind says NAME.kinds, by the originator's address.

"fields" prints the options that make tshark print what "read" reads: the same
lines, to be compared with NAME.want. If connections of one kind differ, there is
a line for each of them. With "subset" a direction of which only a part was found,
but in order and with nothing else between, is written as if all had been found.

The captures are the same each time. It shares no code with the module nor with the
dissector, and needs only python3-minimal.
"""

import os
import struct
import sys

FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10
PREFIX = b"IKETCP"
OTHER = 12345           # a port that nobody has registered
FIELDS = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "iketcp.prefix", "iketcp.type",
          "iketcp.length", "esp.spi", "isakmp.exchangetype", "iketcp.unparsed",
          "tcpencap.seq", "_ws.lua.error", "_ws.expert.message")
# What is said about whole streams, by a word of the remark: these are compared, too.
REMARKS = {"does not begin with": "wrong-prefix", "The prefix again": "again",
           "cannot be read": "broken"}


class Numbers:
    """Random ones that are the same everywhere."""

    def __init__(self, seed):
        self.state = seed * 2654435761 + 12345 & 0xffffffff

    def below(self, end):
        self.state = self.state * 1103515245 + 12345 & 0xffffffff
        return (self.state >> 8) % end

    def bytes(self, size):
        return bytes(self.below(256) for _ in range(size))


# --- messages: (what must be found, bytes) -----------------------------------

def framed(kind, body, detail=""):
    length = len(body) + 2
    return ("%s:%d%s" % (kind, length, detail), struct.pack(">H", length) + body)


def prefix():
    return ("prefix", PREFIX)


def ike(exchange=34, response=0, size=60, claim=None, payload=None):
    """A nonce where it may be in the clear, else an encrypted payload."""
    if payload is None:
        rest = size - 28
        first = 40 if exchange == 34 else 46
        payload = struct.pack(">BBH", 0, 0, rest) + Numbers(size).bytes(rest - 4)
    else:
        first = 0
    header = struct.pack(">8s8sBBBBII", b"initiato", b"responde" if response else bytes(8),
                         first, 0x20, exchange, 0x20 if response else 0x08,
                         0 if exchange == 34 else 1,
                         28 + len(payload) if claim is None else claim)
    return framed("IKE", bytes(4) + header + payload, ":%d" % exchange)


def esp(spi=0x12345678, number=1, size=60, data=None):
    if data is None:
        data = Numbers(spi + number).bytes(size - 8)
    return framed("ESP", struct.pack(">II", spi, number) + data, ":0x%08x" % spi)


def keepalive():
    return framed("keepalive", b"\xff")


def invalid(length):
    return ("invalid:%d" % length, struct.pack(">H", length))


def garbage(size, seed=1):
    return (None, Numbers(seed).bytes(size))


ORIGINATOR = (
    prefix(), ike(), ike(35, size=76), esp(), esp(number=2, data=PREFIX * 3),
    keepalive(), esp(0x100, 1, 8), framed("empty", b""), framed("short", b"\0"),
    framed("short", b"abc"), framed("short", b"\xff\xff"), framed("IKE", bytes(4)),
    framed("IKE", bytes(14)), framed("ESP", b"\1\2\3\4"), framed("ESP", b"\1\2\3\4\5"),
    framed("empty", b""), ike(37, size=48), keepalive(), esp(number=3, data=bytes(24)))
RESPONDER = (
    ike(34, 1), ike(35, 1, 64), esp(0xcafe0001), esp(0x4b455443, 1, 21), keepalive(),
    framed("short", b"IK"), esp(0xcafe0001, 2, 33), ike(37, 1, 40))


def joined(messages):
    return b"".join(data for _, data in messages)


def names(messages):
    return [name for name, _ in messages if name]


# --- captures ------------------------------------------------------------------

class Connection:
    """One TCP connection; "seq" has the next number of each side."""

    def __init__(self, capture, kind, v6=False, port=4500, isn=(1000, 70000), syn=True):
        self.capture = capture
        self.ports = (40000, port)
        self.hosts = capture.new_hosts(kind, v6)
        self.seq = list(isn)
        if syn:
            self.send(0, SYN)
            self.send(1, SYN | ACK)
            self.send(0, ACK)

    def send(self, side, flags, data=b"", back=None):
        """back: sent again, or in another order: so many bytes before the end."""
        seq = self.seq[side]
        if back is None:
            self.seq[side] += len(data) + bool(flags & (SYN | FIN))
        else:
            seq -= back
        tcp = struct.pack(">HHIIBBHHH", self.ports[side], self.ports[1 - side],
                          seq & 0xffffffff,
                          self.seq[1 - side] & 0xffffffff if flags & ACK else 0,
                          5 << 4, flags, 60000, 0, 0) + data
        self.capture.packet(self.hosts[side], self.hosts[1 - side], tcp)

    def say(self, side, *segments):
        for segment in segments:
            self.send(side, PSH | ACK, segment)
        return self

    def close(self):
        self.send(0, FIN | ACK)
        self.send(1, FIN | ACK)
        self.send(0, ACK)


class Capture:
    def __init__(self, name, snaplen=65535 + 100):
        self.name = name
        self.snaplen = snaplen
        self.packets = []
        self.kinds = {}         # originator's address -> kind
        self.want = {}          # kind -> two lists of names

    def new_hosts(self, kind, v6):
        number = len(self.kinds) + 1
        low = bytes((number >> 8 & 255, number & 255))
        if v6:
            start = bytes.fromhex("20010db8") + bytes(10)
            hosts = (start + low, start + b"\xff\xff")
            # Written as tshark does, which leaves out the longest row of zeros.
            text = "2001:db8::%x" % number
        else:
            hosts = (b"\x0a\0" + low, b"\xc6\x33\x64\1")
            text = "10.0.%d.%d" % tuple(low)
        self.kinds[text] = kind
        return hosts

    def packet(self, source, target, tcp):
        if len(source) == 4:
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0,
                             source, target)
        else:
            ip = struct.pack(">IHBB16s16s", 6 << 28, len(tcp), 6, 64, source, target)
        self.packets.append(ip + tcp)

    def kind(self, kind, originator=(), responder=(), **options):
        """A connection of a kind in which these messages are to be found."""
        self.want.setdefault(kind, (names(originator), names(responder)))
        return Connection(self, kind, **options)

    def write(self, directory):
        path = os.path.join(directory, self.name)
        with open(path + ".pcap", "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, self.snaplen, 101))
            for number, packet in enumerate(self.packets):
                kept = packet[:self.snaplen]
                # 10 ms each: nothing is a retransmission only because it is quick.
                file.write(struct.pack("<IIII", number // 100, number % 100 * 10000,
                                       len(kept), len(packet)) + kept)
        with open(path + ".kinds", "w", encoding="ascii") as file:
            for address, kind in self.kinds.items():
                file.write("%s\t%s\n" % (address, kind))
        with open(path + ".want", "w", encoding="ascii") as file:
            file.write("".join(sorted(line(kind, side, found)
                                      for kind, sides in self.want.items()
                                      for side, found in enumerate(sides))))


def line(kind, side, found):
    """Remarks begin with "!" and go last: they are about all of it."""
    found = [item for item in found if item[0] != "!"] + \
        sorted({item for item in found if item[0] == "!"})
    return "%s %s: %s\n" % (kind, "><"[side], " ".join(found) or "nothing")


# --- what is in them -----------------------------------------------------------

def pieces(data, cuts):
    ends = sorted(set(cuts) | {len(data)})
    start, parts = 0, []
    for end in ends:
        if start < end <= len(data):
            parts.append(data[start:end])
            start = end
    return parts


def random_cuts(numbers, size):
    step = (3, 12, 50, 200)[numbers.below(4)]
    at, cuts = 0, []
    while at < size:
        at += 1 + numbers.below(step)
        cuts.append(at)
    return cuts


def places():
    for v6 in False, True:
        for port in 4500, OTHER:
            yield {"v6": v6, "port": port}


def in_order(capture):
    """Everything that arrives as it was sent."""
    sent = joined(ORIGINATOR), joined(RESPONDER)
    both = (ORIGINATOR, RESPONDER)

    for place in places():
        where = "%s, port %d: " % ("IPv6" if place["v6"] else "IPv4", place["port"])
        connect = lambda kind: capture.kind(where + kind, *both, **place)

        connect("one segment").say(0, sent[0]).say(1, sent[1]).close()
        c = connect("a segment for each message")
        c.say(0, *[data for _, data in ORIGINATOR])
        c.say(1, *[data for _, data in RESPONDER]).close()
        c = connect("segments of one byte")
        for side in 0, 1:
            c.say(side, *[sent[side][i:i + 1] for i in range(len(sent[side]))])
        c.close()
        for seed in range(25):
            numbers = Numbers(seed)
            c = connect("random cuts")
            parts = [pieces(data, random_cuts(numbers, len(data))) for data in sent]
            # The responder does not speak before it has the prefix.
            while len(sent[0]) - sum(map(len, parts[0])) < len(PREFIX):
                c.say(0, parts[0].pop(0))
            while parts[0] or parts[1]:
                side = numbers.below(2)
                if parts[side]:
                    c.say(side, parts[side].pop(0))
            c.close()

    # Both families and kinds of ports, but not each with each: it is a lot.
    for place in {"v6": False, "port": 4500}, {"v6": True, "port": OTHER}:
        for at in range(1, len(sent[0])):
            c = capture.kind("cut in two, anywhere", *both, **place)
            c.say(0, *pieces(sent[0], [at])).say(1, *pieces(sent[1], [at]))
    # The length of the first message, and of one in the middle, cut off on both
    # sides.
    for at in range(0, 120):
        c = capture.kind("two cuts", *both)
        c.say(0, *pieces(sent[0], [at, at + 1])).say(1, *pieces(sent[1], [at, at + 1]))

    c = capture.kind("sequence numbers wrap", *both, isn=(0xffffff00, 0xffffffff))
    c.say(0, *pieces(sent[0], range(7, 999, 31))).say(1, *pieces(sent[1], range(3, 999, 31)))

    # One is as long as "IK" says, one begins with "I".
    large = (prefix(), ike(), esp(size=65533), esp(1 << 31, 2, 18761),
             esp(0x49000000, 3, 18800), ike(37, size=65529), esp(number=4))
    c = capture.kind("large messages", large, large[1:])
    c.say(0, *pieces(joined(large), range(0, 1 << 18, 1448)))
    c.say(1, *pieces(joined(large[1:]), range(0, 1 << 18, 8000)))

    messages = (prefix(), esp(0x01000000, 1, 40), esp(0x01000001, 2, 40))
    c = capture.kind("the same ports again", messages + messages, messages[1:] * 2)
    for _ in range(2):
        c.say(0, joined(messages)).say(1, joined(messages[1:])).close()
        c.seq = [12345678, 87654321]
        c.send(0, SYN)
        c.send(1, SYN | ACK)
        c.send(0, ACK)


def wrong(capture):
    """Streams that break the rules."""
    for length in 0, 1:
        bad = (prefix(), ike(), esp(), invalid(length), ("!broken", b""))
        good = (ike(34, 1), esp(0xcafe), esp(0xcafe, 2))
        after = joined([esp(number=2), ike(37)])
        for size in 1, 7, 400:
            c = capture.kind("length %d" % length, bad, good)
            data = joined(bad) + after
            c.say(0, *pieces(data, range(size, len(data), size))).say(1, joined(good[:2]))
            c.say(0, joined([esp(), ike()])).say(1, joined(good[2:]))
        # The other way round: the responder's.
        bad = (ike(34, 1), invalid(length), ("!broken", b""))
        c = capture.kind("length %d from the responder" % length, (prefix(), ike(), esp()), bad)
        c.say(0, joined((prefix(), ike()))).say(1, joined(bad) + after)
        c.say(0, joined((esp(),))).say(1, joined((esp(),)))
    c = capture.kind("length 0 at the very end", (prefix(), ike(), invalid(0)), ())
    c.say(0, joined((prefix(), ike(), invalid(0)))).close()

    complaint = ("!wrong-prefix", b"")
    for port in 4500, OTHER:
        want = (complaint,) if port == 4500 else ()
        for text in b"IKETCQ", b"iketcp", b"SSH-2.0-x", b"\0\x3a", b"I":
            rest = joined((ike(), esp(), esp(number=2)))
            for cut in (), (1, 2, 3, 4, 5), (5,):
                c = capture.kind("a wrong prefix, port %d" % port, want, (), port=port)
                c.say(0, *pieces(text + rest, cut)).say(1, joined(RESPONDER)).say(0, rest)
                c.say(1, joined((esp(), esp())))
    for cut in 0, 50, 66:
        c = capture.kind("no prefix, but IKE",
                         (complaint, ike(), esp(), ike(35), esp(number=2)),
                         (ike(34, 1), esp(0xbeef)))
        c.say(0, *pieces(joined((ike(), esp())), (cut,))).say(1, joined((ike(34, 1),)))
        c.say(1, joined((esp(0xbeef),))).say(0, joined((ike(35), esp(number=2))))
    again = ("!again", b"")
    for size in 1, 5, 17, 999:
        data = joined((prefix(), prefix(), ike(), esp(), prefix(), esp(number=2)))
        c = capture.kind("the prefix again", (prefix(), again, prefix(), ike(), esp(), again,
                                              prefix(), esp(number=2)), (ike(34, 1),))
        c.say(0, *pieces(data, range(size, len(data), size))).say(1, joined((ike(34, 1),)))
        data = joined((prefix(), ike(34, 1), esp(0xbeef)))
        c = capture.kind("the responder's prefix", (prefix(), ike()),
                         (again, prefix(), ike(34, 1), esp(0xbeef)))
        c.say(0, joined((prefix(), ike()))).say(1, *pieces(data, range(size, len(data), size)))
    # "isakmp" is not asked for what has no whole header or a length below that.
    odd = (prefix(), ike(claim=59), esp(), framed("IKE", bytes(30)), esp(number=2),
           framed("IKE", ike(claim=4)[1][2:], ":-"))
    c = capture.kind("IKE with other lengths", odd, ())
    c.say(0, joined(odd))


def partly(capture):
    """What was captured only in part."""
    late = (ike(36, size=90), esp(), esp(number=2), keepalive(), esp(number=3, size=700))
    back = (esp(0xcafe, 7), framed("empty", b""), esp(0xcafe, 8), ike(36, 1))
    parts = [data for _, data in late]
    c = capture.kind("begins between messages", late, back, syn=False)
    c.say(0, *parts).say(1, *[data for _, data in back])
    c = capture.kind("begins between messages", late, back, syn=False)
    c.say(0, joined(late)).say(1, joined(back))
    c = capture.kind("begins between messages", late, back, syn=False)
    c.say(0, joined(late)[:900]).say(0, joined(late)[900:]).say(1, joined(back))

    data = [esp(number=number, size=400) for number in range(6)]
    c = capture.kind("begins between messages, the last is cut", data, (), syn=False)
    c.say(0, *pieces(joined(data), (1000, 2000)))

    for seed in range(20):
        # Nobody knows yet that it is ours when the originator's begins.
        c = capture.kind("begins inside a message", late, (("unparsed", b""), *back), syn=False)
        c.say(0, garbage(1448, seed)[1], garbage(600, seed + 50)[1], *parts)
        c.say(1, garbage(1000, seed)[1], *[data for _, data in back])
    for seed in range(20):
        c = capture.kind("nothing but ciphertext", syn=False)
        c.say(seed % 2, *[garbage(1448, seed * 9 + i)[1] for i in range(5)])
    c = capture.kind("begins with the prefix, no SYN", ORIGINATOR, RESPONDER, syn=False)
    c.say(0, joined(ORIGINATOR)).say(1, joined(RESPONDER))
    c = capture.kind("begins with the prefix, no SYN", ORIGINATOR, RESPONDER, syn=False,
                     port=OTHER)
    c.say(0, joined(ORIGINATOR)).say(1, joined(RESPONDER))

    # Segments are missing, and never come; the last one begins with a message.
    begin = (prefix(), ike(), esp())
    end = (esp(number=9), esp(number=10))
    for cut in b"", b"\0", esp(number=2, size=700)[1][:100]:
        c = capture.kind("a hole", (*begin, ("unparsed", b""), *end), ())
        c.say(0, joined(begin) + cut).seq[0] += 1700
        c.say(0, garbage(300, 3)[1], joined(end))


def again(capture):
    """Segments that come twice. In order, so that it works with TCP's defaults."""
    sent = joined(ORIGINATOR), joined(RESPONDER)
    both = (ORIGINATOR, RESPONDER)
    for size in 1, 6, 10, 63, 100, 250:
        c = capture.kind("everything twice", *both)
        for side in 0, 1:
            for part in pieces(sent[side], range(size, 999, size)):
                c.say(side, part)
                c.send(side, PSH | ACK, part, back=len(part))
        c = capture.kind("all of it again", *both)
        for side in 0, 1:
            parts = pieces(sent[side], range(size, 999, size))
            c.say(side, *parts)
            back = len(sent[side])
            for part in parts:
                c.send(side, PSH | ACK, part, back=back)
                back -= len(part)
    c = capture.kind("probes of the peer", *both)
    for side in 0, 1:
        for part in pieces(sent[side], (6, 80, 160)):
            c.say(side, part)
            c.send(side, ACK, part[-1:], back=1)


def disorder(capture):
    """Segments in another order, and longer ones sent again."""
    sent = joined(ORIGINATOR), joined(RESPONDER)
    both = (ORIGINATOR, RESPONDER)
    for seed in range(40):
        numbers = Numbers(seed)
        c = capture.kind("another order", *both)
        for side in 0, 1:
            parts, at = [], 0
            for part in pieces(sent[side], random_cuts(numbers, len(sent[side]))):
                parts.append((at, part))
                at += len(part)
            # The first stays: without it nobody knows what is to come.
            for i in range(2, len(parts)):
                if not numbers.below(3):
                    parts[i - 1], parts[i] = parts[i], parts[i - 1]
            c.seq[side] += len(sent[side])
            for at, part in parts:
                c.send(side, PSH | ACK, part, back=len(sent[side]) - at)
                if not numbers.below(5):
                    c.send(side, PSH | ACK, part, back=len(sent[side]) - at)
    for size in 9, 40, 77:
        c = capture.kind("again, and longer", *both)
        for side in 0, 1:
            data = sent[side]
            c.seq[side] += len(data)
            for at in range(0, len(data), size):
                part = data[max(0, at - size // 2):at + size]
                c.send(side, PSH | ACK, part, back=len(data) - max(0, at - size // 2))


def short(capture):
    """Only the first bytes of each packet."""
    c = capture.kind("cut packets", (), ())
    # The IKE message is whole, the rest not; the last begins where it has to.
    c.say(0, joined((prefix(), esp(size=200), esp(number=2))))
    c.say(0, joined((ike(35, size=400),)), joined((esp(number=3, size=900),)))
    c.say(1, joined((ike(34, 1, size=400),)))
    capture.want["cut packets"] = (
        ["prefix", "ESP:202:0x12345678", "IKE:406:-", "ESP:902:0x12345678"], ["IKE:406:-"])


def plain(capture):
    """A few messages on a port, to see what the user's settings do with them."""
    messages = (prefix(), ike(), esp(), esp(number=2))
    c = capture.kind("port 4500", messages, (ike(34, 1), esp(0xcafe)))
    c.say(0, joined(messages)).say(1, joined((ike(34, 1), esp(0xcafe))))
    c = capture.kind("port %d" % OTHER, messages, (ike(34, 1), esp(0xcafe)), port=OTHER)
    c.say(0, joined(messages)).say(1, joined((ike(34, 1), esp(0xcafe))))
    # Nobody can see by the bytes what this is.
    c = capture.kind("port %d from the middle" % (OTHER + 1), messages[1:], (), port=OTHER + 1,
                     syn=False)
    c.say(0, joined(messages[1:]))
    # Taken by "tls".
    c = capture.kind("port 443", messages, (), port=443)
    c.say(0, joined(messages))


def apart(capture):
    """What is left without reassembly: whole messages only, but all of them."""
    hole = ("unparsed", b"")
    # In a frame the holes are named first.
    found = (hole, prefix(), ike(), hole, esp(number=2), hole, esp(number=5))
    sent = joined((prefix(), ike(), esp(), esp(number=2), esp(number=3),
                   esp(number=4, size=300), esp(number=5)))
    for isn in 1000, 0xffffff00:
        c = capture.kind("messages in several segments", found, (), isn=(isn, 1))
        c.say(0, *pieces(sent, (100, 250, 350, 450)))


def late(capture):
    """Not IKE at first. Whoever does not see that must not read it later."""
    c = capture.kind("late", (), (), port=OTHER)
    c.say(0, b"\0\x08abcdef").say(0, joined((prefix(), ike(), esp())))


def foreign(capture):
    """Cisco's older IPsec over TCP, which Wireshark knows as tcpencap. Its packets
    end with 16 bytes: zeros, a number, and 50 for ESP."""
    def packet(number):
        return esp(number=number, size=100)[1][2:] + struct.pack(
            ">IHH5sBH", 0, number, 0, b"magic", 50, 0x1234)
    for port in 4500, OTHER:
        c = capture.kind("Cisco's, port %d" % port, port=port)
        c.say(0, packet(1), packet(2)).say(1, packet(3))
        c = capture.kind("Cisco's, port %d, no SYN" % port, port=port, syn=False)
        c.say(0, packet(1), packet(2)).say(1, packet(3))
        complaint = ["!wrong-prefix"] if port == 4500 else []
        capture.want["Cisco's, port %d" % port] = (complaint + ["tcpencap"] * 2, ["tcpencap"])
        capture.want["Cisco's, port %d, no SYN" % port] = (["tcpencap"] * 2, ["tcpencap"])


def nested(capture):
    """Null encryption, and inside the same again: a connection with equal ports."""
    inside = (prefix(), ike(), esp(0xabcd), esp(0xabce))
    inner = Capture("inner")
    # Not the addresses outside, or it would be the same connection.
    inner.new_hosts("", False)
    inner.kind("").say(0, joined(inside))
    packets = []
    for number, packet in enumerate(inner.packets):
        padding = bytes(range(1, -(len(packet) + 2) % 4 + 1))
        trailer = padding + bytes((len(padding), 4)) + bytes(12)
        packets.append(esp(number=number, data=packet + trailer))
    after = (esp(0x777), keepalive())
    outside = (prefix(), ike(), *packets, *inside, *after)
    c = capture.kind("a tunnel in a tunnel", outside)
    c.say(0, *pieces(joined((prefix(), ike(), *packets, *after)), (100, 300)))


def make(directory):
    for fill in in_order, wrong, partly, again, disorder, apart, late, plain, foreign, nested:
        capture = Capture(fill.__name__)
        fill(capture)
        capture.write(directory)
    capture = Capture("short", 130)
    short(capture)
    capture.write(directory)


# --- what tshark found ---------------------------------------------------------

def found_in(row):
    """Names, as those of the messages above, of what is in a frame."""
    lengths = row["iketcp.length"].split(",")
    spis = row["esp.spi"].split(",")
    exchanges = [text or "-" for text in row["isakmp.exchangetype"].split(",")]
    found = ["!" + name for text, name in REMARKS.items()
             if text in row["_ws.expert.message"]]
    if row["_ws.lua.error"] or "Exception occurred" in row["_ws.expert.message"]:
        found.append("MALFORMED")
    if row["tcpencap.seq"]:
        found.append("tcpencap")
    elif row["iketcp.unparsed"] and "!broken" not in found:
        found.append("unparsed")
    for kind in filter(None, row["iketcp.type"].split(",")):
        if kind != "prefix":
            length = lengths.pop(0)
            if kind == "ESP" and int(length) >= 2 + 8:
                kind = "ESP:%s:%s" % (length, spis.pop(0))
            elif kind == "IKE" and int(length) >= 2 + 4 + 28:
                kind = "IKE:%s:%s" % (length, exchanges.pop(0) if exchanges else "-")
            else:
                kind = "%s:%s" % (kind, length)
        found.append(kind)
    return found


def is_part(found, want):
    rest = iter(want)
    return all(name in rest for name in found)


def read(directory, name, subset):
    path = os.path.join(directory, name)
    with open(path + ".kinds", encoding="ascii") as file:
        kinds = dict(row.rstrip("\n").split("\t") for row in file)
    connections = {}
    for row in sys.stdin:
        row = dict(zip(FIELDS, row.rstrip("\n").split("\t")))
        for name in FIELDS[:4]:
            row[name] = row[name].split(",")[0]     # in a tunnel there are more
        source = row["ip.src"] or row["ipv6.src"]
        side = 0 if source in kinds else 1
        address = source if side == 0 else row["ip.dst"] or row["ipv6.dst"]
        found = connections.setdefault((address, side), [])
        for item in found_in(row):
            # One remark of a kind, and one hole, is as good as several.
            if not (item[0] == "!" and item in found or found[-1:] == ["unparsed"] == [item]):
                found.append(item)
    want = {}
    if subset:
        with open(path + ".want", encoding="ascii") as file:
            for row in file:
                start, _, rest = row.rpartition(": ")
                want[start] = rest.split()
    lines = set()
    for address, kind in kinds.items():
        for side in 0, 1:
            found = connections.get((address, side), [])
            if subset:
                whole = want["%s %s" % (kind, "><"[side])]
                found = [item for item in found if item != "unparsed"]
                found = whole if is_part(found, whole) else found
            lines.add(line(kind, side, found))
    sys.stdout.write("".join(sorted(lines)))


def main():
    words = sys.argv[1:]
    if words[:1] == ["make"] and len(words) == 2:
        make(words[1])
    elif words == ["fields"]:
        print("-Tfields", *["-e" + name for name in FIELDS])
    elif words[:1] == ["read"] and (len(words) == 3 or words[3:] == ["subset"]):
        read(words[1], words[2], len(words) == 4)
    else:
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
