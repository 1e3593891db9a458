import { describe, expect, test } from "bun:test"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { generateStubs } from "../../build/stub.ts"
import { STATX_BASIC_STATS, statx } from "../../ffi/abi/file.ts"
import { NUMBER } from "../../ffi/numbers.x86_64.ts"
import { front, guard, seed } from "../../ffi/stub/gen/x86_64.ts"
import {
  ARGUMENT,
  asideCall,
  copyJob,
  copyPiece,
  EXPECTED_ERRNO,
  FRONT_TABLE,
  frontLibrary,
  frontTable,
  INFO_ROOM,
  LOOK,
  LOOK_SCRATCH,
  lookItem,
  lookJob,
  lookTold,
  MAY_FAIL,
  NONE_FAILED,
  OPTION_MOST,
  optionSlot,
  PIECE,
  stubHeader,
  stubRecord,
} from "../../ffi/stub/record.ts"
import { ROOT } from "../harness/folders.ts"

const FOLDER = join(ROOT, "ffi/stub")
const restorer = readFileSync(join(FOLDER, "restorer.x86_64.S"), "utf8")

/** Constants that an assembly file sets; values are numbers or shifts of numbers. */
function constantsOf(source: string): Record<string, number> {
  const rows = [...source.matchAll(/^\s*\.set\s+(\w+),\s*(\d+)(?:\s*<<\s*(\d+))?/gm)]
  return Object.fromEntries(rows.map(([, name = "", value, shift = "0"]) => [name, Number(value) << Number(shift)]))
}

describe("restorer.x86_64.S and record.ts", () => {
  const {
    count,
    cleanup,
    failed,
    pid,
    tid,
    signal,
    frame,
    protect,
    protectSize,
    restartStack,
    restartMask,
    restartResult,
    rseqAt,
    rseqCs,
  } = stubHeader.fields
  const { number, flags, argument0, result } = stubRecord.fields

  test("constants are the layouts' offsets, every one of them", () => {
    expect(constantsOf(restorer)).toEqual({
      COUNT: count[0],
      CLEANUP: cleanup[0],
      FAILED: failed[0],
      PID: pid[0],
      TID: tid[0],
      SIGNAL: signal[0],
      FRAME: frame[0],
      PROTECT: protect[0],
      PROTECT_SIZE: protectSize[0],
      RESTART_STACK: restartStack[0],
      RESTART_MASK: restartMask[0],
      RESTART_RESULT: restartResult[0],
      RSEQ_AT: rseqAt[0],
      RSEQ_CS: rseqCs[0],
      RECORDS: stubHeader.size,
      NUMBER: number[0],
      FLAGS: flags[0],
      MAY_FAIL,
      ARGUMENTS: argument0[0],
      RESULT: result[0],
    })
  })

  test("every member of the layouts has a constant or stands among the arguments", () => {
    const offsets = new Set(Object.values(constantsOf(restorer)))
    for (const [offset] of Object.values(stubHeader.fields)) expect(offsets.has(offset)).toBe(true)
    for (let i = 0; i < 6; i++) expect(`${stubRecord.fields[`argument${i as 0}`]}`).toBe(`${argument0[0] + 8 * i},u64`)
  })

  test("what the code holds as plain numbers agrees: record size, shift of the errno, argument kinds, none failed", () => {
    expect(restorer).toContain(`shl     r15, ${Math.log2(stubRecord.size)}`)
    expect(restorer).toContain(`shl     r13, ${Math.log2(stubRecord.size)} `)
    expect(restorer).toContain(`shr     r12d, ${EXPECTED_ERRNO}`)
    expect(NONE_FAILED | 0).toBe(-1)
    expect(restorer).toContain("mov     dword ptr [rbx + FAILED], -1")
    expect(ARGUMENT).toEqual({ literal: 0, result: 1, u32At: 2, u64At: 3 })
    expect(MAY_FAIL).toBe(1 << (2 * 6))
  })
})

