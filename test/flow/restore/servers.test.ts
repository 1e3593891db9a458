import { expect, test } from "bun:test"
import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import { savedPaths } from "../../../src/flow/restore/servers.ts"

const bytes = (text: string): Uint8Array => Buffer.from(text)

test("savedPaths has the paths of all kinds, but not of what is given or was left outside", () => {
  // Of each entry what is asked for alone.
  const entries = [
    { reg: { name: "/regular" } },
    { reg: { name: "/outside", ext: true } },
    { reg: { name: "/given" } },
    { usk: { name: bytes("/bound\0") } },
    { usk: { name: bytes("relative\0"), name_dir: "/folder" } },
    { usk: { name: bytes("\0/abstract") } },
    { ify: { wd: [{ f_handle: { path: "/watched" } }, { f_handle: {} }] } },
    { ffy: { mark: [{ ie: { f_handle: { path: "/marked" } } }, { me: { path: "/mount" } }] } },
  ]
  const files = new Map(entries.map((entry, id) => [id, { ...entry, id } as unknown as file_entry]))
  const extension = [{ socket_file: "/renamed" }, { filesystem_marks: { marks: [{ path: "/filesystem" }] } }]
  const paths = savedPaths({ files, extension: extension as unknown as stasis_file_entry[] }, new Map([[2, {}]]))
  const absolute = ["/regular", "/bound", "/folder", "/watched", "/marked", "/mount", "/renamed", "/filesystem"]
  expect(paths.filter((path) => path.startsWith("/"))).toEqual(absolute)
})
