import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cgroup_entrySchema } from "../../../proto/gen/cgroup_pb.ts"
import { collectSets, hiddenPrefix, OWN_SET } from "../../../src/kinds/cgroup/collect.ts"
import { collectControllers, rootFor, topsOf } from "../../../src/kinds/cgroup/directories.ts"
import { directoryOf, findHierarchies, type Hierarchy } from "../../../src/kinds/cgroup/hierarchy.ts"
import { momentOf, propertiesOf, savedValue, writesFor } from "../../../src/kinds/cgroup/properties.ts"
import { parseProperties } from "../../../src/kinds/cgroup/spec.ts"
import { parseCgroups } from "../../../src/proc/cgroup.ts"
import { parseMountinfo } from "../../../src/proc/mountinfo.ts"
import { failureOf } from "../../harness/failure.ts"
import { discard, scratch } from "../../harness/folders.ts"
import { throughBytes } from "../fixture.ts"

const own = parseCgroups("4:memory:/me\n1:cpu,cpuacct:/\n0::/\n")
const folder = scratch("cgroup-unit")
afterAll(() => discard(folder))

/** A directory tree that looks like a mounted hierarchy. */
function hierarchy(name: string, files: Readonly<Record<string, string>>): Hierarchy {
  const point = join(folder, name || "unified")
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(point, path, ".."), { recursive: true })
    writeFileSync(join(point, path), text)
  }
  return { name, controllers: name === "" ? [] : name.split(","), point, root: "/" }
}

describe("sets", () => {
  const there = parseCgroups("4:memory:/me\n1:cpu,cpuacct:/there\n0::/a\n")

  test("the tool's own set is the first and not listed; equal ones are one set, sorted by name", () => {
    const { setOf, sets } = collectSets(
      new Map([
        [10, { cgroups: own }],
        [11, { cgroups: there }],
        [12, { cgroups: [...there].reverse() }],
      ]),
      own,
      [],
    )
    expect([...setOf]).toEqual([
      [10, OWN_SET],
      [11, 2],
      [12, 2],
    ])
    const ctls = [
      { name: "", path: "/a" },
      { name: "cpu,cpuacct", path: "/there" },
      { name: "memory", path: "/me" },
    ]
    expect(sets).toEqual([{ id: 2, ctls }])
  })

  test("--cgroup-dump-controller leaves the others out, and what differs only there", () => {
    const threads = new Map([[11, { cgroups: there }]])
    expect(collectSets(threads, own, ["cpu"]).sets).toEqual([{ id: 2, ctls: [{ name: "cpu,cpuacct", path: "/there" }] }])
    expect(collectSets(threads, own, ["cgroup2"]).sets).toEqual([{ id: 2, ctls: [{ name: "", path: "/a" }] }])
    expect(collectSets(threads, own, ["memory"])).toEqual({ sets: [], setOf: new Map([[11, OWN_SET]]) })
  })

  test("a cgroup namespace hides a prefix, counted in bytes", () => {
    expect(hiddenPrefix("/lxc/ü/x", "/x")).toBe(7)
    expect(hiddenPrefix("/lxc", "/")).toBe(4)
    expect(hiddenPrefix("/", "/")).toBe(0)
    expect(hiddenPrefix("/a", "/b")).toBe(0)
    const inside = parseCgroups("0::/\n")
    const { sets } = collectSets(new Map([[11, { cgroups: there, inside }]]), own, ["cgroup2"])
    expect(sets[0]?.ctls).toEqual([{ name: "", path: "/a", cgns_prefix: 2 }])
  })
})

