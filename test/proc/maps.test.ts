import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { parseMaps, readMaps, readOwnMaps } from "../../src/proc/maps.ts"
import { parseSmaps, readSmaps } from "../../src/proc/smaps.ts"

const MAPS = `00400000-00401000 r--p 00000000 fe:00 260386                             /usr/bin/head
7f0000000000-7f0000002000 rw-s 100003000 00:01 18446744073709551615      /memfd:a b (deleted)
7f0000002000-7f0000003000 ---p 00000000 00:00 0 
7f0000003000-7f0000004000 rwxp 00001000 103:fffff 12                     /tmp/new\\012line with  blanks 
7f0000004000-7f0000005000 r--p 00000000 00:0e 9                          anon_inode:[perf_event]
7f0000005000-7f0000006000 rw-s 00000000 00:01 1                          /dev/zero (deleted)
7f0000006000-7f0000007000 rw-p 00000000 00:00 0                          [anon:my (deleted) arena]
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
7ffc00021000-7ffc00025000 r--p 00000000 00:00 0                          [vvar]
7ffc00025000-7ffc00027000 r--p 00000000 00:00 0                          [vvar_vclock]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]`

describe("parseMaps", () => {
  const maps = parseMaps(MAPS)

  test("reads addresses, rights and file of each line", () => {
    expect(maps).toHaveLength(11)
    expect(maps[0]).toEqual({
      start: 0x400000n,
      end: 0x401000n,
      read: true,
      write: false,
      exec: false,
      shared: false,
      offset: 0n,
      devMajor: 0xfe,
      devMinor: 0,
      inode: 260386n,
      path: "/usr/bin/head",
      deleted: false,
    })
    expect(maps[1]).toMatchObject({ shared: true, write: true, offset: 0x100003000n, inode: 2n ** 64n - 1n })
    expect(maps[3]).toMatchObject({ exec: true, devMajor: 0x103, devMinor: 0xfffff })
    expect(maps[10]).toMatchObject({ start: 0xffffffffff600000n, end: 0xffffffffff601000n, read: false, exec: true })
  })

  test("keeps odd names apart from deleted ones", () => {
    expect(maps.map(({ path, deleted }) => [path, deleted])).toEqual([
      ["/usr/bin/head", false],
      ["/memfd:a b", true],
      ["", false],
      ["/tmp/new\nline with  blanks ", false],
      ["anon_inode:[perf_event]", false],
      ["/dev/zero", true],
      ["[anon:my (deleted) arena]", false],
      ["[stack]", false],
      ["[vvar]", false],
      ["[vvar_vclock]", false],
      ["[vsyscall]", false],
    ])
  })

  test("takes the lines that have a part, and no others", () => {
    expect(parseMaps(MAPS, "[v")).toEqual(maps.filter(({ path }) => path.startsWith("[v")))
    expect(parseMaps(MAPS, " /").every(({ path }) => path.startsWith("/"))).toBe(true)
    expect(readOwnMaps("[vdso]").map(({ path }) => path)).toEqual(["[vdso]"])
  })

  test("answers no mappings for a kernel thread", () => expect(parseMaps("")).toEqual([]))
})

describe("parseSmaps", () => {
  const [heap, file, hole] = parseSmaps(`5605c8a7c000-5605c8a7e000 rw-p 00000000 00:00 0                          [heap]
Size:                  8 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                   8 kB
Shared_Clean:         16 kB
Shared_Dirty:         12 kB
Private_Clean:         0 kB
Anonymous:             8 kB
AnonHugePages:      2048 kB
Shared_Hugetlb:     2048 kB
Swap:                  4 kB
THPeligible:           1
NewCounter:           99 kB
ProtectionKey:         3
VmFlags: rd wr mr mw me gd ac sd 
7f0000000000-7f0000001000 r-xp 00000000 fe:00 7                          /lib/Abc: 12 kB
Size:                  4 kB
Rss:                   0 kB
VmFlags: rd ex mr mw me 
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
Size:                  4 kB
Rss:                   0 kB
VmFlags: mr mw me 
`)

  test("reads counters by name, each of its own mapping, 0 where there is none", () => {
    expect(heap).toMatchObject({ path: "[heap]" })
    expect(heap?.counters).toMatchObject({ kernelPageSize: 4, rss: 8, anonymous: 8, swap: 4, protectionKey: 3, locked: 0 })
    expect(heap?.counters).toMatchObject({ sharedClean: 16, sharedDirty: 12, sharedHugetlb: 2048 })
    expect(file).toMatchObject({ path: "/lib/Abc: 12 kB" })
    expect(file?.counters).toMatchObject({ rss: 0, anonymous: 0, protectionKey: 0 })
    expect(hole).toMatchObject({ path: "", read: false })
  })

  test("reads flags as a set of words", () => {
    expect(heap?.vmFlags).toEqual(new Set(["rd", "wr", "mr", "mw", "me", "gd", "ac", "sd"]))
    expect(file?.vmFlags.has("ex")).toBe(true)
    expect(hole?.vmFlags.has("rd")).toBe(false)
  })

  test("parses 10,000 mappings in a fraction of a second", () => {
    const text = readFileSync("/proc/self/smaps", "utf8")
    const copies = Math.ceil(10_000 / parseSmaps(text).length)
    const started = performance.now()
    expect(parseSmaps(text.repeat(copies)).length).toBeGreaterThanOrEqual(10_000)
    expect(performance.now() - started).toBeLessThan(500)
  })
})

test("readMaps and readSmaps agree about this process", () => {
  const maps = readMaps(process.pid)
  const stack = maps.find(({ path }) => path === "[stack]")
  expect(stack).toMatchObject({ read: true, write: true, shared: false })
  const detail = readSmaps(process.pid, process.pid).find(({ path }) => path === "[stack]")
  expect(detail?.end).toBe(stack?.end)
  expect(detail?.vmFlags.has("gd")).toBe(true)
  expect(detail?.counters.rss).toBeGreaterThan(0)
  for (const [index, { start, end }] of maps.entries()) {
    expect(start).toBeLessThan(end)
    expect(maps[index - 1]?.end ?? 0n).toBeLessThanOrEqual(start)
  }
})
