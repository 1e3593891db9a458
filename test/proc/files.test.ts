import { expect, test } from "bun:test"
import { AUXV, parseAuxv, readAuxv } from "../../src/proc/auxv.ts"
import { parseCgroups } from "../../src/proc/cgroup.ts"
import { LIMIT_NAMES, parseLimits, RLIM_INFINITY, readLimits } from "../../src/proc/limits.ts"
import { parseNamespace } from "../../src/proc/links.ts"
import { parseMountinfo, readMountinfo } from "../../src/proc/mountinfo.ts"
import { parseTimers } from "../../src/proc/timers.ts"

test("parseLimits keeps RLIMIT order, unlimited and empty units", () => {
  const limits = parseLimits(`Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              1                    unlimited            seconds   
Max stack size            8388608              18446744073709551614 bytes     
Max nice priority         0                    40                   
Max realtime timeout      unlimited            7                    us        
`)
  expect(limits).toHaveLength(16)
  expect(limits[0]).toEqual({ soft: 1n, hard: RLIM_INFINITY })
  expect(limits[3]).toEqual({ soft: 8388608n, hard: 2n ** 64n - 2n })
  expect(limits[13]).toEqual({ soft: 0n, hard: 40n })
  expect(limits[15]).toEqual({ soft: RLIM_INFINITY, hard: 7n })
})

test("readLimits agrees with the shell's ulimit", () => {
  const asked = Bun.spawnSync(["sh", "-c", "ulimit -n; cat /proc/self/limits"]).stdout.toString()
  const soft = readLimits(process.pid)[LIMIT_NAMES.indexOf("Max open files")]?.soft
  expect(parseLimits(asked)[7]?.soft).toBe(BigInt(asked.split("\n", 1)[0] ?? ""))
  expect(soft).toBeGreaterThan(0n)
})

test("parseTimers reads several timers", () => {
  const timers = parseTimers(`ID: 1
signal: 60/00007fff86e452a8
notify: signal/pid.2634
ClockID: 0
ID: 0
signal: 34/ffffffffffffffff
notify: thread/tid.2635
ClockID: -22
ID: 7
signal: 0/0000000000000000
notify: none/pid.0
ClockID: 1
`)
  expect(timers).toEqual([
    { id: 1, signal: 60, value: 0x7fff86e452a8n, notify: "signal", target: "pid", targetId: 2634, clockId: 0 },
    { id: 0, signal: 34, value: 2n ** 64n - 1n, notify: "thread", target: "tid", targetId: 2635, clockId: -22 },
    { id: 7, signal: 0, value: 0n, notify: "none", target: "pid", targetId: 0, clockId: 1 },
  ])
  expect(parseTimers("")).toEqual([])
})

test("parseAuxv stops after AT_NULL and ignores half a pair", () => {
  const auxv = parseAuxv(new Uint8Array(BigUint64Array.of(AUXV.PAGESZ, 4096n, AUXV.RSEQ_ALIGN, 32n, 0n, 0n, 6n, 1n).buffer))
  expect(auxv.words).toHaveLength(6)
  expect(auxv.value(AUXV.RSEQ_ALIGN)).toBe(32n)
  expect(auxv.value(AUXV.BASE)).toBeNull()
  expect(parseAuxv(new Uint8Array(15)).words).toEqual([])
  expect(readAuxv(process.pid).value(AUXV.PAGESZ)).toBe(4096n)
})

test("parseMountinfo reads tags, octal escapes and an empty source", () => {
  const [root, odd, empty] =
    parseMountinfo(`36 35 98:0 / / rw,noatime shared:1 master:2 propagate_from:3 - ext3 /dev/root rw,errors=continue
40 36 0:35 /a\\040b//deleted /mnt\\011x\\134 rw unbindable - fuse.sshfs u@h:/ rw
41 36 0:36 / /empty rw - tmpfs  rw
`)
  expect(root).toMatchObject({
    id: 36,
    parentId: 35,
    devMajor: 98,
    devMinor: 0,
    shared: 1,
    master: 2,
    propagateFrom: 3,
    type: "ext3",
    superOptions: ["rw", "errors=continue"],
  })
  expect(odd).toMatchObject({ root: "/a b//deleted", point: "/mnt\tx\\", unbindable: true, shared: null, type: "fuse.sshfs" })
  expect(empty).toMatchObject({ point: "/empty", type: "tmpfs", source: "", superOptions: ["rw"] })
  expect(readMountinfo(process.pid).some(({ point }) => point === "/")).toBe(true)
})

test("parseCgroups keeps colons of the path", () => {
  expect(parseCgroups("12:cpu,cpuacct:/a\n1:name=systemd:/x:y\n0::/user.slice (deleted)\n")).toEqual([
    { hierarchy: 12, controllers: ["cpu", "cpuacct"], path: "/a" },
    { hierarchy: 1, controllers: ["name=systemd"], path: "/x:y" },
    { hierarchy: 0, controllers: [], path: "/user.slice (deleted)" },
  ])
})

test("parseNamespace reads the inode", () => expect(parseNamespace("mnt:[4026531840]")).toBe(4026531840n))
