import { describe, expect, test } from "bun:test"
import { CAP } from "../../../ffi/abi/caps.ts"
import { rungOf } from "../../../src/flow/features/rung.ts"

const all = (1n << 41n) - 1n
const without = (...names: (keyof typeof CAP)[]): bigint => names.reduce((set, name) => set & ~(1n << BigInt(CAP[name])), all)
const only = (...names: (keyof typeof CAP)[]): bigint => names.reduce((set, name) => set | (1n << BigInt(CAP[name])), 0n)

describe("rungOf", () => {
  test("with every capability of the machine nothing is lost", () => {
    expect(rungOf({ first: true, capabilities: all, mayChoose: true })).toEqual({ name: "root", title: "root", lost: [] })
  })

  test("names each capability that root of a container lacks", () => {
    const rung = (cap: keyof typeof CAP) => rungOf({ first: true, capabilities: without(cap), mayChoose: true })
    expect(rung("SYS_RESOURCE")).toMatchObject({ name: "root", lost: [expect.stringMatching(/^hard limits .*\(CAP_SYS_RESOURCE\)$/)] })
    expect(rung("NET_ADMIN").lost.map((line) => line.slice(0, 15))).toEqual(["TCP connections", "socket buffers "])
    expect(rung("SYS_PTRACE").lost).toEqual([expect.stringMatching(/^processes of other users/)])
    expect(rung("SYS_ADMIN").name).toBe("checkpoint-restore")
    expect(rung("SYS_ADMIN").lost.join()).toContain("processes under seccomp")
  })

  test("with CAP_CHECKPOINT_RESTORE alone mapped files are kept, and other users' processes are not", () => {
    const { name, lost } = rungOf({ first: true, capabilities: only("CHECKPOINT_RESTORE"), mayChoose: true })
    expect(name).toBe("checkpoint-restore")
    expect(lost.join()).toContain("processes of other users")
    expect(lost.join()).not.toContain("mapped files")
    expect(lost.join()).not.toContain("any restore")
  })

  test("in a user namespace capabilities do not count for what is the machine's", () => {
    const { name, lost } = rungOf({ first: false, capabilities: all, mayChoose: true })
    expect(name).toBe("own-namespaces")
    expect(lost.join()).toContain("processes under seccomp (CAP_SYS_ADMIN)")
    expect(lost.join()).not.toContain("clocks")
    expect(lost.join()).not.toContain("user IDs")
  })

  test("who may not choose PIDs is an ordinary user, whatever his namespace, and is told the way out", () => {
    for (const first of [true, false]) {
      const { name, lost } = rungOf({ first, capabilities: 0n, mayChoose: false })
      expect(name).toBe("ordinary")
      expect(lost[0]).toBe("any restore, but in namespaces of one's own: unshare -Ucpf --keep-caps --mount-proc stasis restore")
    }
  })
})
