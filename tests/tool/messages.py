#!/usr/bin/python3
"""Netlink messages as the kernel sends them to tools/iketcp, and bad ones.

usage: messages.py corpus DIRECTORY     inputs for tests/fuzz/netlink.c
       messages.py replies DIRECTORY    answers for tests/tool/reply.c

Written from the kernel's headers; shares no code with the tool.
"""
import os
import socket
import struct
import sys

CONN, SA, EVENT, FAMILY = range(4)

ULP_INFO, ULP_NAME, DIAG_INFO, DIAG_BRIDGE = 19, 1, 8229, 8230
XFRMA_ENCAP, XFRMA_MARK = 4, 21
ESTABLISHED, LISTEN = 1, 10
MULTI = 2
ACK = struct.pack('=IHHIIi', 36, 2, 0, 0, 0, 0) + bytes(16)
DONE = struct.pack('=IHHII', 20, 3, MULTI, 0, 0) + bytes(4)


def padded(data):
    return data + bytes(-len(data) % 4)


def message(payload, kind=16):
    return padded(struct.pack('=IHHII', 16 + len(payload), kind, MULTI, 0, 0) + payload)


def attr(kind, data):
    return padded(struct.pack('=HH', 4 + len(data), kind) + data)


def text(value):
    return value.encode() + b'\0'


def address(value):
    family = socket.AF_INET6 if ':' in value else socket.AF_INET
    return socket.inet_pton(family, value)


def family_of(value):
    return socket.AF_INET6 if ':' in value else socket.AF_INET


def conn(local, lport, remote, rport, state, attrs, family=None):
    family = family_of(local) if family is None else family
    head = struct.pack('=BBBB', family, state, 0, 0)
    head += struct.pack('!HH', lport, rport)
    head += address(local).ljust(16, b'\0') + address(remote).ljust(16, b'\0')
    head += struct.pack('=III', 0, 1, 2) + struct.pack('=IIIII', 0, 0, 0, 33, 4711)
    assert len(head) == 72
    return message(head + attrs, 20)


def info(role, flags=1, last_drop=0, queues=(0,) * 5, counts=(0,) * 7):
    return struct.pack('=BBH5I7Q', role, flags, last_drop, *queues, *counts)


def ulp(name, *more):
    return attr(ULP_INFO, attr(ULP_NAME, text(name)) + b''.join(more))


def bridge(local, lport, peer, pport, family=None):
    family = family_of(local) if family is None else family
    return attr(DIAG_BRIDGE, struct.pack('=H', family) + struct.pack('!HH2x', lport, pport) +
                address(local).ljust(16, b'\0') + address(peer).ljust(16, b'\0'))


def sa(src, dst, spi, attrs, packets=0, family=None):
    family = family_of(src) if family is None else family
    head = bytes(56) + address(dst).ljust(16, b'\0') + struct.pack('!IB3x', spi, 50)
    head += address(src).ljust(16, b'\0') + b'\xff' * 32 + bytes(32)
    head += struct.pack('=QQQQ', 84 * packets, packets, 0, 0)
    head += struct.pack('=IIIIIHBBB7x', 0, 2, 1, 0, 7, family, 1, 32, 0)
    assert len(head) == 224
    return message(head + attrs)


def encap(sport, dport, kind=7):
    return attr(XFRMA_ENCAP, struct.pack('=H', kind) + struct.pack('!HH', sport, dport) +
                bytes(2 + 16))


def genl(command, attrs):
    return struct.pack('=BBH', command, 1, 0) + attrs


def ends(local, lport, remote, rport):
    return (attr(1, struct.pack('=H', family_of(local))) + attr(2, address(local)) +
            attr(3, address(remote)) + attr(4, struct.pack('!H', lport)) +
            attr(5, struct.pack('!H', rport)))


def event(command, attrs, kind=0x21):
    return message(genl(command, attrs), kind)


def group(name, number):
    return (attr(1, text(name)) if name else b'') + \
        (attr(2, struct.pack('=I', number)) if number else b'')


def family(number, *groups):
    attrs = attr(2, text('iketcp'))
    if number:
        attrs += attr(1, struct.pack('=H', number))
    if groups:
        attrs += attr(7, b''.join(attr(i + 1, g) for i, g in enumerate(groups)))
    return message(genl(1, attrs))


def cut(data, n):
    """The message without its last n bytes; its length says so, too."""
    data = data[:-n]
    return struct.pack('=I', len(data)) + data[4:]


