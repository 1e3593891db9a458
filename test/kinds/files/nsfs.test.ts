import { describe, expect, test } from "bun:test"
import { CLONE } from "../../../ffi/abi/clone.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { filesById } from "../../../src/kinds/files/ids.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { collectNamespace, isNamespace, refuseNamespace } from "../../../src/kinds/files/nsfs/collect.ts"
import { checkNamespace } from "../../../src/kinds/files/nsfs/restore.ts"
import { collectTun, isTun, refuseTun } from "../../../src/kinds/files/tun/collect.ts"
import { parseFdInfo } from "../../../src/proc/fdinfo.ts"
import { readNamespaces } from "../../../src/proc/links.ts"
import { fown, imagesOf, openFile, plansOf } from "./plans.ts"

const net = readNamespaces(process.pid).get("net") ?? 0n
const holding = (ino: bigint, name = "net") => {
  const file = openFile(0, { target: `${name}:[${ino}]`, flags: 0 })
  return { ...file, stat: { ...file.stat, ino } }
}

describe("namespace files", () => {
  const nsf = { id: 7, ns_id: 2, ns_cflag: CLONE.NEWNET, flags: 0 }
  const file: file_entry = { type: fd_types.NS, id: 7, nsf }

  test("one that the program is in is kept by its kind; entry and plan are mirrors", () => {
    expect(isNamespace(holding(net))).toBe(true)
    for (const name of ["pipe", "socket", "weather"]) expect(isNamespace(holding(net, name))).toBe(false)
    expect(refuseNamespace(holding(net))).toBeUndefined()
    expect(collectNamespace(holding(net))).toEqual(nsf)
    expect(plansOf(imagesOf({ 20: file })).open.slice(0, 1)).toEqual([
      '#1 openat(-100, "/proc/self/ns/net\\u0000", 0x100, 0) // the net namespace',
    ])
  })

  test("any other is refused, by a dump and by a restore", () => {
    expect(refuseNamespace(holding(net + 1n))?.what).toBe(`a namespace ("net:[${net + 1n}]") that the program is not in`)
    expect(() => checkNamespace(nsf, { net_ns_id: 2 })).not.toThrow()
    expect(() => checkNamespace(nsf, { net_ns_id: 3 })).toThrow("it is net namespace 2, which the tree is not in")
    expect(() => checkNamespace({ ...nsf, ns_cflag: 3 }, { net_ns_id: 2 })).toThrow("0x3 is no kind of namespace")
  })

  test("checkFiles knows them", () => {
    const options = { ...STRICT, buildIdOf: () => [], shellJob: false, terminal: false, tcpEstablished: false, tcpClose: false }
    const check = (id: number) => () => checkFiles([imagesOf({ 20: file })], new Set(), { ...options, namespaces: { net_ns_id: id } })
    expect(check(2)).not.toThrow()
    expect(check(1)).toThrow("which the tree is not in")
  })
})

describe("/dev/net/tun", () => {
  const info = (iff: string) => parseFdInfo(`pos:\t0\nflags:\t02\nmnt_id:\t24\nino:\t105\niff:\t${iff}\n`)
  const device = (iff: string) => {
    const found = openFile(0, { target: "/dev/net/tun", info: info(iff) })
    return { ...found, stat: { ...found.stat, mode: 0o20600, rdevMajor: 10, rdevMinor: 200 } }
  }
  const reg = { id: 7, flags: 2, pos: 0n, fown, name: "/dev/net/tun", mode: 0o20600, build_id: [] }

  test("with an interface it is refused", () => {
    expect(isTun(device(""))).toBe(true)
    expect(refuseTun(device("tun0"))?.what).toBe('the network interface "tun0" of "/dev/net/tun"')
  })

  test("its entry and that of its path have one id, and become one", () => {
    const added: file_entry[] = []
    const table = { add: (entry: file_entry) => void added.push(entry) } as never
    const tunf = collectTun(device(""), { table })
    expect([tunf, added]).toEqual([{ id: 7 }, [{ type: fd_types.REG, id: 7, reg }]])
    const both = filesById([...added, { type: fd_types.TUNF, id: 7, tunf }])
    const one: file_entry = { type: fd_types.TUNF, id: 7, tunf, reg }
    expect([...both]).toEqual([[7, one]])
    expect([...filesById([{ type: fd_types.TUNF, id: 7, tunf }, ...added])]).toEqual([[7, one]])
    expect(plansOf(imagesOf({ 20: one })).open.slice(0, 1)).toEqual(['#1 openat(-100, "/dev/net/tun\\u0000", 0x102, 0) // "/dev/net/tun"'])
    expect(() => plansOf(imagesOf({ 20: { type: fd_types.TUNF, id: 7, tunf } }))).toThrow("the path of this device is missing")
  })

  test("an image of one with an interface, or without its path, is refused before anything exists", () => {
    const options = { ...STRICT, buildIdOf: () => [], shellJob: false, terminal: false, tcpEstablished: false, tcpClose: false }
    const check = (file: file_entry) => () => checkFiles([imagesOf({ 20: file })], new Set(), options)
    expect(check({ type: fd_types.TUNF, id: 7, tunf: { id: 7 } })).toThrow("the path of this device is missing")
    const unsized = { ...reg, mode: undefined, name: "/dev/null" }
    expect(check({ type: fd_types.TUNF, id: 7, tunf: { id: 7, netdev: "tun0" }, reg: unsized })).toThrow('the network interface "tun0"')
  })
})
