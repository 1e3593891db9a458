import { describe, expect, test } from "bun:test"
import { task_rlimits_entrySchema } from "../../proto/gen/core_pb.ts"
import { unsettableLimits } from "../../src/kinds/limits/check.ts"
import { collectLimits } from "../../src/kinds/limits/collect.ts"
import { restoreLimits } from "../../src/kinds/limits/restore.ts"
import { LIMIT_NAMES, RLIM_INFINITY, readLimits } from "../../src/proc/limits.ts"
import { Program } from "../../src/tracee/program.ts"
import { canRun, perform, startFixture, throughBytes, why } from "./fixture.ts"

const current = LIMIT_NAMES.map(() => ({ soft: 5n, hard: 10n }))

describe("unsettableLimits", () => {
  const wish = (resource: number, hard: bigint) =>
    collectLimits(current.map((limit, index) => (index === resource ? { soft: 5n, hard } : limit)))
  const rights = { mayRaise: false, mostFiles: 100n }

  test("what is as inherited, or goes down, can be set by anyone", () => {
    expect(unsettableLimits(wish(0, 10n), current, rights)).toEqual([])
    expect(unsettableLimits(wish(0, 5n), current, rights)).toEqual([])
  })

  test("raising a hard limit needs CAP_SYS_RESOURCE", () => {
    expect(unsettableLimits(wish(0, RLIM_INFINITY), current, rights)).toEqual([
      'hard limit "Max cpu time" of unlimited is above 10, and raising it needs CAP_SYS_RESOURCE',
    ])
    expect(unsettableLimits(wish(0, RLIM_INFINITY), current, { ...rights, mayRaise: true })).toEqual([])
  })

  test("more open files than fs.nr_open are for nobody", () => {
    expect(unsettableLimits(wish(7, 101n), current, { ...rights, mayRaise: true })).toEqual([
      'hard limit "Max open files" of 101 is above fs.nr_open, which is 100',
    ])
    expect(unsettableLimits(wish(7, 100n), current, { ...rights, mayRaise: true })).toEqual([])
  })
})

describe("restoreLimits", () => {
  test("sets only what differs, never above the hard limit", () => {
    const program = new Program()
    const entry = collectLimits(current.map((limit, index) => (index === 7 ? { soft: 9n, hard: 8n } : limit)))
    restoreLimits(throughBytes(task_rlimits_entrySchema, entry), program, current)
    expect(program.describe()).toEqual([
      expect.stringContaining(`prlimit64(0, 7, ${JSON.stringify("\x08\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0")}`),
    ])
  })

  test("names the limit that only CAP_SYS_RESOURCE may raise", () => {
    const program = new Program()
    restoreLimits(collectLimits([{ soft: 1n, hard: RLIM_INFINITY }]), program, current)
    expect(program.describe()[0]).toEndWith('limit "Max cpu time" 1 of unlimited: raising it above 10 needs CAP_SYS_RESOURCE')
  })

  test("refuses more limits than exist", () => {
    expect(() => restoreLimits(collectLimits([...current, { soft: 0n, hard: 0n }]), new Program(), current)).toThrow(
      "17 of them, there are 16",
    )
  })
})

describe.skipIf(!canRun)(`limits of a live process${why}`, () => {
  test("collect and restore", async () => {
    using copy = await startFixture("subject", "idle")
    const wanted = readLimits(copy.pid).map((limit, index) => (index === 4 || index === 7 ? { soft: 3n, hard: 111n } : limit))
    perform(copy.pid, (program, tid) => {
      if (tid === copy.pid) restoreLimits(collectLimits(wanted), program, readLimits(copy.pid))
    })
    expect(collectLimits(readLimits(copy.pid))).toEqual(collectLimits(wanted))
  })
})
