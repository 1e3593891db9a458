"""Processes of a multiprocessing pool: its locks are semaphores in /dev/shm without names, mapped by all of them."""

import multiprocessing


def work(number):
    total = number
    for i in range(600_000):
        total = (total * 1103515245 + i) & 0x7FFFFFFF
    with count.get_lock():
        count.value += 1
    return total


def begin(shared):
    global count
    count = shared


context = multiprocessing.get_context("fork")
shared = context.Value("i", 0)
with context.Pool(3, begin, [shared]) as pool:
    totals = pool.imap_unordered(work, range(200))
    first = next(totals)
    print("READY", flush=True)
    print("RESULT", first + sum(totals), shared.value, flush=True)
