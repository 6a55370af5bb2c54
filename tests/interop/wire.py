#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge a capture of IKE and ESP over TCP by the draft's own words.

usage: wire.py [option]... FILE.pcap        ("-" reads standard input)

Reads a capture as tcpdump -w writes it (pcap, either byte order, micro- or
nanoseconds; Ethernet with VLANs, Linux cooked v1 and v2, raw IP, loopback),
puts every TCP stream together again by its sequence numbers, IPv4 and IPv6,
and checks each direction of each connection to or from the port:

  prefix    whoever sent the SYN sends "IKETCP" first, once; the other end not
  framing   every length is 2 + something; nothing is left over at the FIN
  IKE       marker 0, a whole IKEv2 header, its length that of the message
  ESP       an SPI above 255, whole 32-bit words, sequence numbers strictly
            increasing for each SPI (a jump forward is counted as "skipped")
  0xFF      no keepalive is sent
  TCP       a retransmission carries the same bytes as the first time
  IP        no packet with payload is marked ECN-capable, and all of one
            direction have the same DSCP (draft, sections 12.3 and 12.5)

It shares no code with the module and needs only python3-minimal.

options:
  --port N              port of the responder, may be repeated (default 4500)
  --only                anything else between the hosts is a violation, too:
                        UDP, ESP, other TCP ports, pings; neighbour discovery
                        and ICMP errors are not
  --need ike=N          at least N such messages in each direction, over all
  --need esp=N          connections together
  --need connections=N  at least N connections
  --no-skips            a skipped ESP sequence number is a violation
  --allow-keepalive     a 0xFF message is not
  --allow-ecn           nor are ECN marks or a changing DSCP
  --allow-incomplete    the capture may have holes, or begin in a connection
  --messages            print every message
  --quiet               print violations only
  -h, --help            print this

