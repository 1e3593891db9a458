"""
A pool of worker processes by multiprocessing: the parent hands out numbers through pipes and waits for answers on all of them. Not by Pool,
whose semaphores are unlinked files that are mapped, which is refused.
"""

import multiprocessing
from multiprocessing.connection import wait


def work(number):
    total = number
    for i in range(600_000):
        total = (total * 1103515245 + i) & 0x7FFFFFFF
    return total


def worker(numbers, answers, others):
    for other in others:
        other.close()
    while True:
        try:
            number = numbers.recv()
        except EOFError:
            return
        answers.send(work(number))


def main():
    context = multiprocessing.get_context("fork")
    workers = {}
    for _ in range(4):
        numbers, hand_out = context.Pipe(duplex=False)
        collect, answers = context.Pipe(duplex=False)
        others = [hand_out, collect, *(target for target, _ in workers.values()), *workers]
        process = context.Process(target=worker, args=(numbers, answers, others))
        process.start()
        numbers.close()
        answers.close()
        workers[collect] = (hand_out, process)
    print("READY", flush=True)
    numbers = list(range(200))
    for hand_out, _ in workers.values():
        hand_out.send(numbers.pop())
    total = 0
    while workers:
        for collect in wait(list(workers)):
            total += collect.recv()
            hand_out, process = workers[collect]
            if numbers:
                hand_out.send(numbers.pop())
                continue
            hand_out.close()
            del workers[collect]
            process.join()
            assert process.exitcode == 0
    print("RESULT", total, flush=True)


main()
