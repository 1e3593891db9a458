import { writeSync } from "node:fs"
import { join } from "node:path"
import type { core_entry } from "../../proto/gen/core_pb.ts"
import { type ImageSet, openImages } from "../../src/image/set.ts"
import { beginImages, type ImageTransaction } from "../../src/image/transaction.ts"
import { scopedFolder } from "../harness/folders.ts"
import { writeExample } from "../image/example.ts"

/** The options that allow something or give something, none of them said. */
export const NO_PERMISSIONS = {
  tcpEstablished: false,
  tcpClose: false,
  skipInFlight: false,
  extUnixSk: false,
  externalUnix: [],
  externals: [],
  inheritFds: [],
}

/** What a set is made of, to be changed before it is written. */
export interface Draft {
  readonly cores: Map<number, core_entry>
  inventory: ImageSet["inventory"]
  tree: ReturnType<typeof treeOf>
  ids: ReturnType<typeof idsOf>
  pagemap: readonly { vaddr: bigint; pages: bigint; flags?: number }[]
  /** Without it there is no image. */
  mm: ReturnType<typeof mmOf> | undefined
  fs: ReturnType<typeof fsOf> | undefined
  /** Writes what no example has. */
  more: (images: ImageTransaction) => void
}

const treeOf = (set: ImageSet) => set.all("pstree").slice(0, 1)
const idsOf = (set: ImageSet) => set.one("ids", 1140)
const mmOf = (set: ImageSet) => set.one("mm", 1140)
const fsOf = (set: ImageSet) => set.one("fs", 1140)

/**
 * Writes a set of one process (1140, with thread 1141) as `change` wants it, opens it, and hands it to `look`.
 * The directory is gone afterwards.
 */
export function withSet<T>(change: (draft: Draft) => void, look: (set: ImageSet) => T): T {
  using folder = scopedFolder()
  const [example, changed] = [join(folder.path, "example"), join(folder.path, "changed")]
  writeExample(example)
  const set = openImages(example)
  const draft: Draft = {
    cores: new Map([1140, 1141].map((tid) => [tid, set.one("core", tid)])),
    inventory: set.inventory,
    tree: treeOf(set),
    ids: idsOf(set),
    pagemap: [{ vaddr: 0x55ecb9efe000n, pages: 1n }],
    mm: mmOf(set),
    fs: fsOf(set),
    more: () => {},
  }
  change(draft)
  using images = beginImages(changed, { sync: false })
  images.write("inventory", undefined, [draft.inventory])
  images.write("pstree", undefined, draft.tree)
  for (const [tid, core] of draft.cores) images.write("core", tid, [core])
  images.write("ids", 1140, [draft.ids])
  if (draft.mm) images.write("mm", 1140, [draft.mm])
  if (draft.fs) images.write("fs", 1140, [draft.fs])
  images.write("files", undefined, set.all("files"))
  images.write("fdinfo", 2, set.all("fdinfo", 2))
  const runs = draft.pagemap.map(({ vaddr, pages, flags = 4 }) => ({ vaddr, compat_nr_pages: Number(pages), nr_pages: pages, flags }))
  images.write("pagemap", 1140, [{ pages_id: 1 }, ...runs])
  const bytes = 4096 * runs.reduce((sum, { nr_pages }) => sum + Number(nr_pages), 0)
  images.pages(1).fill((fd) => writeSync(fd, new Uint8Array(bytes)))
  draft.more(images)
  images.commit()
  return look(openImages(changed))
}