describe("assembly files", () => {
  test("a system call's number is the one of the name beside it", () => {
    const calls = readdirSync(FOLDER)
      .filter((name) => name.endsWith(".x86_64.S"))
      .flatMap((name) => [...readFileSync(join(FOLDER, name), "utf8").matchAll(/mov\s+eax, (\d+)\s+# (\w+)/g)])
      .map(([, number, call = ""]) => [call, Number(number)] as const)
    expect(calls.length).toBeGreaterThan(14)
    for (const [call, number] of calls) expect({ call, number: NUMBER[call as keyof typeof NUMBER] as number }).toEqual({ call, number })
  })

  test.skipIf(!Bun.which("as"))("gen/x86_64.ts is what they assemble to", () => {
    expect(generateStubs("x86_64")).toBe(readFileSync(join(FOLDER, "gen/x86_64.ts"), "utf8"))
  })
})

test("the README tells how much code the seed and the guard have", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8")
  const bytes = ({ code }: { code: string }): number => Buffer.from(code, "base64").length
  expect(readme).toContain(`seed: ${bytes(seed)} bytes of code`)
  expect(readme).toContain(`${bytes(guard)} bytes of code beside it`)
})

test("door.x86_64.S has the offsets of what it copies and looks by", () => {
  const { next, count, pieces, pid, file } = copyJob.fields
  const { vectors, vectorCount, length, offset, state } = copyPiece.fields
  const { fields: item } = lookItem
  const { fields: told } = lookTold
  expect([lookJob.fields.next[0], lookJob.fields.count[0]]).toEqual([next[0], count[0]])
  expect(LOOK_SCRATCH).toBe(lookTold.size + statx.size)
  expect(constantsOf(readFileSync(join(FOLDER, "door.x86_64.S"), "utf8"))).toEqual({
    NEXT: next[0],
    COUNT: count[0],
    PIECES: pieces[0],
    PID: pid[0],
    FILE: file[0],
    VECTORS: vectors[0],
    VECTOR_COUNT: vectorCount[0],
    BYTES: length[0],
    FILE_OFFSET: offset[0],
    STATE: state[0],
    PIECE_SIZE: copyPiece.size,
    WRITTEN: PIECE.written,
    UNREAD: PIECE.unread,
    ITEMS: lookJob.fields.items[0],
    PIDFD: lookJob.fields.pidfd[0],
    INFOS: lookJob.fields.infos[0],
    LINK: lookJob.fields.link[0],
    FD: item.fd[0],
    NAME: item.name[0],
    TOLD: item.told[0],
    ITEM_STATE: item.state[0],
    DIGITS: item.digits[0],
    ITEM_SIZE: lookItem.size,
    SAME: LOOK.same,
    NAMED: LOOK.named,
    COPIED: told.copied[0],
    STATED: told.stated[0],
    SIGNUM: told.signum[0],
    OWNED: told.owned[0],
    ASKED_UIDS: told.askedUids[0],
    INFO_LENGTH: told.infoLength[0],
    OWNER: told.ownerType[0],
    UIDS: told.uid[0],
    STATX: told.statx[0],
    INFO: told.info[0],
    INFO_ROOM,
    TOLD_SIZE: lookTold.size,
    STATX_SIZE: statx.size,
    BASIC_STATS: STATX_BASIC_STATS,
    ASIDE_SIZE: asideCall.size,
    SLOT_SIZE: optionSlot.size,
    SLOT_LENGTH: optionSlot.fields.length[0],
    SLOT_VALUE: optionSlot.fields.value[0],
    SLOT_MOST: OPTION_MOST,
  })
})

test("front.x86_64.S has the offsets of its layouts, and room for itself", () => {
  const { loaderEntry, loaderBase, programEntry, programHeaders, headerCount, libraryCount } = frontTable.fields
  const { bytes, size, path, digits, descriptor } = frontLibrary.fields
  expect(constantsOf(readFileSync(join(FOLDER, "front.x86_64.S"), "utf8"))).toMatchObject({
    LOADER_ENTRY: loaderEntry[0],
    LOADER_BASE: loaderBase[0],
    PROGRAM_ENTRY: programEntry[0],
    PROGRAM_HEADERS: programHeaders[0],
    HEADER_COUNT: headerCount[0],
    LIBRARY_COUNT: libraryCount[0],
    LIBRARIES: frontTable.size,
    BYTES: bytes[0],
    SIZE: size[0],
    PATH: path[0],
    DIGITS: digits[0],
    DESCRIPTOR: descriptor[0],
    LIBRARY_SIZE: frontLibrary.size,
  })
  expect(Buffer.from(front.code, "base64").length).toBeLessThanOrEqual(FRONT_TABLE)
})
