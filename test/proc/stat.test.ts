import { expect, test } from "bun:test"
import { PF_KTHREAD } from "../../src/proc/source.ts"
import { parseStat, readStat } from "../../src/proc/stat.ts"

const TAIL =
  "S 5415 5416 2506 34816 -1 4194304 104 5 6 7 8 9 -10 11 20 -5 3 0 132679 3133440 387 18446744073709551615 94559183175680 94559183195561 140720688303264 1 2 3 4 5 6 7 8 9 17 1 99 2 10 11 12 94559183211568 94559183213184 94560056078336 140720688310982 140720688311020 140720688311021 140720688312299 256\n"

test.each(["cat", "a) (b", ") S 1 2 (", "new\nline", "", "((("])("parseStat finds the end of the name %j", (comm) => {
  const stat = parseStat(`5424 (${comm}) ${TAIL}`)
  expect(stat).toMatchObject({ pid: 5424, comm, state: "S", ppid: 5415, pgrp: 5416, session: 2506, tty_nr: 34816, tpgid: -1 })
})

test("parseStat names all 52 fields, addresses without loss", () => {
  const stat = parseStat(`1 (x) ${TAIL}`)
  expect(stat).toMatchObject({
    cutime: -10,
    nice: -5,
    num_threads: 3,
    starttime: 132679n,
    rsslim: 2n ** 64n - 1n,
    startcode: 94559183175680n,
  })
  expect(stat).toMatchObject({
    exit_signal: 17,
    processor: 1,
    rt_priority: 99,
    policy: 2,
    start_brk: 94560056078336n,
    env_end: 140720688312299n,
    exit_code: 256,
  })
})

test("readStat sees this process, which is no kernel thread", () => {
  const stat = readStat(process.pid)
  expect(stat).toMatchObject({ pid: process.pid, ppid: process.ppid })
  expect(stat.flags & PF_KTHREAD).toBe(0)
  expect(stat.startstack).toBeGreaterThan(0n)
})