describe("hierarchies", () => {
  const mounts = parseMountinfo(
    [
      "30 1 0:30 / /cg/part rw - cgroup cgroup rw,cpu,cpuacct",
      "31 1 0:31 /docker/x /cg/memory rw - cgroup cgroup rw,memory",
      "32 1 0:32 / /cg/unified rw - cgroup2 cgroup2 rw",
      "33 1 0:33 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd",
      "",
    ].join("\n"),
  )
  const all = findHierarchies(parseCgroups("9:pids:/\n5:name=systemd:/\n4:memory:/\n1:cpuacct,cpu:/\n0::/\n"), mounts)

  test("each is found by its controllers, in any order, or is mounted nowhere", () => {
    expect(all.map(({ name, point, root }) => [name, point, root])).toEqual([
      ["pids", undefined, "/"],
      ["name=systemd", "/cg/systemd", "/"],
      ["memory", "/cg/memory", "/docker/x"],
      ["cpuacct,cpu", "/cg/part", "/"],
      ["", "/cg/unified", "/"],
    ])
  })

  test("a path becomes a directory of what is mounted", () => {
    const [pids, , memory, , unified] = all as [Hierarchy, Hierarchy, Hierarchy, Hierarchy, Hierarchy]
    expect(directoryOf(unified, "/")).toBe("/cg/unified")
    expect(directoryOf(unified, "/a/b")).toBe("/cg/unified/a/b")
    expect(directoryOf(memory, "/docker/x")).toBe("/cg/memory")
    expect(directoryOf(memory, "/docker/x/y")).toBe("/cg/memory/y")
    expect(directoryOf(memory, "/docker/xy")).toBeUndefined()
    expect(directoryOf(pids, "/")).toBeUndefined()
  })
})

