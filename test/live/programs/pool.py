"""A pool of worker processes: the parent hands out numbers through pipes and collects answers by select."""

import os
import select


def work(number):
    total = number
    for i in range(600_000):
        total = (total * 1103515245 + i) & 0x7FFFFFFF
    return total


def worker(source, target):
    for line in os.fdopen(source):
        os.write(target, b"%d\n" % work(int(line)))
    os._exit(0)


workers = {}
for _ in range(4):
    to_child, to_parent = os.pipe(), os.pipe()
    if os.fork() == 0:
        for inherited in [to_child[1], *workers.values()]:
            os.close(inherited)
        worker(to_child[0], to_parent[1])
    os.close(to_child[0])
    os.close(to_parent[1])
    workers[to_parent[0]] = to_child[1]
print("READY", flush=True)
numbers = list(range(200))
for target in workers.values():
    os.write(target, b"%d\n" % numbers.pop())
total = 0
while workers:
    for source in select.select(list(workers), [], [])[0]:
        total += int(os.read(source, 100))
        target = workers[source]
        if numbers:
            os.write(target, b"%d\n" % numbers.pop())
        else:
            os.close(target)
            del workers[source]
            assert os.wait()[1] == 0
print("RESULT", total, flush=True)
