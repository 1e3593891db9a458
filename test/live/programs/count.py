"""A long computation with open files: reads one line by line, writes another, hashes on the way. Prints a result that depends on all of it."""
import hashlib
import os
import sys
import threading

folder = sys.argv[1]
with open(os.path.join(folder, "input"), "w") as out:
    for i in range(120000):
        out.write(f"{i} {i * i % 7919}\n")

ticks = 0
stop = threading.Event()


def tick():
    global ticks
    while not stop.wait(0.01):
        ticks += 1


thread = threading.Thread(target=tick)
thread.start()
source = open(os.path.join(folder, "input"))
target = open(os.path.join(folder, "output"), "a+")
digest = hashlib.sha256()
table = {}
print("READY", flush=True)
for line in source:
    number, square = map(int, line.split())
    table[square] = table.get(square, 0) + number
    for _ in range(90):
        digest.update(f"{number}:{table[square]}".encode())
    if number % 10 == 0:
        target.write(digest.hexdigest() + "\n")
        if number % 1000 == 0:
            target.flush()
stop.set()
thread.join()
target.flush()
target.seek(0)
lines = target.readlines()
assert ticks > 10, ticks
print("RESULT", len(lines), hashlib.sha256("".join(lines).encode()).hexdigest(), sum(table.values()), flush=True)
