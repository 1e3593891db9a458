import { describe, expect, test } from "bun:test"
import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { reg_file_entry } from "../../../proto/gen/regfile_pb.ts"
import { buildIdOf } from "../../../src/flow/build-ids.ts"
import { type Checking, STRICT } from "../../../src/kinds/files/keeping.ts"
import { checkRegular, cutFiles, findCuts } from "../../../src/kinds/files/regular/check.ts"
import { statPath } from "../../../src/kinds/files/stat.ts"
import { Program } from "../../../src/tracee/program.ts"
import { scratch } from "../../harness/folders.ts"

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }

/** A file of 10 bytes, as an image has it: 0100644. */
function held(more: Partial<reg_file_entry> = {}): reg_file_entry {
  const name = join(scratch("changed"), "file")
  writeFileSync(name, "0123456789")
  chmodSync(name, 0o644)
  return { id: 1, flags: 2, pos: 0n, fown, name, mode: 0o100644, size: 10n, build_id: [], ...more }
}
const check = (entry: reg_file_entry, how: Partial<Checking> = {}, buildId: number[] = []) =>
  checkRegular(entry, new Set(), {
    ...STRICT,
    ...how,
    buildIdOf: () => buildId,
    cuts: new Map([...cutsOf(entry, how)].map(([, size]) => [entry.name, size])),
  })
const cutsOf = (entry: reg_file_entry, how: Partial<Checking>) =>
  findCuts(new Map<number, file_entry>([[1, { type: fd_types.REG, id: 1, reg: entry }]]), { ...STRICT, ...how })

describe("a file that has changed", () => {
  test("fails; accept takes it with a warning; truncate cuts one that has grown", () => {
    const entry = held()
    check(entry)
    writeFileSync(entry.name, "0123456789abc")
    expect(() => check(entry)).toThrow("it has 13 bytes now and had 10")
    check(entry, { fileChanged: "accept" })
    check(entry, { fileChanged: "truncate" })
    expect(cutsOf(entry, { fileChanged: "truncate" })).toEqual(new Map([[1, 10n]]))
    expect(cutsOf(entry, { fileChanged: "accept" }).size).toBe(0)
    const program = new Program()
    cutFiles([{ id: 1, fd: 5, type: fd_types.REG, flags: 0 }], cutsOf(entry, { fileChanged: "truncate" }), program)
    expect(program.describe()).toEqual(["#0 ftruncate(5, 0xa) // fd 5, which has grown"])
  })

  test("is not cut when it has shrunk, or is open for reading alone", () => {
    const reader = held({ flags: 0 })
    writeFileSync(reader.name, "0123456789abc")
    expect(() => check(reader, { fileChanged: "truncate" })).toThrow("13 bytes now")
    expect(cutsOf(reader, { fileChanged: "truncate" }).size).toBe(0)
    const shrunk = held()
    writeFileSync(shrunk.name, "012")
    expect(() => check(shrunk, { fileChanged: "truncate" })).toThrow("3 bytes now")
  })

  test("permissions: by their own option too, but never another kind of file", () => {
    const entry = held()
    chmodSync(entry.name, 0o600)
    expect(() => check(entry)).toThrow("its permissions are 0600 now and were 0644")
    check(entry, { skipFileRwxCheck: true })
    expect(() => check(held({ mode: 0o40644 }), { skipFileRwxCheck: true, fileChanged: "accept" })).toThrow(
      "a regular file now and was a directory",
    )
  })

  test("build IDs are compared where both have one, and filesize leaves them out", () => {
    const entry = held({ build_id: [0x04030201] })
    check(entry, {}, [0x04030201])
    check(entry, {}, [])
    expect(() => check(entry, {}, [5])).toThrow("its build ID is 05000000 now and was 01020304")
    check(entry, { fileValidation: "filesize" }, [5])
    check(entry, { fileChanged: "accept" }, [5])
  })
})

test("buildIdOf reads what readelf shows, and nothing of other files", () => {
  const entry = held()
  expect(buildIdOf(entry.name, statPath(entry.name, false)!)).toEqual([])
  const libc = "/proc/self/exe"
  const found = Buffer.from(new Uint32Array(buildIdOf(libc, statPath(libc, true)!)).buffer).toString("hex")
  const shown = Bun.spawnSync(["readelf", "-n", process.execPath]).stdout.toString()
  expect(found).toBe(/Build ID: ([0-9a-f]+)/.exec(shown)?.[1] ?? "")
})