exit status: 0 all is well, 1 a violation, 2 the capture is unusable or
incomplete (judge nothing by it), 3 wrong usage.
"""

import collections
import struct
import sys

PREFIX = b"IKETCP"
HISTORY = 4 << 20       # bytes per direction kept to compare retransmissions
SHOWN = 20              # violations printed in full

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
IKE_EXCHANGES = {34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA",
                 37: "INFORMATIONAL", 43: "IKE_INTERMEDIATE"}
PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp",
             51: "ah", 58: "icmp6", 4: "ipip", 41: "ip6"}
V6_EXTENSIONS = (0, 43, 60)


class Unusable(Exception):
    """The capture cannot be judged."""


class Report:
    """Collects what is wrong, so that one run tells all of it."""

    def __init__(self):
        self.violations = []
        self.incomplete = []

    def violation(self, text):
        self.violations.append(text)
        if len(self.violations) <= SHOWN:
            print("VIOLATION: " + text)
        elif len(self.violations) == SHOWN + 1:
            print("VIOLATION: (more of them are only counted)")

    def gap(self, text):
        self.incomplete.append(text)
        print("INCOMPLETE: " + text)


class Direction:
    """One half of a connection: reassembly, then framing."""

    def __init__(self, name, originator, options, report):
        self.name = name
        self.options = options
        self.report = report
        self.next = None            # next sequence number wanted
        self.waiting = {}           # sequence number -> segment beyond a hole
        self.history = collections.deque()  # (sequence number, bytes), oldest first
        self.history_bytes = 0
        self.fin = None             # sequence number of the FIN
        self.late = False           # no SYN was captured
        self.broken = False         # framing lost, the rest is not read
        self.buffer = bytearray()
        self.offset = 0             # stream offset of buffer[0]
        self.want_prefix = originator
        self.last_seq = {}          # SPI -> newest ESP sequence number
        self.dscp = None
        self.segments = 0
        self.retransmitted = 0
        self.stream_bytes = 0
        self.ike = {}
        self.ike_messages = 0
        self.esp_messages = 0
        self.esp_bytes = 0
        self.skipped = 0
        self.largest = 0
        self.keepalives = 0

    # --- TCP ---------------------------------------------------------------

    def tos(self, tos):
        if self.options.allow_ecn:
            return
        if tos & 3:
            self.report.violation("%s: a segment is marked ECN-capable (%d)"
                                  % (self.name, tos & 3))
            self.options.allow_ecn = True       # once is enough
        if self.dscp is None:
            self.dscp = tos >> 2
        elif self.dscp != tos >> 2:
            self.report.violation("%s: DSCP changed from %d to %d"
                                  % (self.name, self.dscp, tos >> 2))
            self.options.allow_ecn = True

    def segment(self, seq, payload):
        self.segments += 1
        if self.next is None:
            self.next = seq
            self.late = self.broken = True
            self.report.gap("%s: the capture begins in mid-stream" % self.name)
        ahead = (seq - self.next) & 0xffffffff
        if ahead >= 1 << 31:                    # starts before what we want
            old = (1 << 32) - ahead
            self.compare(seq, payload[:old])
            payload = payload[old:]
            ahead = 0
        if not payload:
            return
        if ahead:
            known = self.waiting.get(seq)
            if known is None or len(known) < len(payload):
                self.waiting[seq] = payload
            return
        self.take(payload)
        while self.waiting:
            for start in sorted(self.waiting,
                                key=lambda s: (s - self.next) & 0xffffffff):
                gap = (start - self.next) & 0xffffffff
                if gap == 0:
                    self.take(self.waiting.pop(start))
                    break
                if gap >= 1 << 31:
                    self.segment(start, self.waiting.pop(start))
                    break
            else:
                return

    def compare(self, seq, payload):
        """Bytes we had: a retransmission must repeat them."""
        self.retransmitted += 1
        if len(payload) <= 1:
            return                              # a window or keepalive probe
        for start, kept in reversed(self.history):
            at = (seq - start) & 0xffffffff
            if at >= len(kept):
                continue
            part = payload[:len(kept) - at]
            if kept[at:at + len(part)] != part:
                self.report.violation(
                    "%s: a retransmission at stream offset %d differs from "
                    "what was sent first" % (self.name, self.where(seq)))
                return
            if len(part) < len(payload):
                self.retransmitted -= 1
                self.compare((seq + len(part)) & 0xffffffff,
                             payload[len(part):])
            return

    def where(self, seq):
        return self.stream_bytes - ((self.next - seq) & 0xffffffff)

    def take(self, payload):
        self.history.append((self.next, payload))
        self.history_bytes += len(payload)
        while self.history_bytes > HISTORY and len(self.history) > 1:
            self.history_bytes -= len(self.history.popleft()[1])
        self.next = (self.next + len(payload)) & 0xffffffff
        self.stream_bytes += len(payload)
        if not self.broken:
            self.buffer += payload
            self.parse()

    # --- the stream --------------------------------------------------------

    def lost(self, text):
        self.report.violation("%s: stream offset %d: %s; the rest of this "
                              "direction is not read"
                              % (self.name, self.offset, text))
        self.broken = True
        self.buffer.clear()

    def parse(self):
        buffer = self.buffer
        at = 0
        if self.want_prefix:
            head = bytes(buffer[:6])
            if head != PREFIX[:len(head)]:
                self.lost("starts with %r, not with %r" % (head, PREFIX))
                return
            if len(head) < 6:
                return
            at = 6
            self.want_prefix = False
        end = len(buffer)
        while end - at >= 2:
            length = buffer[at] << 8 | buffer[at + 1]
            if length < 2:
                self.offset += at
                self.lost("length %d" % length)
                return
            # Read as a length it would be 18763.
            if buffer[at:at + 6] == PREFIX:
                self.offset += at
                self.lost("the prefix again, or in the wrong direction")
                return
            if end - at < length:
                break
            message = bytes(buffer[at + 2:at + length])
            start = self.offset + at
            at += length
            self.message(start, message)
        self.offset += at
        del buffer[:at]

    def message(self, start, message):
        size = len(message)
        if size > self.largest:
            self.largest = size
        if size < 4:
            if message == b"\xff":
                self.keepalives += 1
                if self.options.messages:
                    print("%s: @%d keepalive" % (self.name, start))
                if self.options.allow_keepalive:
                    return
                self.wrong(start, "a keepalive (0xff) was sent")
            else:
                self.wrong(start, "a message of %d bytes" % size)
            return
        spi = int.from_bytes(message[:4], "big")
        if spi:
            self.esp(start, spi, message)
        else:
            self.isakmp(start, message)

    def wrong(self, start, text):
        self.report.violation("%s: stream offset %d: %s"
                              % (self.name, start, text))

    def isakmp(self, start, message):
        self.ike_messages += 1
        if len(message) < 4 + 28:
            self.wrong(start, "an IKE message of %d bytes has no whole header"
                       % (len(message) - 4))
            return
        version, exchange, flags = message[21], message[22], message[23]
        number, length = struct.unpack_from(">II", message, 24)
        name = IKE_EXCHANGES.get(exchange, "exchange %d" % exchange)
        self.ike[name] = self.ike.get(name, 0) + 1
        if version >> 4 != 2:
            self.wrong(start, "IKE version %d.%d" % (version >> 4, version & 15))
        if length != len(message) - 4:
            self.wrong(start, "%s of %d bytes says it has %d"
                       % (name, len(message) - 4, length))
        if self.options.messages:
            print("%s: @%d IKE %s %s #%d, %d bytes"
                  % (self.name, start, name,
                     "response" if flags & 0x20 else "request",
                     number, length))

    def esp(self, start, spi, message):
        self.esp_messages += 1
        self.esp_bytes += len(message)
        if spi < 256:
            self.wrong(start, "SPI 0x%x is reserved" % spi)
        if len(message) < 12 or len(message) % 4:
            self.wrong(start, "ESP of %d bytes" % len(message))
            if len(message) < 8:
                return
        seq = int.from_bytes(message[4:8], "big")
        if self.options.messages:
            print("%s: @%d ESP 0x%08x seq %d, %d bytes"
                  % (self.name, start, spi, seq, len(message)))
        last = self.last_seq.get(spi)
        if last is not None:
            step = (seq - last) & 0xffffffff
            if step == 0 or step >= 1 << 31:
                self.wrong(start, "ESP SPI 0x%08x: sequence number %d after %d"
                           % (spi, seq, last))
                return
            if step > 1:
                self.skipped += step - 1
                if self.options.no_skips:
                    self.wrong(start, "ESP SPI 0x%08x: sequence number %d "
                               "right after %d" % (spi, seq, last))
        self.last_seq[spi] = seq

    # --- the end -----------------------------------------------------------

    def finish(self):
        if self.waiting:
            first = min((s - self.next) & 0xffffffff for s in self.waiting)
            self.report.gap("%s: %d bytes are missing at stream offset %d"
                            % (self.name, first, self.stream_bytes))
            return
        if self.broken or self.fin is None or self.fin != self.next:
            return
        if self.want_prefix and self.offset + len(self.buffer) > 0:
            self.lost("closed inside the prefix")
        elif self.buffer:
            self.lost("closed inside a message")

    def summary(self):
        names = ", ".join("%s %d" % (k, v) for k, v in sorted(self.ike.items()))
        print("  %s" % self.name)
        print("    TCP  %d bytes in %d segments, %d retransmitted%s"
              % (self.stream_bytes, self.segments, self.retransmitted,
                 "" if self.fin is not None else ", open at the end"))
        print("    IKE  %d messages%s" % (self.ike_messages,
                                          " (%s)" % names if names else ""))
        print("    ESP  %d messages, %d bytes, %d SPIs, %d sequence numbers "
              "skipped; largest message %d bytes"
              % (self.esp_messages, self.esp_bytes, len(self.last_seq),
                 self.skipped, self.largest))


class Wire:
    """All connections of a capture."""

    def __init__(self, options, report):
        self.options = options
        self.report = report
        self.open = {}              # 4-tuple -> Direction, both ways
        self.connections = []       # (originator, responder)
        self.other = {}             # what else was seen -> packets
        self.frames = 0

    def host(self, address):
        if len(address) == 4:
            return ".".join(str(b) for b in address)
        words = struct.unpack(">8H", address)
        best, length = -1, 1
        for i in range(8):
            j = i
            while j < 8 and words[j] == 0:
                j += 1
            if j - i > length:
                best, length = i, j - i
        if best < 0:
            return "[" + ":".join("%x" % w for w in words) + "]"
        return "[%s::%s]" % (":".join("%x" % w for w in words[:best]),
                             ":".join("%x" % w for w in words[best + length:]))

    def stray(self, what, harmless):
        self.other[what] = self.other.get(what, 0) + 1
        if self.options.only and not harmless and self.other[what] == 1:
            self.report.violation("frame %d: %s on the wire"
                                  % (self.frames, what))

    def connect(self, source, target, sport, dport):
        label = "%s:%d" % (self.host(source), sport)
        peer = "%s:%d" % (self.host(target), dport)
        first = Direction("%s > %s" % (label, peer), True,
                          self.options, self.report)
        second = Direction("%s > %s" % (peer, label), False,
                           self.options, self.report)
        self.open[(source, sport, target, dport)] = first
        self.open[(target, dport, source, sport)] = second
        self.connections.append((first, second))
        return first

    def tcp(self, source, target, tos, segment):
        if len(segment) < 20:
            raise Unusable("frame %d: the TCP header is cut off; capture with "
                           "tcpdump -s 0" % self.frames)
        sport, dport, seq, _, offset, flags = struct.unpack_from(">HHIIBB",
                                                                 segment)
        ports = self.options.port
        if sport not in ports and dport not in ports:
            self.stray("tcp port %d" % min(sport, dport), False)
            return
        payload = segment[(offset >> 4) * 4:]
        key = (source, sport, target, dport)
        way = self.open.get(key)
        if flags & SYN:
            if not flags & ACK:
                # The same SYN again is a retransmission.
                if way is None or way.next != (seq + 1) & 0xffffffff \
                        or way.stream_bytes:
                    way = self.connect(source, target, sport, dport)
            elif way is None:
                self.connect(target, source, dport, sport)
                way = self.open[key]
            if way.next is None:
                way.next = (seq + 1) & 0xffffffff
            seq += 1
        elif way is None:
            if flags & RST or not payload:
                return                  # an answer to somebody's stray segment
            # Without a SYN the well-known port tells who responds.
            if dport in ports:
                way = self.connect(source, target, sport, dport)
            else:
                self.connect(target, source, dport, sport)
                way = self.open[key]
        if flags & RST:
            return
        if payload:
            way.tos(tos)
            way.segment(seq & 0xffffffff, payload)
        if flags & FIN:
            way.fin = (seq + len(payload)) & 0xffffffff

    def ip(self, packet):
        if not packet:
            return
        version = packet[0] >> 4
        if version == 4 and len(packet) >= 20:
            size = packet[0] * 4 & 60
            total = packet[2] << 8 | packet[3]
            if total > len(packet):
                raise Unusable("frame %d is cut off; capture with tcpdump -s 0"
                               % self.frames)
            if total:                   # 0: a GSO packet above 64 KiB
                packet = packet[:total]
            fragment = (packet[6] << 8 | packet[7]) & 0x3fff
            source, target = packet[12:16], packet[16:20]
            protocol, tos, rest = packet[9], packet[1], packet[size:]
        elif version == 6 and len(packet) >= 40:
            total = packet[4] << 8 | packet[5]
            if total + 40 > len(packet):
                raise Unusable("frame %d is cut off; capture with tcpdump -s 0"
                               % self.frames)
            if total:
                packet = packet[:total + 40]
            fragment = 0
            source, target = packet[8:24], packet[24:40]
            tos = (packet[0] << 4 | packet[1] >> 4) & 0xff
            protocol, rest = packet[6], packet[40:]
            while protocol in V6_EXTENSIONS and len(rest) >= 8:
                protocol, rest = rest[0], rest[rest[1] * 8 + 8:]
            if protocol == 44:
                fragment, protocol = 1, rest[0]
        else:
            self.stray("a packet that is no IP", False)
            return
        name = PROTOCOLS.get(protocol, "protocol %d" % protocol)
        if fragment:
            self.stray("a fragment of " + name, False)
        elif protocol == 6:
            self.tcp(source, target, tos, rest)
        elif protocol == 17:
            self.stray("udp port %d" % min(struct.unpack_from(">HH", rest)),
                       False)
        elif protocol == 1:
            error = rest[0] in (3, 4, 11, 12)
            self.stray("icmp error" if error else "icmp", error)
        elif protocol == 58:
            quiet = rest[0] < 128 or 130 <= rest[0] <= 137 or rest[0] == 143
            self.stray("icmp6 type %d" % rest[0], quiet)
        else:
            self.stray(name, protocol == 2)

    # --- link layers -------------------------------------------------------

    def ethertype(self, kind, rest):
        while kind in (0x8100, 0x88a8, 0x9100) and len(rest) >= 4:
            kind, rest = struct.unpack_from(">H", rest, 2)[0], rest[4:]
        if kind in (0x0800, 0x86dd):
            self.ip(rest)
        else:
            self.stray("ethertype 0x%04x" % kind, True)

    def frame(self, link, data):
        self.frames += 1
        if link == 1:                                   # Ethernet
            if len(data) >= 14:
                self.ethertype(data[12] << 8 | data[13], data[14:])
        elif link == 113:                               # Linux cooked
            if len(data) >= 16:
                self.ethertype(data[14] << 8 | data[15], data[16:])
        elif link == 276:                               # Linux cooked v2
            if len(data) >= 20:
                self.ethertype(data[0] << 8 | data[1], data[20:])
        elif link in (12, 14, 101, 228, 229):           # raw IP
            self.ip(data)
        elif link in (0, 108):                          # loopback
            self.ip(data[4:])
        else:
            raise Unusable("link type %d is unknown" % link)

    # --- the verdict -------------------------------------------------------

    def finish(self):
        for pair in self.connections:
            for way in pair:
                way.finish()
        for what, least in self.options.need.items():
            if what == "connections":
                if len(self.connections) < least:
                    self.report.violation("%d connections, %d needed"
                                          % (len(self.connections), least))
                continue
            for i, side in enumerate(("originators", "responders")):
                count = sum(getattr(pair[i], what + "_messages")
                            for pair in self.connections)
                if count < least:
                    self.report.violation(
                        "the %s sent %d %s messages, %d needed"
                        % (side, count, what.upper(), least))

    def summary(self):
        print("%d frames, %d connections" % (self.frames,
                                             len(self.connections)))
        for pair in self.connections:
            for way in pair:
                way.summary()
        if self.other:
            print("  not IKE in TCP: " + ", ".join(
                "%s %d" % item for item in sorted(self.other.items())))


def frames(stream):
    """Yield (link type, bytes) for each frame of a pcap."""
    head = stream.read(24)
    if len(head) < 24:
        raise Unusable("no pcap header (is the capture empty?)")
    if head[:4] == b"\x0a\x0d\x0d\x0a":
        raise Unusable("this is pcapng; convert it: tcpdump -r FILE -w NEW")
    for order in "<", ">":
        if struct.unpack_from(order + "I", head)[0] in (0xa1b2c3d4,
                                                        0xa1b23c4d):
            break
    else:
        raise Unusable("no pcap file")
    link = struct.unpack_from(order + "I", head, 20)[0] & 0x0fffffff
    record = struct.Struct(order + "IIII")
    while True:
        head = stream.read(16)
        if len(head) < 16:
            return              # a writer that was killed leaves a cut record
        _, _, captured, length = record.unpack(head)
        data = stream.read(captured)
        if len(data) < captured:
            return
        yield link, data


class Options:
    """The command line."""

    def __init__(self, arguments):
        self.port = []
        self.need = {}
        self.file = None
        for flag in ("only", "no_skips", "allow_keepalive", "allow_ecn",
                     "allow_incomplete", "messages", "quiet"):
            setattr(self, flag, False)
        arguments = list(arguments)
        while arguments:
            word = arguments.pop(0)
            name = word[2:].replace("-", "_")
            if word in ("-h", "--help"):
                print(__doc__.strip())
                sys.exit(0)
            if word in ("--port", "--need"):
                if not arguments:
                    self.usage(word + " needs a value")
                value = arguments.pop(0)
                try:
                    if word == "--port":
                        self.port.append(int(value))
                    else:
                        what, least = value.split("=")
                        if what not in ("ike", "esp", "connections"):
                            raise ValueError
                        self.need[what] = int(least)
                except ValueError:
                    self.usage("%s %s makes no sense" % (word, value))
            elif word.startswith("--") and "-" not in name \
                    and isinstance(getattr(self, name, None), bool):
                setattr(self, name, True)
            elif word.startswith("-") and word != "-":
                self.usage("unknown option " + word)
            elif self.file is None:
                self.file = word
            else:
                self.usage("one file, please")
        if self.file is None:
            self.usage("which file?")
        self.port = self.port or [4500]

    @staticmethod
    def usage(text):
        print("wire.py: %s (--help tells more)" % text, file=sys.stderr)
        sys.exit(3)


def judge(options, stream):
    """Read a capture, print the findings, return the exit status."""
    report = Report()
    wire = Wire(options, report)
    try:
        for link, data in frames(stream):
            wire.frame(link, data)
    except Unusable as error:
        print("wire.py: %s: %s" % (options.file, error), file=sys.stderr)
        return 2
    wire.finish()
    if not options.quiet:
        wire.summary()
        print("%d violations" % len(report.violations))
    if report.violations:
        return 1
    if report.incomplete and not options.allow_incomplete:
        return 2
    return 0


def main():
    options = Options(sys.argv[1:])
    if options.file == "-":
        return judge(options, sys.stdin.buffer)
    try:
        with open(options.file, "rb") as stream:
            return judge(options, stream)
    except OSError as error:
        print("wire.py: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
