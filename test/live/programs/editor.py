"""An editor in a session of its own on a pseudo-terminal: this program types into it, word by word, and reads what it shows."""

import fcntl
import os
import select
import sys
import termios
import time
import zlib

folder, editor = sys.argv[1], sys.argv[2:]
target = os.path.join(folder, "text")
if os.path.exists(target):
    os.remove(target)


def open_pair():
    """A pair with a number that others hardly get between dump and restore: the kernel hands out the lowest free one."""
    pairs = []
    while True:
        master, slave = os.openpty()
        pairs.append((master, slave))
        if int(os.ttyname(slave).split("/")[-1]) >= 6 + os.getpid() % 20:
            break
    for pair in pairs[:-1]:
        for end in pair:
            os.close(end)
    return master, slave


master, slave = open_pair()
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)
    os.closerange(3, 100)
    os.environ["TERM"] = "ansi"
    os.execvp(editor[0], [*editor, target])
os.close(slave)
shown = 0


def look(seconds):
    """Reads what is shown, for a while. False = the editor has closed its terminal."""
    global shown
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([master], [], [], left)[0]:
            return True
        try:
            shown += len(os.read(master, 65536))
        except OSError:
            return False


while shown < 100:
    look(0.05)
os.write(master, b"i")
print("READY", flush=True)
for number in range(300):
    os.write(master, b"word %d%s" % (number * 7919, b"\r" if number % 8 == 7 else b" "))
    look(0.004)
os.write(master, b"\x1b")
look(1.2)
os.write(master, b":wq\r")
while look(1):
    pass
status = os.waitpid(child, 0)[1]
with open(target, "rb") as text:
    print("RESULT", status, zlib.crc32(text.read()), flush=True)
