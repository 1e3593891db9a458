"""Connections that count: each sends one request after the other and knows what the only right answer is. One answer lost, doubled, of
another connection or out of order ends it with WRONG; in the end it prints RESULT and the answers of each connection, and the longest wait.

    client.py redis|http|static ADDRESS CONNECTIONS ASK [new]

ADDRESS is a path or HOST:PORT; it goes on until the file ASK is there, and never opens a second connection in place of a broken one. With
"new" each request has a connection of its own, for which the server is asked until it is there.
"""
import os
import socket
import sys
import threading
import time
import zlib

KIND, ADDRESS, COUNT, ASK = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
NEW = sys.argv[5:] == ["new"]
counts = [0] * COUNT
longest = [0.0] * COUNT
wrong = []


def connect():
    host, _, port = ADDRESS.rpartition(":")
    family = socket.AF_INET if host else socket.AF_UNIX
    for _ in range(500):
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.connect((host, int(port)) if host else ADDRESS)
            return line
        except (FileNotFoundError, ConnectionRefusedError):
            line.close()
            time.sleep(0.02)
    raise SystemExit("WRONG nobody listens at " + ADDRESS)


def line_of(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError("the connection ended with %r" % line)
    return line[:-2]


def body_of(stream):
    status, length = line_of(stream), 0
    while True:
        header = line_of(stream).lower()
        if not header:
            break
        if header.startswith(b"content-length:"):
            length = int(header[15:])
    body = stream.read(length)
    if status.split()[1] != b"200" or len(body) != length:
        raise EOFError("%r and %d bytes of %d" % (status, len(body), length))
    return body


def redis(stream, number, turn):
    """INCR of a key of its own, and the length of a list of its own: both say how many came before."""
    key = b"%d" % number
    commands = [b"INCR", b"counter:" + key], [b"RPUSH", b"list:" + key, b"%d" % turn]
    for words in commands:
        stream.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    stream.flush()
    answers = [line_of(stream) for _ in commands]
    return answers == [b":%d" % turn] * 2 or answers


def http(stream, number, turn):
    """The server counts requests by connection name, and pads its answer with what can be checked."""
    stream.write(b"GET /%d/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (number, turn))
    stream.flush()
    body = body_of(stream)
    head, _, rest = body.partition(b"\n")
    return head == b"%d %d %d" % (number, turn, turn) and rest == b"%d," % turn * (turn % 5000) or head


def static(stream, number, turn):
    """A file of any size whose first word is its checksum; the server's log has a line for each turn."""
    stream.write(b"GET /file?%d/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (number, turn))
    stream.flush()
    head, _, rest = body_of(stream).partition(b"\n")
    return zlib.crc32(rest) == int(head) or head


def work(number):
    before = counts[number]
    try:
        with connect() as line, line.makefile("rwb", 65536) as stream:
            while not os.path.exists(ASK) and (counts[number] == before or not NEW):
                started = time.time()
                answer = globals()[KIND](stream, number, counts[number] + 1)
                longest[number] = max(longest[number], time.time() - started)
                if answer is not True:
                    raise ValueError("answer %d is %r" % (counts[number] + 1, answer))
                counts[number] += 1
    except Exception as error:
        wrong.append("WRONG connection %d: %s: %s" % (number, type(error).__name__, error))


def all_of(number):
    while not os.path.exists(ASK) and not wrong:
        work(number)


threads = [threading.Thread(target=all_of if NEW else work, args=(number,)) for number in range(COUNT)]
for thread in threads:
    thread.start()
# A connection that begins in a dump waits for a second and longer: the kernel asks again only then.
while not NEW and not wrong and min(counts) == 0:
    time.sleep(0.01)
print("READY", flush=True)
for thread in threads:
    thread.join()
for line in wrong:
    print(line, flush=True)
print("RESULT", *counts, flush=True)
print("PAUSE %.0f ms" % (max(longest) * 1000), flush=True)
