import { afterAll, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { cgroup_dir_entry, cgroup_entry } from "../../../proto/gen/cgroup_pb.ts"
import type { Hierarchy } from "../../../src/kinds/cgroup/hierarchy.ts"
import type { CgroupMode } from "../../../src/kinds/cgroup/modes.ts"
import { prepareCgroups } from "../../../src/kinds/cgroup/place.ts"
import { planCgroups, rebase } from "../../../src/kinds/cgroup/restore.ts"
import { parseCgroups } from "../../../src/proc/cgroup.ts"
import { failureOf } from "../../harness/failure.ts"
import { discard, scratch } from "../../harness/folders.ts"

const folder = scratch("cgroup-plan")
afterAll(() => discard(folder))
const own = parseCgroups("2:pids:/\n0::/me\n")
const dir = (dir_name: string, more: Partial<cgroup_dir_entry> = {}): cgroup_dir_entry => ({
  dir_name,
  children: [],
  properties: [],
  ...more,
})

/** Plain directories instead of mounted hierarchies: what is made and written there is seen. */
function factsOf(name: string) {
  const hierarchies: Hierarchy[] = [
    { name: "pids", controllers: ["pids"], point: join(folder, name, "pids"), root: "/" },
    { name: "", controllers: [], point: join(folder, name, "unified"), root: "/" },
  ]
  for (const { point } of hierarchies) if (point !== undefined) mkdirSync(point, { recursive: true })
  return { own, hierarchies }
}

const entry: cgroup_entry = {
  sets: [
    {
      id: 2,
      ctls: [
        { name: "", path: "/box/job" },
        { name: "pids", path: "/" },
      ],
    },
    { id: 3, ctls: [{ name: "", path: "/box/job/t" }] },
  ],
  controllers: [
    { cnames: ["pids"], dirs: [dir("")], is_threaded: true },
    {
      cnames: [""],
      dirs: [
        dir("box/job", {
          children: [dir("t")],
          properties: [{ name: "note", value: "five" }],
          dir_perms: { mode: 0o40711, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
        }),
      ],
    },
  ],
}
const sets = { rootSet: 2, wanted: new Set([1, 2, 3]), ownSet: 1 }
const below = (name: string, path: string): string => path.slice(join(folder, name).length)

describe("planCgroups", () => {
  const plan = (name: string, roots: Parameters<typeof planCgroups>[2] = []) => planCgroups(entry, sets, roots, factsOf(name))

  test("directories come parents first; places leave out where the tool is", () => {
    const { directories, places } = plan("plan")
    expect(directories.map(({ directory, saved, isOurs }) => [below("plan", directory), saved, isOurs])).toEqual([
      ["/pids", true, true],
      ["/unified/box", false, false],
      ["/unified/box/job", true, false],
      ["/unified/box/job/t", true, false],
    ])
    expect([...places].map(([id, list]) => [id, list.map(({ directory, version }) => [below("plan", directory), version])])).toEqual([
      [1, [["/unified/me", 2]]],
      [2, [["/unified/box/job", 2]]],
      [3, [["/unified/box/job/t", 2]]],
    ])
  })

  test("--cgroup-root stands for the path of the root task", () => {
    const { directories, places } = plan("plan", [{ controller: "cgroup2", path: "/new" }])
    expect(directories.map(({ directory }) => below("plan", directory))).toEqual(["/pids", "/unified/new", "/unified/new/t"])
    expect(places.get(3)?.map(({ directory }) => below("plan", directory))).toEqual(["/unified/new/t"])
  })

  test("rebase", () => {
    expect(rebase("/a/b", "/a", "/n")).toBe("/n/b")
    expect(rebase("/a", "/a", "/n")).toBe("/n")
    expect(rebase("/a/b", "/a", "/")).toBe("/b")
    expect(rebase("/a", "/a", "/")).toBe("/")
    expect(rebase("/", "/", "/n")).toBe("/n")
    expect(rebase("/a", "/", "/n")).toBe("/n/a")
    expect(failureOf(() => rebase("/ab", "/a", "/n"))).toMatchObject({ code: "E_RESTORE" })
  })

  test("an unknown set, a missing hierarchy and a path that leaves its own are refused", () => {
    const refused = (broken: cgroup_entry, wanted: number) =>
      failureOf(() => planCgroups(broken, { ...sets, wanted: new Set([wanted]) }, [], factsOf("plan")))
    expect(refused(entry, 9)).toMatchObject({ code: "E_IMAGE_CORRUPT", found: "cgroup set 9 is not in cgroup.img" })
    const elsewhere = { sets: [{ id: 2, ctls: [{ name: "rdma", path: "/x" }] }], controllers: [] }
    expect(refused(elsewhere, 2)).toMatchObject({ code: "E_RESTORE", found: 'the hierarchy "rdma" of /x does not exist here' })
    const leaving = { ...entry, controllers: [{ cnames: [""], dirs: [dir("box/../../../etc")] }] }
    expect(refused(leaving, 2)).toMatchObject({ code: "E_IMAGE_CORRUPT", found: '"/box/.." leaves its hierarchy' })
  })
})

describe("prepareCgroups", () => {
  const job = (name: string, ...path: string[]): string => join(folder, name, "unified/box/job", ...path)
  /** A property needs its file, which the kernel would make with the directory. */
  const prepare = (name: string, mode: CgroupMode) => prepareCgroups(planCgroups(entry, sets, [], factsOf(name)), mode)

  test("soft makes what is missing, with its mode, and removes it again unless it is kept", () => {
    const prepared = prepare("soft", "soft")
    expect(existsSync(job("soft", "t"))).toBe(true)
    expect(
      Bun.spawnSync(["stat", "-c", "%a", job("soft")])
        .stdout.toString()
        .trim(),
    ).toBe("711")
    prepared[Symbol.dispose]()
    expect(existsSync(join(folder, "soft/unified/box"))).toBe(false)
    const kept = prepare("soft", "soft")
    kept.keep()
    kept[Symbol.dispose]()
    expect(existsSync(job("soft", "t"))).toBe(true)
  })

  test("a version 2 directory on the way hands down what the one above it does", () => {
    factsOf("handed")
    writeFileSync(join(folder, "handed/unified/cgroup.subtree_control"), "cpu memory\n")
    prepare("handed", "soft").keep()
    expect(readFileSync(join(folder, "handed/unified/box/cgroup.subtree_control"), "utf8")).toBe("+cpu +memory")
    expect(existsSync(job("handed", "cgroup.subtree_control"))).toBe(false)
  })

  test.each<[CgroupMode, string, string | undefined]>([
    ["soft", "one", undefined],
    ["none", "one", undefined],
    ["full", "five", undefined],
    ["props", "five", undefined],
    ["strict", "one", "exists already"],
  ])("%s on directories that exist", (mode, value, error) => {
    const name = `there-${mode}`
    factsOf(name)
    mkdirSync(job(name, "t"), { recursive: true })
    writeFileSync(job(name, "note"), "one")
    const act = () => {
      using prepared = prepare(name, mode)
      prepared.setLimits()
      prepared.placeProcess(12, 2)
      prepared.placeThread(13, 3)
    }
    if (error) expect(failureOf(act)).toMatchObject({ code: "E_RESTORE", found: `${job(name)} ${error}` })
    else {
      act()
      expect(readFileSync(job(name, "cgroup.procs"), "utf8")).toBe("12")
      expect(readFileSync(job(name, "t/cgroup.threads"), "utf8")).toBe("13")
    }
    expect(readFileSync(job(name, "note"), "utf8")).toBe(value)
    expect(existsSync(job(name, "t"))).toBe(true)
  })

  test.each<CgroupMode>(["none", "props"])("%s wants every directory to exist", (mode) => {
    const found = `${join(folder, `empty-${mode}`, "unified/box")} does not exist`
    expect(failureOf(() => prepare(`empty-${mode}`, mode))).toMatchObject({ code: "E_RESTORE", found })
  })

  test("a frozen place is refused, and what was made before is removed", () => {
    factsOf("frozen")
    mkdirSync(job("frozen"), { recursive: true })
    for (const [file, text] of [
      ["cgroup.freeze", "1\n"],
      ["cgroup.events", "populated 0\nfrozen 1\n"],
    ] as const)
      writeFileSync(job("frozen", file), text)
    expect(failureOf(() => prepare("frozen", "soft"))).toMatchObject({ code: "E_RESTORE", found: `${job("frozen")} is frozen` })
    expect(existsSync(job("frozen", "t"))).toBe(false)
  })
})
