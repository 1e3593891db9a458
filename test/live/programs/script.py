"""vim in the terminal of script(1), which reads what it types from a pipe of this program's."""

import os
import subprocess
import sys
import time
import zlib

folder, recorder, editor = sys.argv[1:]
target = os.path.join(folder, "text")
if os.path.exists(target):
    os.remove(target)
# Others hardly get the number of its terminal between dump and restore: the kernel hands out the lowest free one.
pairs = [os.openpty() for _ in range(6 + os.getpid() % 20)]
command = f"{editor} -u NONE -N -n -i NONE {target}"
child = subprocess.Popen(
    [recorder, "-q", "-e", "-c", command, "/dev/null"],
    stdin=subprocess.PIPE,
    stdout=subprocess.DEVNULL,
    env={**os.environ, "TERM": "ansi"},
)
while not open(f"/proc/{child.pid}/task/{child.pid}/children").read():
    time.sleep(0.05)
for pair in pairs:
    for end in pair:
        os.close(end)


def keys(text):
    child.stdin.write(text)
    child.stdin.flush()


time.sleep(0.5)
keys(b"i")
print("READY", flush=True)
for number in range(400):
    keys(b"word %d%s" % (number * 7919, b"\r" if number % 8 == 7 else b" "))
    time.sleep(0.01)
keys(b"\x1b")
time.sleep(1.2)
keys(b":wq\r")
status = child.wait()
with open(target, "rb") as text:
    print("RESULT", status, zlib.crc32(text.read()), flush=True)
