import { afterAll, describe, expect, spyOn, test } from "bun:test"
import { PROT } from "../../../ffi/abi/mman.ts"
import * as cpu from "../../../ffi/cpu.x86_64.ts"
import { stasis_task_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import { withFittingKeys } from "../../../src/flow/restore/inherit.ts"
import {
  areaKey,
  askKeys,
  collectKeys,
  fitsBirth,
  type Keys,
  restoreAreaKeys,
  restoreKeys,
  surveyRights,
} from "../../../src/kinds/memory/protection-keys.x86_64.ts"
import { type MappingDetail, parseSmaps } from "../../../src/proc/smaps.ts"
import { Program } from "../../../src/tracee/program.ts"
import { answersOf, throughBytes } from "../fixture.ts"
import { plan } from "./sample.ts"

const here = spyOn(cpu, "hasProtectionKeys").mockReturnValue(true)
afterAll(() => here.mockRestore())

const area = (line: string, key: number): MappingDetail => {
  const [found] = parseSmaps(`${line}\nProtectionKey:         ${key}\nVmFlags: rd\n`)
  if (!found) throw new Error("no mapping")
  return found
}
const plain = area("1000-2000 rw-p 00000000 00:00 0 ", 0)
const keyed = area("3000-4000 rw-p 00000000 00:00 0 ", 3)
const code = area("5000-6000 --xp 00000000 00:00 0 ", 1)
const legacy = area("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]", 0)

/** What a process says of which keys it has allocated. */
function told(allocated: readonly number[], shown: boolean) {
  const program = new Program()
  const questions = askKeys(program, shown)
  const results = questions.map((question, before) => [question, allocated.includes(before + 1) ? -12n : -22n] as const)
  return { questions, answers: answersOf(new Map(results)) }
}

describe("keys for memory protection", () => {
  test("of a process that shows none one question is asked, else one a key; each is about memory that nobody has", () => {
    expect(plan((program) => askKeys(program, false))).toEqual(["#0 pkey_mprotect(0xffffffffffffe000, 0x1000, 0, 1) = any"])
    const all = plan((program) => askKeys(program, true))
    expect(all.length).toBe(15)
    expect(all.at(-1)).toBe("#14 pkey_mprotect(0xffffffffffffe000, 0x1000, 0, 0xf) = any")
  })

  test("what is allocated, and the kernel's own for code, come through the image", () => {
    const { answers, questions } = told([2, 3], true)
    const keys = collectKeys(answers, questions, [plain, keyed, code, legacy])
    expect(keys).toEqual({ protection_keys: 0b1100, execute_only_key: 1 })
    const entry = { format_version: 1, producer: "", threads: [], files: [], vmas: [], shm: [], ...keys }
    expect(throughBytes(stasis_task_entrySchema, entry)).toMatchObject(keys)
    const none = told([], false)
    expect(collectKeys(none.answers, none.questions, [plain, legacy])).toEqual({})
  })

  test("an area's key is kept where it is not 0, and for code alone in any case", () => {
    const free = area("5000-6000 --xp 00000000 00:00 0 ", 0)
    expect([plain, keyed, code, free, legacy].map(areaKey)).toEqual([undefined, 3, 1, 0, undefined])
  })

  test("they are allocated from the lowest on, that of code by an area of code; those that were given back go at the end", () => {
    const keys = { protection_keys: 0b1000, execute_only_key: 1 }
    const areas = [
      { start: 0x3000n, end: 0x4000n, protection_key: 3 },
      { start: 0x5000n, end: 0x6000n, protection_key: 1 },
      { start: 0x7000n, end: 0x8000n, protection_key: 4 },
      { start: 0x9000n, end: 0xa000n },
    ]
    expect(plan((program) => restoreKeys(keys, areas, {}, program))).toEqual([
      "#0 mmap(0, 0x1000, 4, 0x22, -1, 0)",
      "#1 munmap(#0, 0x1000)",
      "#2 pkey_alloc(0, 0) // protection key 2",
      "#3 pkey_alloc(0, 0) // protection key 3",
      "#4 pkey_alloc(0, 0) // protection key 4",
    ])
    // The last one is a part of an entry: as [vvar_vclock] is.
    const vmas = [
      { start: 0x3000n, end: 0x4000n, prot: 3 },
      { start: 0x5000n, end: 0x6000n, prot: PROT.EXEC },
      { start: 0x6000n, end: 0x8000n, prot: 1 },
    ]
    expect(plan((program) => restoreAreaKeys(keys, areas, vmas, program))).toEqual([
      "#0 pkey_mprotect(0x3000, 0x1000, 3, 3) // protection key 3 of the area at 0x3000",
      "#1 pkey_mprotect(0x7000, 0x1000, 1, 4) // protection key 4 of the area at 0x7000",
      "#2 pkey_free(2)",
      "#3 pkey_free(4)",
    ])
  })

  test("a process without keys makes no call; one that is born with its parent's gives them back first", () => {
    expect(plan((program) => restoreKeys({}, [], {}, program))).toEqual([])
    expect(plan((program) => restoreAreaKeys({}, [], [], program))).toEqual([])
    const parent = { protection_keys: 0b110, execute_only_key: 3 }
    expect(plan((program) => restoreKeys({ protection_keys: 0b10010, execute_only_key: 3 }, [], parent, program))).toEqual([
      "#0 pkey_free(1)",
      "#1 pkey_free(2)",
      "#2 pkey_alloc(0, 0) // protection key 1",
      "#3 pkey_alloc(0, 0) // protection key 2",
      "#4 pkey_alloc(0, 0) // protection key 4",
    ])
  })

  test("a key that the kernel keeps for the parent's code cannot be the child's for anything else", () => {
    const parent = { execute_only_key: 2 }
    for (const own of [undefined, {}, { protection_keys: 0b10 }, { execute_only_key: 2 }]) expect(fitsBirth(own, parent)).toBe(true)
    for (const own of [{ protection_keys: 0b100 }, { execute_only_key: 1 }]) expect(fitsBirth(own, parent)).toBe(false)
  })

  test("who has such a child, or grandchild, gives memory to none of his; others go on to", () => {
    const born = (child: number) => ({ act: "clone", child }) as const
    const rounds = [new Map([[1, [born(2), born(3), born(4)]]]), new Map([[4, [born(5), born(6)]]])]
    const heirs = new Map([2, 3, 6].map((pid) => [pid, pid]))
    const fitting = (...keys: (readonly [number, Keys])[]): number[] => [...withFittingKeys(heirs, new Map(keys), { rounds }).keys()]
    const parent = [1, { execute_only_key: 2 }] as const
    expect(fitting(parent)).toEqual([2, 3, 6])
    expect(fitting(parent, [3, { execute_only_key: 1 }])).toEqual([6])
    expect(fitting([1, {}], [4, parent[1]], [5, { protection_keys: 0b100 }])).toEqual([2, 3])
    // With a parent who gives none it is born with what his own gave him.
    expect(fitting(parent, [4, parent[1]], [5, { protection_keys: 0b100 }])).toEqual([])
  })

  test("a thread that denies itself memory of key 0 is refused", () => {
    const component = spyOn(cpu, "xstateComponent").mockReturnValue({ offset: 8, size: 8 })
    const thread = (rights: number) => ({ tid: 8, xstate: new Uint8Array(new Uint32Array([0, 0, rights, 0]).buffer) })
    for (const rights of [0, 0x5555_5554, 0xffff_fffc]) expect(surveyRights(7, thread(rights))).toEqual([])
    for (const rights of [0x5555_5555, 2])
      expect(surveyRights(7, thread(rights))).toMatchObject([{ what: expect.stringContaining("PKRU 0x"), where: "thread 8 of task 7" }])
    component.mockRestore()
  })
})