A4, B4, A6, B6 = '10.1.0.1', '10.2.0.1', 'fd00:1::1', 'fd00:2::1'
MAPPED_A, MAPPED_B = '::ffff:10.1.0.1', '::ffff:10.2.0.1'
FULL = info(1, 1, 16, (1, 2, 3, 0, 0), (4, 5, 6, 7, 8, 9, 10))
E4 = ends(A4, 40000, B4, 4500)


def corpus():
    diag = attr(DIAG_INFO, FULL)
    ours = ulp('iketcp', diag)
    head = conn(A4, 1, B4, 2, 1, b'')
    yield 'conn', CONN, conn(A4, 40000, B4, 4500, ESTABLISHED, ours)
    yield 'conn-espintcp', CONN, conn(A4, 40000, B4, 4500, ESTABLISHED, ulp('espintcp'))
    yield 'conn-v6', CONN, conn(A6, 40000, B6, 4500, ESTABLISHED, ours)
    yield 'conn-mapped', CONN, conn(MAPPED_A, 40000, MAPPED_B, 4500, ESTABLISHED, ours)
    yield 'conn-newer', CONN, conn(A4, 1, B4, 2, 1,
                                   ulp('iketcp', attr(DIAG_INFO, FULL + bytes(8)), attr(9, b'x')))
    yield 'conn-bridge', CONN, conn(A4, 1, B4, 2, 1,
                                    ulp('iketcp', diag, bridge(A4, 4500, B4, 4500)))
    yield 'conn-bridge-v6', CONN, conn(A4, 1, B4, 2, 1,
                                       ulp('iketcp', diag, bridge(A6, 4500, B6, 4500)))
    yield 'conn-bridge-family', CONN, conn(A4, 1, B4, 2, 1,
                                           ulp('iketcp', diag, bridge(A4, 1, B4, 2, 7)))
    yield 'conn-bridge-short', CONN, conn(A4, 1, B4, 2, 1,
                                          ulp('iketcp', attr(DIAG_BRIDGE, bytes(39))))
    yield 'conn-tls', CONN, conn(A4, 1, B4, 2, 1, ulp('tls', attr(2, bytes(8))))
    yield 'conn-no-ulp', CONN, conn(A4, 1, B4, 2, 1, attr(8, b'\0'))
    yield 'conn-no-name', CONN, conn(A4, 1, B4, 2, 1, attr(ULP_INFO, diag))
    yield 'conn-family', CONN, conn(A4, 1, B4, 2, 1, ours, family=1)
    yield 'conn-short', CONN, cut(head, 1)
    yield 'conn-name-no-end', CONN, conn(A4, 1, B4, 2, 1,
                                         attr(ULP_INFO, attr(ULP_NAME, b'iketcp')))
    yield 'conn-name-long', CONN, conn(A4, 1, B4, 2, 1, ulp('x' * 16))
    yield 'conn-info-short', CONN, conn(A4, 1, B4, 2, 1, ulp('iketcp', attr(DIAG_INFO, FULL[:-1])))
    yield 'conn-tail', CONN, message(head[16:] + b'\x01', 20)
    yield 'conn-nested-tail', CONN, conn(A4, 1, B4, 2, 1, attr(ULP_INFO, b'\0\0\0\0\0'))

    yield 'sa', SA, sa(A4, B4, 0x1001, attr(XFRMA_MARK, bytes(8)) + encap(40000, 4500))
    yield 'sa-v6', SA, sa(A6, B6, 0x1001, encap(40000, 4500))
    yield 'sa-two', SA, sa(A4, B4, 1, encap(1, 2)) + sa(B4, A4, 2, encap(2, 1))
    yield 'sa-no-encap', SA, sa(A4, B4, 0x1001, b'')
    yield 'sa-udp', SA, sa(A4, B4, 0x1001, encap(4500, 4500, 2))
    yield 'sa-family', SA, sa(A4, B4, 0x1001, encap(1, 2), family=7)
    yield 'sa-short', SA, cut(sa(A4, B4, 0x1001, b''), 8)
    yield 'sa-encap-short', SA, sa(A4, B4, 0x1001, attr(XFRMA_ENCAP, bytes(20)))

    yield 'event-attach', EVENT, event(1, E4 + attr(6, b'\x01'))
    yield 'event-close', EVENT, event(3, E4 + attr(6, b'\x02') + attr(7, struct.pack('=I', 71)))
    yield 'event-path', EVENT, event(4, ends(A6, 1, B6, 2) + attr(9, struct.pack('!I', 0x1001)))
    yield 'event-drop', EVENT, event(5, attr(8, text('OutFull')) + E4)
    yield 'event-unknown', EVENT, event(99, attr(99, b'something'))
    yield 'event-short', EVENT, message(b'\x01\x01')
    yield 'event-no-family', EVENT, event(1, attr(2, address(A4)))
    yield 'event-family', EVENT, event(1, attr(1, struct.pack('=H', 1)) + attr(3, address(A4)))
    yield 'event-address-short', EVENT, event(1, attr(1, struct.pack('=H', 10)) +
                                              attr(3, address(A4)))
    yield 'event-address-long', EVENT, event(1, attr(1, struct.pack('=H', 2)) +
                                             attr(2, address(A6)))
    yield 'event-reason-long', EVENT, event(5, attr(8, text('x' * 32)))
    yield 'event-port-short', EVENT, event(5, attr(4, b'x'))

    yield 'family', FAMILY, family(33, group('other', 3), group('events', 4))
    yield 'family-no-groups', FAMILY, family(33)
    yield 'family-no-number', FAMILY, family(0)
    yield 'family-group-half', FAMILY, family(33, group('', 4), group('events', 0))
    yield 'family-short', FAMILY, message(b'')
    yield 'family-group-bad', FAMILY, family(33, attr(2, b'x'))
    yield 'family-groups-tail', FAMILY, message(genl(1, attr(1, b'\x21\0') +
                                                     attr(7, b'\x01\x02\x03\x04\x05')))
    yield 'broken-off', FAMILY, family(33)[:-8]
    yield 'length-0', FAMILY, family(33) + bytes(16)
    yield 'length-negative', SA, b'\xff\xff\xff\xff' + bytes(28)
    yield 'changed', FAMILY, family(33)[:6] + b'\x12\0' + family(33)[8:]
    yield 'no-message', FAMILY, b''


