import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { core_entry, task_kobj_ids_entry } from "../../proto/gen/core_pb.ts"
import type { fdinfo_entry } from "../../proto/gen/fdinfo_pb.ts"
import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import type { EntryKind, EntryOf } from "../../src/image/catalog.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { copyImages } from "./images.ts"
import { allGone } from "./kin.ts"
import { plan, told } from "./plans.ts"

afterEach(cleanUp)

/** Writes one image of a copy of a set anew. */
function change<K extends EntryKind>(folder: string, kind: K, id: number, edit: (entry: EntryOf<K>) => unknown): void {
  const entries = openImages(folder).all(kind, id)
  for (const entry of entries) edit(entry)
  writeFileSync(join(folder, `${kind}-${id}.img`), encodeImage(kind, entries))
}

/** What only the kernel refused, in the middle of a restore: each is a set that reads well and can be nobody's. */
const spoils: readonly (readonly [string, (folder: string, pid: number, child: number) => void])[] = [
  ["an area that is no whole pages", (folder, pid) => change(folder, "mm", pid, (mm: mm_entry) => (mm.vmas[0]!.end += 1n))],
  ["two areas at one place", (folder, pid) => change(folder, "mm", pid, (mm: mm_entry) => (mm.vmas[1]!.start -= 4096n))],
  [
    "a timer of a million microseconds",
    (folder, pid) => change(folder, "core", pid, (core: core_entry) => (core.tc!.timers!.prof.vusec = 1_000_000n)),
  ],
  [
    "an alternate stack in two states",
    (folder, pid) => change(folder, "core", pid, ({ thread_core }: core_entry) => (thread_core!.sas!.ss_flags = 3)),
  ],
  [
    "effective capabilities that were not permitted",
    (folder, pid) => change(folder, "core", pid, ({ thread_core }: core_entry) => (thread_core!.creds!.cap_prm = [0, 0])),
  ],
  [
    "a bounding set beyond that of stasis",
    (folder, pid) => change(folder, "core", pid, ({ thread_core }: core_entry) => thread_core!.creds!.cap_bnd.fill(0xffffffff)),
  ],
  [
    "signal actions that are shared and memory that is not",
    (folder, _, child) => change(folder, "ids", child, (ids: task_kobj_ids_entry) => (ids.sighand_id = 2)),
  ],
  [
    "a descriptor beyond all limits",
    (folder) => change(folder, "fdinfo", 2, (info: fdinfo_entry) => (info.fd += info.fd === 0 ? 0x3fffffff : 0)),
  ],
]

describe("plan refuses what restore refuses", () => {
  test("each spoilt set, and neither brings anything to life", async () => {
    const victim = await start("sysvshm")
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images)
    await allGone(members)
    const child = members.find((pid) => pid !== victim.pid) ?? 0
    for (const [title, spoil] of spoils) {
      const folder = copyImages(victim.images, scratch("spoilt"))
      spoil(folder, victim.pid, child)
      const planned = await plan(folder)
      const restored = await run([...stasisTool.command, "restore", "--json", "-d", "-D", folder])
      const codes = told<{ complaints: { code: string }[] }>(planned).complaints.map(({ code }) => code)
      expect([title, planned.status, codes[0]]).toEqual([title, restored.status, toldError(restored).code])
      expect([title, planned.status > 0, existsSync(`/proc/${victim.pid}`)]).toEqual([title, true, false])
    }
    const warned = copyImages(victim.images, scratch("warned"))
    // A capability that no kernel has yet.
    change(warned, "core", victim.pid, ({ thread_core }: core_entry) => thread_core!.creds!.cap_inh.splice(1, 1, 1 << 30))
    const { warnings } = told<{ warnings: string[] }>(await plan(warned))
    expect(warnings).toEqual([expect.stringContaining("do not exist on this kernel")])
    const { stderr } = await run([...stasisTool.command, "restore", "-d", "-D", warned])
    const lines = stderr.trim().split("\n")
    expect(lines.map((line) => line.replace(/^\(.*?\) warning: \w+: /, ""))).toEqual(warnings)
  }, 60_000)
})