describe("directories", () => {
  test("topsOf: below another one is no top, except where the tool is", () => {
    expect(topsOf(["/a/b", "/a", "/ab", "/a"], "/me")).toEqual(["/a", "/ab"])
    expect(topsOf(["/", "/x"], "/")).toEqual(["/", "/x"])
    expect(topsOf(["/", "/x"], "/me")).toEqual(["/"])
  })

  test("rootFor: of the controller itself before the one for all", () => {
    const roots = [
      { controller: "cpu", path: "/c" },
      { controller: undefined, path: "/all" },
      { controller: "cgroup2", path: "/u" },
    ]
    expect(["cpu,cpuacct", "memory", ""].map((name) => rootFor(roots, name))).toEqual(["/c", "/all", "/u"])
    expect(rootFor([], "cpu")).toBeUndefined()
  })

  test("the entry holds the directories of the sets and below, with values, owners and modes, and survives its bytes", () => {
    const memory = hierarchy("memory", {
      "me/other/memory.swappiness": "1\n",
      "job/memory.limit_in_bytes": "4096\n",
      "job/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n",
      "job/tasks": "12\n",
      "job/sub/memory.swappiness": "60\n",
    })
    const unified = hierarchy("", {
      "job/cgroup.type": "domain threaded\n",
      "job/cgroup.freeze": "1\n",
      "job/t/cgroup.type": "threaded\n",
      "job/t/memory.max": "max\n",
      "job/t/memory.stat": "anon 1\n",
    })
    const sets = [
      {
        id: 2,
        ctls: [
          { name: "", path: "/job/t" },
          { name: "memory", path: "/me" },
        ],
      },
      {
        id: 3,
        ctls: [
          { name: "", path: "/job" },
          { name: "memory", path: "/job" },
        ],
      },
    ]
    const instead = new Map([[join(folder, "unified/job/cgroup.freeze"), "0"]])
    const controllers = collectControllers(sets, own, [memory, unified], { rules: [], roots: [], instead })
    const entry = throughBytes(cgroup_entrySchema, { sets, controllers })
    expect(entry).toEqual({ sets, controllers })
    const plain = (dirs: (typeof controllers)[number]["dirs"]): unknown[] =>
      dirs.map(({ dir_name, properties, children }) => [dir_name, properties.map(({ name, value }) => `${name}=${value}`), plain(children)])
    expect(controllers.map(({ cnames, is_threaded, dirs }) => [cnames, is_threaded, plain(dirs)])).toEqual([
      [
        ["memory"],
        true,
        [
          ["job", ["memory.limit_in_bytes=4096", "memory.oom_control=1", "tasks="], [["sub", ["memory.swappiness=60"], []]]],
          ["me", [], []],
        ],
      ],
      [[""], true, [["job", ["cgroup.freeze=0", "cgroup.type=domain threaded"], [["t", ["cgroup.type=threaded", "memory.max=max"], []]]]]],
    ])
    const [job] = controllers[0]?.dirs ?? []
    expect(job?.dir_perms?.mode).toBe(0o40755)
    expect(job?.properties[0]?.perms).toEqual({ mode: 0o100644, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
  })

  test("--cgroup-root makes saving begin there", () => {
    const unified = hierarchy("", { "job/cgroup.max.depth": "3\n", "job/t/cgroup.max.depth": "max\n" })
    const sets = [{ id: 2, ctls: [{ name: "", path: "/job/t" }] }]
    const names = (roots: Parameters<typeof rootFor>[0]) =>
      collectControllers(sets, own, [unified], { rules: [], roots, instead: new Map() })[0]?.dirs.map(({ dir_name }) => dir_name)
    expect(names([])).toEqual(["job/t"])
    expect(names([{ controller: undefined, path: "/job" }])).toEqual(["job"])
  })
})

describe("properties", () => {
  test("rules merge with the usual ones or replace them; what every directory has stays", () => {
    const rule = (strategy: "merge" | "replace", ...properties: string[]) => ({ controller: "pids", strategy, properties })
    const always = ["cgroup.clone_children", "notify_on_release", "cgroup.procs", "tasks"]
    expect(propertiesOf(["pids"], [])).toEqual(["pids.max", ...always])
    expect(propertiesOf(["pids"], [rule("merge", "pids.x")])).toEqual(["pids.max", "pids.x", ...always])
    expect(propertiesOf(["pids"], [rule("merge", "a"), rule("replace", "b"), rule("merge", "c")])).toEqual(["b", "c", ...always])
    expect(propertiesOf(["freezer"], [rule("replace", "b")])).toEqual(always)
    expect(propertiesOf([], [])).toContain("cgroup.subtree_control")
    expect(propertiesOf([], [])).not.toContain("tasks")
  })

  test("parseProperties reads CRIU's text", () => {
    const text =
      '"cpu":\n - "strategy": "merge"\n - "properties": ["cpu.idle", "cpu.cfs_burst_us"]\n"":\n - "strategy": "replace"\n - "properties": [ ]\n'
    expect(parseProperties(text)).toEqual([
      { controller: "cpu", strategy: "merge", properties: ["cpu.idle", "cpu.cfs_burst_us"] },
      { controller: "", strategy: "replace", properties: [] },
    ])
  })

  test.each([
    ["cpu:", '"cpu:" is not expected there'],
    ['"cpu":\n - "properties": []', '" - "properties": []" is not expected there'],
    ['"cpu":\n - "strategy": "mix"', '" - "strategy": "mix"" is not expected there'],
    ['"cpu":\n - "strategy": "merge"', '"cpu" has no properties'],
    ['"cpu":\n - "strategy": "merge"\n - "properties": ["../x"]', '" - "properties": ["../x"]" is not a list'],
    ['"cpu":\n - "strategy": "merge"\n - "properties": [cpu]', '" - "properties": [cpu]" is not a list'],
  ])("parseProperties refuses %j", (text, found) => {
    expect(failureOf(() => parseProperties(text))).toMatchObject({ code: "E_USAGE", found })
  })

  test("savedValue and writesFor: what is written brings a directory to the saved value", () => {
    expect(savedValue("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n")).toBe("0")
    expect(savedValue("pids.max", "max\n")).toBe("max")
    expect(writesFor("pids.max", "max", "max")).toEqual([])
    expect(writesFor("pids.max", "5", "max")).toEqual([{ file: "pids.max", text: "5" }])
    expect(writesFor("tasks", "", "12")).toEqual([])
    expect(writesFor("cgroup.type", "domain", "domain invalid")).toEqual([])
    expect(writesFor("cgroup.type", "threaded", "domain")).toEqual([{ file: "cgroup.type", text: "threaded" }])
    expect(writesFor("cgroup.subtree_control", "cpu pids", "pids io")).toEqual([{ file: "cgroup.subtree_control", text: "+cpu -io" }])
    expect(writesFor("devices.list", "c 1:3 rwm\nc 1:5 r", "a *:* rwm")).toEqual([
      { file: "devices.deny", text: "a" },
      { file: "devices.allow", text: "c 1:3 rwm" },
      { file: "devices.allow", text: "c 1:5 r" },
    ])
    expect(["cgroup.type", "cpuset.cpus", "memory.max", "cgroup.freeze"].map(momentOf)).toEqual(["early", "early", "late", "last"])
  })
})
