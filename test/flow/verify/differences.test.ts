import { expect, test } from "bun:test"
import { O } from "../../../ffi/abi/file.ts"
import { SIG, siginfo } from "../../../ffi/abi/signal.ts"
import { encode } from "../../../ffi/layout.ts"
import { type reg_file_entry, reg_file_entrySchema } from "../../../proto/gen/regfile_pb.ts"
import { joined } from "../../../src/flow/verify/areas.ts"
import { RULES } from "../../../src/flow/verify/difference-rules.ts"
import { type Scope, treeDifferences } from "../../../src/flow/verify/differences.ts"
import { Aliases, compareMessages } from "../../../src/image/compare.ts"
import type { Entries, ImageSet } from "../../../src/image/set.ts"
import { NO_OWNER } from "../../../src/kinds/files/owner.ts"
import { withSet } from "../draft.ts"

const [PID, TID] = [1140, 1141]
const entriesOf =
  (set: ImageSet): Entries =>
  (kind, id) =>
    set.optional(kind, id)

const scopeOf = (): Scope => ({
  processes: [{ pid: PID, threads: [PID, TID], sleepers: new Set<number>(), tables: [2, 2] }],
  dead: [],
  shellJob: false,
  complete: true,
  aliases: new Aliases(),
})

/** What is different when one thread has another ax, and signals have come to another set of queues. */
function differences(signals: number): string[] {
  return withSet(
    () => {},
    (saved) =>
      withSet(
        ({ cores }) => {
          const core = cores.get(TID)
          if (!core?.thread_info || !core.thread_core) throw new Error("the example has no such thread")
          core.thread_info.gpregs.ax += 1n
          core.thread_core.signals_p = { signals: Array.from({ length: signals }, () => ({ siginfo: new Uint8Array(128) })) }
        },
        (now) => {
          return treeDifferences(entriesOf(saved), entriesOf(now), scopeOf())
        },
      ),
  )
}

test("registers of a thread are compared", () => {
  expect(differences(0)).toEqual([expect.stringMatching(/^thread 1141 thread_info gpregs ax: was \d+.*, is \d+/)])
})

test("a signal that came between two looks may have ended the thread's call: its answer is no difference then", () => {
  expect(differences(1)).toEqual([])
})

test("a SIGSTOP that was on its way has had its effect by the second look; any other queued signal must still be there", () => {
  const missing = (si_signo: number): string[] =>
    withSet(
      ({ cores }) => {
        const core = cores.get(TID)
        if (!core?.thread_core) throw new Error("the example has no such thread")
        core.thread_core.signals_p = { signals: [{ siginfo: encode(siginfo, { si_signo }) }] }
      },
      (saved) =>
        withSet(
          () => {},
          (now) => treeDifferences(entriesOf(saved), entriesOf(now), scopeOf()),
        ),
    )
  expect(missing(SIG.STOP)).toEqual([])
  expect(missing(SIG.CONT)).toEqual([expect.stringMatching(/^thread 1141 thread_core signals_p signals: .* is missing$/)])
})

const REG: reg_file_entry = { id: 1, flags: O.RDWR, pos: 0n, fown: NO_OWNER, name: "/tmp/#7", build_id: [] }
/** How two entries differ that are alike but for what is given. */
const regDifferences = (was: Partial<reg_file_entry>, is: Partial<reg_file_entry>): string[] =>
  compareMessages(
    reg_file_entrySchema,
    { ...REG, ...was },
    { ...REG, ...is },
    { rules: RULES, aliases: new Aliases(), complete: true },
    "reg",
  )

test("how a file was opened is compared, but for what a file without a name cannot be opened by again", () => {
  const changed = (was: number, is: number): string[] => regDifferences({ flags: was }, { flags: is })
  expect(changed(O.RDWR | O.TMPFILE | O.DIRECTORY, O.RDWR)).toEqual([])
  expect(changed(O.PATH | O.NOFOLLOW, O.PATH)).toEqual([])
  expect(changed(O.RDWR | O.APPEND, O.RDWR)).toEqual([expect.stringMatching(/^reg flags: was /)])
})

test("the name of a deleted file is compared, but for the inode by which the kernel names what O_TMPFILE made", () => {
  const changed = (was: string, is: string): string[] => regDifferences({ name: was }, { name: is })
  expect(changed("/tmp/#7", "/tmp/#12")).toEqual([])
  for (const is of ["/var/#7", "/tmp/#7a", "/tmp/a#7", "/tmp/7"])
    expect(changed("/tmp/#7", is)).toEqual([`reg name: was "/tmp/#7", is "${is}"`])
})

test("however many terminals there are, each image is read once for all of them", () =>
  withSet(
    () => {},
    (set) => {
      const aliases = new Aliases()
      for (let id = 1n; id <= 100n; id++) aliases.unite("tty", id, id)
      let readings = 0
      const counted: Entries = (kind, id) => {
        if (kind === "tty-info") readings++
        return entriesOf(set)(kind, id)
      }
      expect(treeDifferences(counted, entriesOf(set), { ...scopeOf(), aliases })).toEqual([])
      expect(readings).toBe(1)
    },
  ))

test("what is the same of neighbouring areas is one, wherever the kernel divides them", () => {
  const area = (start: bigint, end: bigint, protection_key: number) => ({ start, end, protection_key })
  const [one, other] = [area(0x3000n, 0x5000n, 1), area(0x5000n, 0x6000n, 2)]
  expect(joined([area(0x3000n, 0x4000n, 1), area(0x4000n, 0x5000n, 1), other])).toEqual([one, other])
  expect(joined([one, other, area(0x7000n, 0x8000n, 2)])).toHaveLength(3)
  expect(joined([one, { ...area(0x5000n, 0x6000n, 1), name: "n" }])).toHaveLength(2)
})
