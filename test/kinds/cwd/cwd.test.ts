import { describe, expect, test } from "bun:test"
import { mkdirSync, rmdirSync } from "node:fs"
import { join } from "node:path"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { fs_entrySchema } from "../../../proto/gen/fs_pb.ts"
import { remap_type } from "../../../proto/gen/remap-file-path_pb.ts"
import { collectFs, surveyFs } from "../../../src/kinds/cwd/collect.ts"
import { type Directories, restoreFs } from "../../../src/kinds/cwd/restore.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { refusedName } from "../../../src/kinds/files/name.ts"
import { openRegular } from "../../../src/kinds/files/open.ts"
import { readStatus } from "../../../src/proc/status.ts"
import { Program } from "../../../src/tracee/program.ts"
import { plainTable, startHolder } from "../files/holder.ts"
import { canRun, perform, why } from "../fixture.ts"

/** Directories by id that a program opens. */
const directories = (paths: Readonly<Record<number, string>>, program: Program): Directories => {
  const path = (id: number): string => paths[id] ?? "?"
  return { path, open: (id, flags) => openRegular(program, { id, name: path(id) }, flags, new Map()) }
}

describe("restoreFs", () => {
  test("opens both directories before it changes the root", () => {
    const entry = { cwd_id: 1, root_id: 2, umask: 0o22 }
    const again = decode(fs_entrySchema, encode(fs_entrySchema, entry))
    expect(again).toEqual(entry)
    const program = new Program()
    restoreFs(again, directories({ 1: "/new/deep", 2: "/new" }, program), program)
    expect(program.describe()).toEqual([
      '#0 openat(-100, "/new/deep\\u0000", 0x210100, 0) // "/new/deep"',
      '#1 openat(-100, "/new\\u0000", 0x210100, 0) // "/new"',
      "#2 fchdir(#1) // the root directory",
      '#3 chroot(".\\u0000") // the root directory',
      "#4 close(#1)",
      "#5 fchdir(#0) // the working directory",
      "#6 close(#0)",
      "#7 umask(0x12)",
    ])
  })

  test("leaves the root alone where it is the same one", () => {
    const program = new Program()
    restoreFs({ cwd_id: 1, root_id: 2 }, directories({ 1: "/", 2: "/" }, program), program)
    expect(program.describe().map((line) => line.split("(")[0])).toEqual(["#0 openat", "#1 fchdir", "#2 close"])
  })
})

describe.if(canRun)(`Working directory of a live process${why}`, () => {
  test("collectFs and restoreFs carry directory, root and umask into another process", async () => {
    using source = await startHolder("files")
    using target = await startHolder("empty")
    expect(surveyFs(source.pid, (link) => refusedName(link, USUAL))).toEqual([])
    const table = plainTable()
    const fs = collectFs(source.pid, readStatus(source.pid).umask, table)
    const names = Object.fromEntries(table.entries.map(({ id, reg }) => [id, reg?.name ?? ""]))
    expect([names[fs.cwd_id], names[fs.root_id], fs.umask]).toEqual([source.folder, "/", 0o27])
    // The other one moves into a root of its own, too.
    const deep = join(source.folder, "deep")
    mkdirSync(deep)
    perform(target.pid, (program) => restoreFs(fs, directories({ [fs.cwd_id]: deep, [fs.root_id]: source.folder }, program), program))
    const moved = plainTable()
    const after = collectFs(target.pid, readStatus(target.pid).umask, moved)
    const path = (id: number) => moved.entries.find((entry) => entry.id === id)?.reg?.name
    expect([path(after.cwd_id), path(after.root_id), after.umask]).toEqual([deep, source.folder, 0o27])
    rmdirSync(deep)
    expect(surveyFs(target.pid, (link) => refusedName(link, USUAL))).toEqual([])
    const gone = plainTable()
    const { cwd_id } = collectFs(target.pid, 0, gone)
    expect(gone.entries.find(({ id }) => id === cwd_id)?.reg?.name).toBe(deep)
    expect(gone.ghosts.remaps).toEqual([{ orig_id: cwd_id, remap_id: 1, remap_type: remap_type.GHOST }])
  })
})
