import { describe, expect, test } from "bun:test"
import { type creds_entry, creds_entrySchema } from "../../proto/gen/creds_pb.ts"
import { askCreds, capSet, capWords, collectCreds } from "../../src/kinds/creds/collect.ts"
import { credsDifferences, type Origin, readOrigin } from "../../src/kinds/creds/origin.ts"
import { restoreCreds } from "../../src/kinds/creds/restore.ts"
import { parseStatus, readStatus } from "../../src/proc/status.ts"
import { Program } from "../../src/tracee/program.ts"
import { answersOf, canRun, inside, perform, startFixture, throughBytes, why } from "./fixture.ts"

const withCaps = (caps: string) =>
  parseStatus(
    `Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0\nSigQ:\t0/1\nCapPrm:\t${caps}\nCapEff:\t${caps}\nCapBnd:\t1ff\nNoNewPrivs:\t0\n`,
  )
const ROOT = withCaps("1ff")
const from: Origin = { status: ROOT, secbits: 0, lastCap: 8 }
const same = (): creds_entry => collectCreds(ROOT, answersOf(new Map()), { kind: "result", record: 0 })
const calls = (entry: creds_entry): string[] => {
  const program = new Program()
  restoreCreds(throughBytes(creds_entrySchema, entry), program, from)
  return program.describe().map((line) => line.replace(/^#\d+ /, "").replace(/ \/\/.*/, ""))
}

/** Credentials of every thread of a fixture, leader first. */
const collectAll = (pid: number) =>
  inside(pid, askCreds, ({ tid, question, answers }) => collectCreds(readStatus(pid, tid), answers, question))

test("capWords and capSet are inverse", () => {
  for (const set of [0n, 1n, 1n << 31n, 1n << 32n, 2n ** 41n - 1n, 2n ** 64n - 1n]) expect(capSet(capWords(set))).toBe(set)
})

describe("restoreCreds", () => {
  test("does nothing where nothing changes, so that it works without privilege", () => {
    expect(calls(same())).toEqual([])
  })

  test("keeps capabilities while user IDs change, and gives up CAP_SETPCAP last", () => {
    const lines = calls({
      ...same(),
      uid: 5,
      euid: 5,
      suid: 5,
      fsuid: 5,
      groups: [],
      cap_prm: [1, 0],
      cap_eff: [1, 0],
      cap_bnd: [0xff, 0],
      no_new_privs: 1,
    })
    expect(lines.map((line) => line.slice(0, line.indexOf("(")))).toEqual([
      "prctl",
      "setgroups",
      "setresuid",
      "capset",
      "prctl",
      "prctl",
      "capset",
      "prctl",
    ])
    expect(lines[0]).toStartWith("prctl(0x1c, 4,")
    expect(lines[1]).toBe("setgroups(0, 0)")
    expect(lines[4]).toStartWith("prctl(0x18, 8,")
    expect(lines[5]).toStartWith("prctl(0x1c, 0,")
    expect(lines[7]).toStartWith("prctl(0x26, 1,")
  })

  test("refuses capabilities that the tool lacks, and security labels", () => {
    expect(() => calls({ ...same(), cap_prm: [0x1ff, 0], cap_eff: [0x1ff, 0] })).not.toThrow()
    expect(() =>
      restoreCreds({ ...same(), cap_prm: [0x1ff, 0] }, new Program(), { ...from, status: { ...ROOT, capPermitted: 1n } }),
    ).toThrow("may not give")
    expect(() => calls({ ...same(), lsm_profile: "docker-default" })).toThrow('"docker-default"')
  })

  test("refuses by name what needs CAP_SETPCAP, where the tool lacks it", () => {
    const lacking: Origin = { ...from, status: withCaps("ff") }
    const without = (entry: Partial<creds_entry>, origin = lacking) =>
      restoreCreds(throughBytes(creds_entrySchema, { ...same(), cap_prm: [0xff, 0], cap_eff: [0xff, 0], ...entry }), new Program(), origin)
    expect(() => without({})).not.toThrow()
    expect(() => without({ cap_bnd: [0x1fe, 0] })).toThrow("a bounding set without capabilities 0x1, which this tool's has")
    expect(() => without({ secbits: 0x10 })).toThrow("secure bits 0x10, and this tool has 0x0, and giving that needs CAP_SETPCAP")
    expect(() => without({ cap_inh: [0x100, 0] })).toThrow("inheritable capabilities 0x100")
    expect(() => without({ cap_inh: [0x1, 0] })).not.toThrow()
    expect(() => without({ uid: 5, euid: 5, suid: 5, fsuid: 5 })).toThrow("other user IDs than this tool")
    expect(() => without({ cap_bnd: [0x1fe, 0] }, from)).not.toThrow()
  })

  test("drops capabilities that this kernel does not know", () => {
    expect(calls({ ...same(), cap_prm: [0x1ff, 1 << 20], cap_bnd: [0x1ff, 1 << 20] })).toEqual([])
  })
})

describe.skipIf(!canRun)(`credentials of a live process${why}`, () => {
  test("collect and restore: threads with different IDs, sets, groups and secure bits", async () => {
    using subject = await startFixture("subject", "creds")
    using copy = await startFixture("subject", "idle")
    const dumped = collectAll(subject.pid)
    const [leader, other] = dumped
    expect(leader).toMatchObject({ uid: 1001, euid: 1002, suid: 1003, fsuid: 1004, gid: 1010, egid: 1011, sgid: 1012, fsgid: 1013 })
    expect(leader).toMatchObject({ groups: [5, 6, 1000, 70000], no_new_privs: 1, secbits: 0b1101_0111 })
    expect(capSet(leader!.cap_inh)).toBe((1n << 10n) | (1n << 25n))
    expect(capSet(leader!.cap_bnd) & (1n << 25n)).toBe(0n)
    expect(capSet(leader!.cap_amb)).toBe(1n << 10n)
    expect(other).toMatchObject({ uid: 2000, groups: [], cap_prm: [0, 0], cap_eff: [0, 0], secbits: 0 })
    expect(other).not.toHaveProperty("no_new_privs")

    const origin = readOrigin(copy.pid)
    const entries = dumped.map((entry) => throughBytes(creds_entrySchema, entry))
    perform(copy.pid, (program, tid) => restoreCreds(entries[tid === copy.pid ? 0 : 1]!, program, origin))
    expect(collectAll(copy.pid)).toEqual(dumped)
    expect(credsDifferences(leader!, readStatus(copy.pid), origin.lastCap)).toEqual([])
    expect(credsDifferences(other!, readStatus(copy.pid), origin.lastCap)[0]).toBe(
      "user IDs are 1001 1002 1003 1004, not 2000 2000 2000 2000",
    )
  })
})
