import { describe, expect, test } from "bun:test"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType, type tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { fileResource, matchGiven, resourceOf, terminalResource } from "../../../src/kinds/files/external.ts"
import { givenChecks } from "../../../src/kinds/files/given-check.ts"
import { findWholePipes } from "../../../src/kinds/files/pipe/ends.ts"
import { collectRegular, refuseRegular } from "../../../src/kinds/files/regular/collect.ts"
import { isDevice, refuseDevice } from "../../../src/kinds/files/regular/device.ts"
import { restoreDescriptors } from "../../../src/kinds/files/restore.ts"
import type { Given } from "../../../src/kinds/files/restoring.ts"
import { statPath } from "../../../src/kinds/files/stat.ts"
import { Program } from "../../../src/tracee/program.ts"
import { fown, imagesOf, openFile, PLAIN_RESTORE } from "./plans.ts"

const pipe = (id: number, flags: number, pipe_id = 900): file_entry => ({
  type: fd_types.PIPE,
  id,
  pipe: { id, pipe_id, flags, fown },
})
const reg = (id: number, name: string, more: object = {}): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags: 1, pos: 0n, fown, name, build_id: [], ...more },
})
const info: tty_info_entry = {
  id: 2026,
  type: TtyType.EXT_TTY,
  locked: false,
  exclusive: false,
  packet_mode: false,
  sid: 0,
  pgrp: 0,
  rdev: 0x8803,
  dev: 0x1b,
}
const tty = (id: number): file_entry => ({ type: fd_types.TTY, id, tty: { id, tty_info_id: info.id, flags: 2, fown } })

describe("names of resources", () => {
  test("are CRIU's", () => {
    const infos = new Map([[info.id, info]])
    const names = [pipe(1, 0), reg(2, "/var/log/x"), reg(3, "file[1f:a0]", { ext: true }), tty(4)].map((file) => resourceOf(file, infos))
    expect(names).toEqual(["pipe:[900]", "var/log/x", "file[1f:a0]", "tty[8803:1b]"])
    expect(resourceOf(tty(4), new Map([[info.id, { ...info, type: TtyType.PTY }]]))).toBeUndefined()
  })

  test("lead to every open file that has them, and to no mapping", () => {
    const files = new Map([pipe(1, 0), pipe(2, 1), reg(3, "/x"), reg(4, "/x")].map((file) => [file.id, file]))
    const given = ["pipe:[900]", "x", "y"].map((resource, index) => ({ fd: 3 + index, resource }))
    const { files: matched, strays } = matchGiven(given, new Set([1, 2, 3]), files, [])
    expect([...matched].map(([id, { fd }]) => [id, fd])).toEqual([
      [1, 3],
      [2, 3],
      [3, 4],
    ])
    expect(strays).toEqual([{ fd: 5, resource: "y" }])
  })
})

describe("the plan of what is given", () => {
  const planOf = (images: ReturnType<typeof imagesOf>, given: Readonly<Record<number, Given>>): string[] => {
    const program = new Program()
    const made = { ...PLAIN_RESTORE.made, given: new Map(Object.entries(given).map(([id, one]) => [Number(id), one])) }
    restoreDescriptors(images, program, { ...PLAIN_RESTORE, made })
    return program.describe().slice(images.fdinfos.length)
  }

  test("both ends of a pipe are opened anew, what was queued goes into it once, flags are the program's", () => {
    const data = { message: { pipe_id: 900, bytes: 3, size: 65536 }, payload: Buffer.from("abc") }
    const calls = planOf(imagesOf({ 5: pipe(1, 0o4000), 6: pipe(2, 1) }, { pipesData: [data] }), {
      1: { number: 501, isPipe: true },
      2: { number: 501, isPipe: true },
    })
    expect(calls.map((call) => call.replace(/ \/\/.*/, ""))).toEqual([
      '#2 openat(-100, "/proc/self/fd/501\\u0000", 0x801, 0)',
      "#3 fcntl(#2, 0x407, 0x10000)",
      '#4 write(#2, "abc", 3)',
      "#5 close(#2)",
      '#6 openat(-100, "/proc/self/fd/501\\u0000", 0, 0)',
      "#7 dup3(#6, 5, 0)",
      "#8 close(#6)",
      "#9 fcntl(5, 4, 0x800)",
      '#10 openat(-100, "/proc/self/fd/501\\u0000", 1, 0)',
      "#11 dup3(#10, 6, 0)",
      "#12 close(#10)",
    ])
  })

  test("all else is shared with whoever gives it: neither offset nor flags are set", () => {
    const calls = planOf(imagesOf({ 5: pipe(1, 0o4001), 6: reg(2, "/x", { pos: 7n, flags: 0o2001 }) }), {
      1: { number: 501, isPipe: false },
      2: { number: 500, isPipe: false },
    })
    expect(calls.map((call) => call.replace(/ \/\/.*/, ""))).toEqual([
      "#2 dup(0x1f5)",
      "#3 dup3(#2, 5, 0)",
      "#4 close(#2)",
      "#5 dup(0x1f4)",
      "#6 dup3(#5, 6, 0)",
      "#7 close(#5)",
    ])
  })
})

