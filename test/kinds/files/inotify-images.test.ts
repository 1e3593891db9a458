import { describe, expect, test } from "bun:test"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { inotify_wd_entry } from "../../../proto/gen/fsnotify_pb.ts"
import { notifyChecks } from "../../../src/kinds/files/notify/check.ts"
import { savedHandle } from "../../../src/kinds/files/notify/handle.ts"
import { fown, imagesOf, plansOf } from "./plans.ts"

const NO_HANDLE = savedHandle(null, "/")
const wd = (more: Partial<inotify_wd_entry>): inotify_wd_entry => ({
  ...{ id: 0, i_ino: 2n, mask: 2, ignored_mask: 0, s_dev: 1, wd: 1, f_handle: NO_HANDLE },
  ...more,
})
const inotify = (...watches: readonly inotify_wd_entry[]): file_entry => ({
  type: fd_types.INOTIFY,
  id: 7,
  ify: { id: 7, flags: 0o4000, fown, wd: [...watches] },
})

test("restoreInotify makes it without a watch", () => {
  const { open: calls, start } = plansOf(imagesOf({ 5: inotify(wd({})) }))
  expect(calls).toEqual([
    "#1 inotify_init1(0) // inotify 7 (instances are limited by fs.inotify.max_user_instances)",
    "#2 dup3(#1, 5, 0) // fd 5",
    "#3 close(#1)",
    "#4 fcntl(5, 4, 0x800) // the flags of fd 5",
  ])
  expect(start).toEqual([])
})

describe("notifyChecks", () => {
  const check = (file: file_entry, held: readonly number[] = [7], flying: readonly number[] = []): void => {
    for (const one of notifyChecks(new Set(held), new Set(flying), { files: new Map([[7, file]]), ghosts: new Map(), extension: [] })) one()
  }
  test("takes what is there", () => expect(() => check(inotify(wd({}), wd({ wd: 2 })))).not.toThrow())
  test("looks at no file that nobody has", () => expect(() => check(inotify(wd({ wd: 0 })), [])).not.toThrow())
  const bad: readonly (readonly [string, inotify_wd_entry[], string])[] = [
    ["number 0", [wd({ wd: 0 })], "E_IMAGE_CORRUPT"],
    ["a number that is too large", [wd({ wd: 2 ** 31 })], "E_IMAGE_CORRUPT"],
    ["a number twice", [wd({}), wd({})], "E_IMAGE_CORRUPT"],
    ["a handle that is cut off", [wd({ f_handle: { bytes: 9, type: 1, handle: [0n] } })], "E_IMAGE_CORRUPT"],
    ["a handle that is too long", [wd({ f_handle: { bytes: 129, type: 1, handle: Array(32).fill(0n) } })], "E_IMAGE_CORRUPT"],
    ["a relative path", [wd({ f_handle: { ...NO_HANDLE, path: "etc" } })], "E_IMAGE_CORRUPT"],
    ["a file that is gone", [wd({ f_handle: { ...NO_HANDLE, path: "/no/such/file" } })], "E_FILE_CHANGED"],
    ["a handle that leads nowhere", [wd({ f_handle: { bytes: 8, type: 1, handle: Array(16).fill(0n) } })], "E_FILE_CHANGED"],
  ]
  for (const [what, watches, code] of bad)
    test(`refuses ${what}`, () => expect(() => check(inotify(...watches))).toThrow(expect.objectContaining({ code })))
  test("refuses one that no process has open", () =>
    expect(() => check(inotify(), [], [7])).toThrow(expect.objectContaining({ code: "E_IMAGE_UNSUPPORTED" })))
})
