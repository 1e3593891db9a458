import { describe, expect, test } from "bun:test"
import { changeIds } from "../../src/flow/restore/own-ids.ts"
import { idComplaints, type OwnRights, privilegeComplaints } from "../../src/flow/rights.ts"

describe("changeIds", () => {
  test("changes users and groups wherever they stand, and nothing else", () => {
    const creds = { uid: 1, euid: 1, suid: 2, fsuid: 1, gid: 3, egid: 3, sgid: 3, fsgid: 4, groups: [3, 5], secbits: 1 }
    const message = {
      core: { creds, pgid: 1 },
      files: [{ fown: { uid: 1, euid: 2, pid: 1 } }],
      netlink: { groups: [1] },
      bytes: Uint8Array.of(1),
    }
    changeIds(message, (id, isGroup) => id + (isGroup ? 100 : 10))
    expect(message).toEqual({
      core: {
        creds: { uid: 11, euid: 11, suid: 12, fsuid: 11, gid: 103, egid: 103, sgid: 103, fsgid: 104, groups: [103, 105], secbits: 1 },
        pgid: 1,
      },
      files: [{ fown: { uid: 11, euid: 12, pid: 1 } }],
      netlink: { groups: [1] },
      bytes: Uint8Array.of(1),
    })
  })
})

describe("idComplaints", () => {
  const creds = { uid: 7, euid: 7, suid: 7, fsuid: 7, gid: 7, egid: 7, sgid: 7, fsgid: 7, groups: [] }
  const saved = (change: Partial<typeof creds> = {}) =>
    ({ processes: [{ tree: { pid: 5 }, threads: [{ tid: 5, core: { creds: { ...creds, ...change } } }] }] }) as unknown as Parameters<
      typeof idComplaints
    >[0]
  const ids = (id: number) => ({ real: id, effective: id, saved: id, filesystem: id })
  const everything = [{ inside: 0, outside: 0, count: 4294967295 }]
  const rights: OwnRights = {
    ids: { uids: everything, gids: everything, mayGroup: true },
    status: { uid: ids(7), gid: ids(7) },
    maySetUser: false,
    maySetGroup: false,
  }
  const found = (change: Partial<typeof creds>, more: Partial<OwnRights> = {}) =>
    idComplaints(saved(change), { ...rights, ...more }).map((complaint) => complaint.found)

  test("one's own IDs take no right", () => expect(found({})).toEqual([]))
  test("others take CAP_SETUID or CAP_SETGID", () => {
    expect(found({ suid: 8 })).toEqual(["it had user ID 8, and giving it needs CAP_SETUID"])
    expect(found({ fsgid: 8 })).toEqual(["it had group ID 8, and giving it needs CAP_SETGID"])
    expect(found({ suid: 8, fsgid: 8 }, { maySetUser: true, maySetGroup: true })).toEqual([])
  })
  test("what does not exist in a user namespace cannot be had there by anybody", () => {
    const uids = [{ inside: 7, outside: 7, count: 1 }]
    const all = { maySetUser: true, maySetGroup: true, ids: { ...rights.ids, uids } }
    expect(found({ euid: 0 }, all)).toEqual(["it had user ID 0, which does not exist in this user namespace"])
  })
})

test("privilegeComplaints: who has no_new_privs makes none that may gain privileges", () => {
  const saved = (...given: readonly (number | undefined)[]) =>
    ({
      processes: [{ tree: { pid: 5 }, threads: given.map((no_new_privs) => ({ core: { creds: { no_new_privs } } })) }],
    }) as unknown as Parameters<typeof privilegeComplaints>[0]
  expect(privilegeComplaints(saved(undefined), { noNewPrivs: false })).toEqual([])
  expect(privilegeComplaints(saved(1, 1), { noNewPrivs: true })).toEqual([])
  for (const entry of [saved(1, undefined), saved(0)])
    expect(privilegeComplaints(entry, { noNewPrivs: true })).toMatchObject([{ code: "E_PERMISSION", action: "Cannot restore process 5" }])
})