def replies():
    listener = info(3, 8 | 1, 0, (0, 0, 0, 2, 1))
    full = attr(DIAG_INFO, FULL)
    yield 'conns4', conn(A4, 40000, B4, 4500, ESTABLISHED, ulp('iketcp', full)) + \
        conn(A4, 22, B4, 5000, ESTABLISHED, b'') + \
        conn('0.0.0.0', 4500, '0.0.0.0', 0, LISTEN, ulp('iketcp', attr(DIAG_INFO, listener))) + DONE
    yield 'conns6', conn(A6, 40001, B6, 4500, 8, ulp('espintcp')) + \
        conn(MAPPED_A, 4500, MAPPED_B, 40002, ESTABLISHED,
             ulp('iketcp', attr(DIAG_INFO, info(2, 6, 99)),
                 bridge(A4, 4500, B4, 40002))) + DONE
    yield 'sas', sa(A4, B4, 0x1001, encap(40000, 4500), 12) + \
        sa(B4, A4, 0x2001, encap(4500, 40000), 10) + \
        sa(B4, A4, 0x3001, encap(4500, 4500, 2), 10) + \
        sa(A6, B6, 0x4001, encap(1, 4500), 0) + DONE
    yield 'family', family(0x21, group('events', 4)) + ACK
    yield 'events', event(1, E4 + attr(6, b'\x01')) + \
        event(2, E4 + attr(6, b'\x02')) + \
        event(3, E4 + attr(7, struct.pack('=I', 71))) + \
        event(4, ends(A6, 1, B6, 2) + attr(9, struct.pack('!I', 0x1001))) + \
        event(5, E4 + attr(8, text('OutFull'))) + event(99, b'') + event(1, attr(2, b'x'))
    yield 'empty', DONE
    yield 'cut', conn(A4, 1, B4, 2, 1, ulp('iketcp', full))[:-4]
    yield 'short', struct.pack('=I', 88 - 4) + conn(A4, 1, B4, 2, 1, b'')[4:-4] + DONE
    yield 'short-info', conn(A4, 1, B4, 2, 1, ulp('iketcp', attr(DIAG_INFO, FULL[:40]))) + DONE
    yield 'negative', b'\xf0\xff\xff\xff' + bytes(28)
    yield 'noise', bytes(range(255, 55, -1))
    yield 'sa-short', sa(A4, B4, 1, attr(XFRMA_ENCAP, b'xx')) + DONE
    yield 'family-bad', family(0)
    yield 'family-no-events', family(0x21) + ACK
    yield 'error-short', struct.pack('=IHHII', 18, 2, 0, 0, 0) + b'xx'
    yield 'error', struct.pack('=IHHIIi', 36, 2, 0, 0, 0, -1) + bytes(16)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('corpus', 'replies'):
        sys.exit(__doc__)
    if sys.argv[1] == 'corpus':
        files = ((name, bytes([which]) + data) for name, which, data in corpus())
    else:
        files = replies()
    os.makedirs(sys.argv[2], exist_ok=True)
    for name, data in files:
        with open(os.path.join(sys.argv[2], name), 'wb') as file:
            file.write(data)


main()
