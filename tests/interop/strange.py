#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Connect many times at once, say something strange, tell what came back.

usage: strange.py HOST PORT [SECONDS] < CASES

CASES has a line for each connection: NAME MODE [HEX]...

  MODE  eof      sends the bytes, then the FIN, then waits for the other's end
        hold     sends the bytes and waits
        dribble  sends six bytes (a prefix), then one by one, each in a segment
                 of its own, then waits
        close    sends the bytes and closes at once
        reset    sends the bytes and resets the connection
        flood    sends the bytes over and over while the other takes them

Prints a line for each, in order:  NAME LOCALPORT OUTCOME SECONDS [HEX]
OUTCOME is how the other side ended it: eof, reset, or open if it had not
after SECONDS (default 20); HEX is what it sent. Needs only python3-minimal.
"""

import select
import socket
import struct
import sys
import time


class Connection:
    def __init__(self, where, name, mode, data):
        self.name, self.mode, self.data = name, mode, data
        self.socket = socket.socket(where[0], socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(where[4])
        self.port = self.socket.getsockname()[1]
        self.begin = time.monotonic()
        self.took = 0.0
        self.sent = 0
        self.outcome = None
        self.reply = b""
        self.socket.setblocking(False)

    def end(self, outcome):
        self.outcome = outcome
        self.took = time.monotonic() - self.begin
        if outcome == "sent-reset":
            # SO_LINGER with no time: a RST instead of a FIN
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.socket.close()

    def wants_to_send(self):
        return self.outcome is None and self.sent < len(self.data)

    def send(self):
        try:
            step = len(self.data)
            if self.mode == "dribble":
                step = 1 if self.sent else 6
            self.sent += self.socket.send(self.data[self.sent:self.sent + step])
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            self.end("reset")
            return
        if self.sent >= len(self.data):
            self.sent_all()

    def sent_all(self):
        if self.mode == "flood":
            self.sent = 0
        elif self.mode == "eof":
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.end("reset")       # by the other side, already
        elif self.mode == "close":
            self.end("closed")
        elif self.mode == "reset":
            self.end("sent-reset")

    def receive(self):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self.end("reset")
            return
        if data:
            self.reply += data
        else:
            self.end("eof")


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    limit = float(sys.argv[3]) if len(sys.argv) == 4 else 20.0
    where = socket.getaddrinfo(sys.argv[1], int(sys.argv[2]),
                               type=socket.SOCK_STREAM)[0]
    connections = []
    for line in sys.stdin:
        words = line.split()
        if words:
            connection = Connection(where, words[0], words[1],
                                    bytes.fromhex("".join(words[2:])))
            connections.append(connection)
            if connection.data:
                connection.send()
            else:
                connection.sent_all()
    end = time.monotonic() + limit
    while time.monotonic() < end:
        alive = [c for c in connections if c.outcome is None]
        if not alive:
            break
        poll = select.poll()
        known = {}
        dribble = False
        for connection in alive:
            known[connection.socket.fileno()] = connection
            events = select.POLLIN
            if connection.wants_to_send():
                dribble |= connection.mode == "dribble"
                events |= select.POLLOUT
            poll.register(connection.socket, events)
        for fd, event in poll.poll(max(0, end - time.monotonic()) * 1000):
            connection = known[fd]
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                connection.receive()
            if event & select.POLLOUT and connection.wants_to_send():
                connection.send()
        if dribble:
            time.sleep(0.02)
    for connection in connections:
        if connection.outcome is None:
            connection.end("open")
        print(connection.name, connection.port, connection.outcome,
              "%.1f" % connection.took, connection.reply.hex())
    return 0


if __name__ == "__main__":
    sys.exit(main())
