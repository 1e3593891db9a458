import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freezeCgroup, isFrozen } from "../../../src/kinds/cgroup/freezer.ts"
import type { Hierarchy } from "../../../src/kinds/cgroup/hierarchy.ts"
import { saidOnce, surveyCgroups } from "../../../src/kinds/cgroup/survey.ts"
import { parseCgroups } from "../../../src/proc/cgroup.ts"
import { deadlineIn } from "../../../src/tracee/wait.ts"
import { failureOf } from "../../harness/failure.ts"
import { discard, scratch } from "../../harness/folders.ts"

const folder = scratch("freezer-unit")
afterAll(() => discard(folder))

/** A plain directory that looks like a cgroup whose tasks do what the files say, whatever is asked of them. */
function stuck(name: string, files: Readonly<Record<string, string>>): string {
  const directory = join(folder, name)
  mkdirSync(directory, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text)
  return directory
}
const content = (directory: string, file: string): string => readFileSync(join(directory, file), "utf8").trim()

describe("freezeCgroup", () => {
  test("what does not freeze in time is thawed again", () => {
    const directory = stuck("late", { "cgroup.freeze": "0\n", "cgroup.events": "populated 1\nfrozen 0\n", "cgroup.threads": "12\n" })
    expect(failureOf(() => freezeCgroup(directory, deadlineIn(0.05)))).toMatchObject({ code: "E_TIMEOUT" })
    expect(content(directory, "cgroup.freeze")).toBe("0")
  })

  test("disposal brings the switch back to where it was found, thawed or not", () => {
    for (const [name, found] of [
      ["thawed", "0"],
      ["frozen", "1"],
    ] as const) {
      const directory = stuck(name, { "cgroup.freeze": `${found}\n`, "cgroup.events": "frozen 1\n", "cgroup.threads": "" })
      {
        using cgroup = freezeCgroup(directory, deadlineIn(1))
        expect([content(directory, "cgroup.freeze"), cgroup.found]).toEqual(["1", found])
        writeFileSync(join(directory, "cgroup.events"), "frozen 0\n")
        cgroup.thaw()
        expect(content(directory, "cgroup.freeze")).toBe("0")
        writeFileSync(join(directory, "cgroup.events"), "frozen 1\n")
      }
      expect(content(directory, "cgroup.freeze")).toBe(found)
    }
  })

  test("version 1: a state that comes from above is not taken for the switch, and cannot be thawed here", () => {
    const files = { "freezer.state": "FROZEN\n", "freezer.self_freezing": "0\n", tasks: "" }
    const directory = stuck("above", files)
    const events = stuck("above2", { "cgroup.freeze": "0\n", "cgroup.events": "frozen 1\n", "cgroup.threads": "" })
    using cgroup = freezeCgroup(directory, deadlineIn(1))
    expect(cgroup.found).toBe("THAWED")
    using other = freezeCgroup(events, deadlineIn(1))
    expect(failureOf(() => other.thaw())).toMatchObject({ code: "E_UNSUPPORTED", found: "a cgroup above it is frozen" })
  })

  test("the tool itself is not frozen", () => {
    const directory = stuck("self", { "freezer.state": "THAWED\n", tasks: `1\n${process.pid}\n` })
    expect(failureOf(() => freezeCgroup(directory, deadlineIn(1)))).toMatchObject({ code: "E_SELF" })
    expect(content(directory, "freezer.state")).toBe("THAWED")
  })
})

describe("surveyCgroups", () => {
  const frozen = stuck("survey/cold", { "freezer.state": "FREEZING\n" })
  stuck("survey/warm", { "freezer.state": "THAWED\n" })
  const hierarchies: Hierarchy[] = [{ name: "freezer", controllers: ["freezer"], point: join(folder, "survey"), root: "/" }]
  const found = (text: string, thaws = false) => surveyCgroups(7, parseCgroups(text), hierarchies, thaws).map(({ what }) => what)

  test("refuses frozen and removed cgroups, and those outside our namespace", () => {
    expect(isFrozen(frozen)).toBe(true)
    expect(found("3:freezer:/warm\n2:pids:/x\n0::/\n")).toEqual([])
    expect(found("3:freezer:/cold\n")).toEqual(["in the frozen cgroup freezer:/cold"])
    expect(found("3:freezer:/cold\n", true)).toEqual([])
    expect(found("0::/../x\n1:cpu:/x (deleted)\n")).toEqual([
      "in cgroup cgroup2:/../x, outside our cgroup namespace",
      "in the removed cgroup cpu:/x (deleted)",
    ])
  })

  test("says what is the same of several threads once", () => {
    const of = (tid: number) => surveyCgroups(tid, parseCgroups("3:freezer:/cold\n"), hierarchies, false)
    expect(saidOnce(7, of(7))).toEqual(of(7))
    expect(saidOnce(7, [...of(7), ...of(8)]).map(({ what, where }) => [what, where])).toEqual([
      ["in the frozen cgroup freezer:/cold", "task 7, 2 threads of it"],
    ])
  })
})