describe("givenChecks", () => {
  const complaints = (images: ReturnType<typeof imagesOf>, given: ReadonlyMap<number, { fd: number; resource: string }> = new Map()) => {
    const used = new Set(images.fdinfos.map(({ id }) => id))
    return [...givenChecks(used, images, given)].map((check) => {
      try {
        check()
        return "fine"
      } catch (error) {
        return error instanceof Error ? error.message : "strange"
      }
    })
  }

  test("a pipe whose other end was outside must be given, any other need not", () => {
    const images = imagesOf({ 5: pipe(1, 0), 6: pipe(2, 1, 901) }, { extension: [{ id: 1, pipe_outside: true }] })
    expect(complaints(images)).toEqual(["Cannot restore pipe:[900]: its other end was outside the tree"])
    expect(complaints(images, new Map([[1, { fd: 0, resource: "pipe:[900]" }]]))).toEqual(["fine"])
  })

  test("a file that was left outside must be given", () => {
    expect(complaints(imagesOf({ 5: reg(1, "file[1f:a0]", { ext: true }) }))).toEqual([
      'Cannot restore the file "file[1f:a0]": it was left outside (--external)',
    ])
  })
})

describe("what --external names", () => {
  const keeping = { ghostLimit: 0, linkRemap: false, fileLocks: false, fileValidation: "filesize" as const }
  const table = undefined as never

  test("a file is kept as its name alone, whatever its path leads to", () => {
    const file = openFile(0, { target: "/gone (deleted)" })
    const name = fileResource(file)
    expect(name).toBe(`file[${file.info.mntId.toString(16)}:${file.stat.ino.toString(16)}]`)
    expect(refuseRegular(file, { keeping })?.what).toContain("/gone")
    expect(refuseRegular(file, { keeping, externals: [name] })).toBeUndefined()
    expect(collectRegular(file, { table, keeping, externals: [name], losses: [] })).toMatchObject({ id: 7, name, ext: true })
    expect(terminalResource(file)).toMatch(/^tty\[[0-9a-f]+:[0-9a-f]+\]$/)
  })

  test("a device is kept only when it is named", () => {
    const stat = statPath("/dev/tty", true) ?? expect.unreachable()
    const file = openFile(0, { target: "/dev/tty", stat: { ...stat, rdevMajor: 10, rdevMinor: 229 } })
    expect(isDevice(file)).toBe(true)
    expect(refuseDevice(file, { keeping, externals: ["dev[10/22]"] })?.remedy).toContain("--external 'dev[10/229]'")
    expect(refuseDevice(file, { keeping, externals: ["dev[10/229]:mine"] })).toBeUndefined()
  })
})

test("findWholePipes tells pipes with both ends, or an end that is both", () => {
  const end = (inode: number, flags: number) => openFile(0, { target: `pipe:[${inode}]`, flags })
  const isWhole = findWholePipes([end(1, 0), end(1, 0o4001), end(2, 0), end(2, 0o4000), end(3, 2)])
  expect([1n, 2n, 3n, 4n].map(isWhole)).toEqual([true, false, true, false])
})
