import { afterAll, describe, expect, test } from "bun:test"
import { linkSync, mkdirSync, openSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FIONREAD } from "../../../ffi/abi/file.ts"
import { IN } from "../../../ffi/abi/notify.ts"
import { allocate, pathArgument, syscall } from "../../../ffi/syscall.ts"
import { openHandles } from "../../../src/kinds/files/notify/handle.ts"
import { leadsToWatched, openSearch, type Watched } from "../../../src/kinds/files/notify/search.ts"
import { isNameless, isOfLower, isOnOverlay, lowerStamp } from "../../../src/kinds/files/overlay.ts"
import { statPath } from "../../../src/kinds/files/stat.ts"
import { findSystems } from "../../../src/kinds/files/system.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { inotifyWatches } from "../../../src/proc/notify.ts"
import { skip } from "../../harness/skip.ts"
import { openMounts } from "../../live/mounts.ts"
import { overlayOf } from "../../live/trials.ts"
import { close } from "./plans.ts"

const mounts = openMounts()
afterAll(() => mounts[Symbol.dispose]())
const answer = allocate(4096)
const IN_OPEN = IN.OPEN | IN.ACCESS | IN.CLOSE_NOWRITE

/** overlayfs with a file and a folder in each layer; why not, where mounts are not allowed. */
function overlay(): string | { readonly path: string } {
  try {
    const lower = mounts.mount("lower", "-t", "tmpfs", "tmpfs")
    mkdirSync(join(lower, "deep/folder"), { recursive: true })
    for (const name of ["deep/folder/old", "changed"]) writeFileSync(join(lower, name), name)
    const path = mounts.mount("overlay", ...overlayOf(lower, mounts.mount("upper", "-t", "tmpfs", "tmpfs")))
    mkdirSync(join(path, "deep/made"))
    for (const name of ["deep/folder/new", "other"]) writeFileSync(join(path, name), name)
    return { path }
  } catch (error) {
    return `${error}`
  }
}

const made = overlay()
const root = typeof made === "string" ? "" : made.path
if (typeof made === "string") skip(`overlayfs: ${made}`)
const names = ["deep/folder/old", "deep/folder/new", "changed", "deep/folder", "deep/made", ""]
const at = (name: string): string => (name === "" ? root : join(root, name))

/** What the kernel tells of a watch. */
function watchedAt(path: string): Watched {
  const fd = syscall("inotify_init1", 0)
  syscall("inotify_add_watch", fd, pathArgument(path), IN.MODIFY)
  const [watched] = inotifyWatches(readFdInfo(process.pid, fd))
  close(fd)
  if (!watched) throw new Error("no watch")
  return watched
}

describe.skipIf(root === "")("on overlayfs", () => {
  test("openSearch finds files and folders of every layer, by names that lead to them alone", () => {
    using handles = openHandles()
    const group = names.map((name) => watchedAt(at(name)))
    const search = openSearch(group, false, [], handles)
    expect(group.map(search.find)).toEqual(names.map(at))
    for (const [index, watched] of group.entries())
      expect(names.map((name) => leadsToWatched(at(name), watched, false))).toEqual(names.map((_, other) => other === index))
  })

  test("openSearch reads no directory where that is told; names that are known are found", () => {
    using handles = openHandles()
    const spy = syscall("inotify_init1", 0o4000)
    for (const name of ["", "deep", "deep/folder"]) syscall("inotify_add_watch", spy, pathArgument(at(name)), IN_OPEN)
    const told = (): number => {
      syscall("ioctl", spy, FIONREAD, answer.address)
      return answer.view.getUint32(0, true)
    }
    const group = [watchedAt(at("deep/folder/old"))]
    expect(openSearch(group, true, [], handles).find(group[0]!)).toBeUndefined()
    expect(told()).toBe(0)
    expect(openSearch(group, false, [], handles).find(group[0]!)).toBe(at("deep/folder/old"))
    expect(told()).toBeGreaterThan(0)
    close(spy)
  })

  test("isOfLower tells layers apart, and lowerStamp that a file was copied up", () => {
    expect(names.map((name) => isOnOverlay(at(name)))).toEqual(names.map(() => true))
    expect([isOnOverlay("/proc"), isOfLower("/proc")]).toEqual([false, false])
    expect(isOfLower(at("deep/folder/old"))).toBe(true)
    const before = lowerStamp(at("changed"))
    writeFileSync(at("changed"), "something else")
    expect(before).toBeDefined()
    expect(lowerStamp(at("changed"))).not.toBe(before)
  })

  test("isNameless: a hidden file of a lower layer has no name, whatever stat(2) counts", () => {
    const lower = openSync(at("deep/folder/old"), "r")
    linkSync(at("other"), at("another"))
    const upper = openSync(at("other"), "r")
    for (const name of ["deep/folder/old", "other"]) unlinkSync(at(name))
    const isGone = (fd: number, name: string): boolean =>
      isNameless(`/proc/self/fd/${fd}`, `${at(name)} (deleted)`, statPath(`/proc/self/fd/${fd}`, true)!)
    expect(isGone(lower, "deep/folder/old")).toBe(true)
    expect(isGone(upper, "other") && !isOfLower(at("another"))).toBe(false)
    close(lower)
    close(upper)
  })

  test("findSystems tells the device that watches have", () => {
    const systems = findSystems()
    for (const name of ["deep/folder/new", "deep/made"]) expect(systems.deviceOf(at(name))).toBe(watchedAt(at(name)).sdev)
    expect(systems.deviceOf("/no/such/file")).toBeUndefined()
  })
})
