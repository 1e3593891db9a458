import { expect, test } from "bun:test"
import { readlinkSync } from "node:fs"
import { AT, O } from "../../../ffi/abi/file.ts"
import { closeSync } from "../../../ffi/fs.ts"
import { allocate, attempt, errnoName, syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { remap_type } from "../../../proto/gen/remap-file-path_pb.ts"
import { sparePids } from "../../../src/flow/restore/ids.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { layPath } from "../../../src/kinds/files/path.ts"
import { refuseDeparted, savedDeparted, untoldStat, wayBackToDeparted } from "../../../src/kinds/files/regular/departed.ts"
import { openOfDeparted } from "../../../src/kinds/files/regular/stand-in.ts"
import { scanOwn } from "../../../src/kinds/files/scan.ts"
import { readChildren } from "../../../src/proc/tasks.ts"
import { endWaiter, spawnSeed } from "../../../src/tracee/seed.ts"
import { fixedDeadline } from "../../../src/tracee/wait.ts"
import { fown, imagesOf } from "./plans.ts"

const GONE = 0x7ffffffe // above every pid_max
const DIR = 0o40500
const CHECK = { ...STRICT, buildIdOf: () => [], shellJob: false, terminal: false, tcpEstablished: false, tcpClose: false }

const room = allocate(64)
const nobody = () => ({ name: "nobody", dying: false, late: () => ({ found: "", next: "" }) })

const fileOf = (id: number, name: string, pos = 0n, mode = 0o100444): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags: 0, pos, fown, name, mode, build_id: [] },
})

test("a file in /proc of a process that has ended is found by its name, if whoever stands in for it has such a file", () => {
  const departed = (name: string) => ({ name, way: "departed" as const, pid: GONE })
  for (const below of ["", "/status", "/fd", "/task", `/task/${GONE}`, `/task/${GONE}/stat`, `/task/${GONE}/fd`, "/net/dev"])
    expect(wayBackToDeparted(`/proc/${GONE}${below}`)).toEqual(departed(`/proc/${GONE}${below}`))
  expect(wayBackToDeparted(`/proc/${GONE} (deleted)`)).toEqual(departed(`/proc/${GONE}`))
  for (const below of ["/fd/3", "/fdinfo/0", "/task/7/stat", `/task/${GONE}/fd/3`, "/map_files/0-1000"])
    for (const pid of [GONE, process.pid])
      expect(wayBackToDeparted(`/proc/${pid}${below.replace(`${GONE}`, `${pid}`)}`)).toMatchObject({
        what: expect.stringContaining("a thread, a descriptor or a mapping that has gone"),
      })
  expect(wayBackToDeparted(`/proc/${process.pid}/stat`)).toMatchObject({ what: expect.stringContaining("has now") })
  for (const other of ["/proc/meminfo", "/proc/sys/kernel", "/sys/kernel", "/proc/0/stat"]) expect(wayBackToDeparted(other)).toBeUndefined()
})

test("of its folder of descriptors fstat(2) tells nothing", () => {
  expect(untoldStat(`/proc/${GONE}/fd`, { ino: 9n })).toMatchObject({ mode: DIR, ino: 9n })
  expect(untoldStat(`/proc/${GONE}/task/${GONE}/fd`, { ino: null })).toMatchObject({ mode: DIR, ino: 0n })
  expect(untoldStat(`/proc/${process.pid}/task/${GONE}/fd`, { ino: 9n })).toMatchObject({ mode: DIR, ino: 9n })
  expect(untoldStat(`/proc/${GONE}/status`, { ino: 9n })).toBeUndefined()
})

test("one that still tells is refused, unless one of ours tells the same", () => {
  const [pid = 0] = sparePids(1, new Set())
  spawnSeed(pid, {}, fixedDeadline(10_000), nobody)
  const open = (name: string, flags: number = O.RDONLY): number => syscall("openat", AT.FDCWD, layPath(`/proc/${pid}/${name}`), flags, 0)
  const names = ["mountinfo", "uid_map", "setgroups", "net/dev", "mem", "environ", "pagemap", "status", "auxv"]
  const fds = names.map((name) => open(name))
  const path = open("auxv", O.PATH)
  const refused = (fd: number) => refuseDeparted(scanOwn(fd))
  const ofMemory = (name: string): string => `"/proc/${pid}/${name}", which still tells of the memory of a process that has ended`
  // Memory that is there is one that another process shares.
  expect(fds.flatMap((fd) => refused(fd)?.what ?? [])).toEqual(["mem", "pagemap", "auxv"].map(ofMemory))
  endWaiter(pid)
  expect(fds.flatMap((fd) => refused(fd)?.what ?? [])).toEqual([ofMemory("auxv")])
  expect(refused(path)).toBeUndefined()
  const found = scanOwn(fds[3] ?? -1)
  expect(refuseDeparted({ ...found, stat: { ...found.stat, ino: 1n } })?.what).toContain("a namespace that is not ours")
  for (const fd of [...fds, path]) closeSync(fd)
})

test("one file of a set stands for all about its process; of a member it is none", () => {
  const files = new Map([fileOf(4, "/proc/33/status"), fileOf(5, "/proc/33"), fileOf(6, "/proc/34")].map((file) => [file.id, file]))
  const remaps = [{ orig_id: 4, remap_id: 33, remap_type: remap_type.PROCFS }]
  expect([...savedDeparted(remaps, files, () => false)]).toEqual([
    [4, 33],
    [5, 33],
  ])
  expect(savedDeparted(remaps, files, (pid) => pid === 33).size).toBe(0)
  expect(savedDeparted([], files, () => false).size).toBe(0)
})

test("checkFiles does not look for it", () => {
  const images = imagesOf({ 3: fileOf(7, `/proc/${GONE}/status`) })
  expect(() => checkFiles([images], new Set([1]), CHECK)).toThrow("it does not exist")
  checkFiles([{ ...images, departed: new Map([[7, GONE]]) }], new Set([1]), CHECK)
})

test("openOfDeparted opens them at their positions, with nothing to be read of the stand-in, and leaves no child", () => {
  const before = readChildren(process.pid)
  const [pid = 0] = sparePids(1, new Set())
  const name = `/proc/${pid}`
  const files = [fileOf(1, name, 0n, DIR), fileOf(2, `${name}/status`, 5n), fileOf(3, `${name}/pagemap`, 4096n), fileOf(4, `${name}/stat`)]
  const made = openOfDeparted(pid, files, fixedDeadline(10_000), nobody)
  expect(readChildren(process.pid)).toEqual(before)
  expect([...made.keys()]).toEqual([1, 2, 3, 4])
  const read = (id: number): string => errnoName(-attempt("read", made.get(id) ?? -1, room.address, 64))
  expect([read(2), read(4)]).toEqual(["ESRCH", "ESRCH"])
  expect(attempt("lseek", made.get(3) ?? -1, 0, 1)).toBe(4096)
  expect(readlinkSync(`/proc/self/fd/${made.get(1)}`)).toBe(`${name} (deleted)`)
  for (const fd of made.values()) closeSync(fd)
  expect(() => openOfDeparted(pid, [fileOf(1, name, 0n, DIR), fileOf(2, `${name}/none`)], fixedDeadline(10_000), nobody)).toThrow("ENOENT")
  expect(readChildren(process.pid)).toEqual(before)
})
