import { lstatSync, readdirSync, readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { beginImages, type ImageTransaction } from "../../src/image/transaction.ts"
import { inventory } from "./sample.ts"

const PRESENT = 4
export const tree = (pid: number) => ({ pid, ppid: 0, pgid: pid, sid: pid, threads: [pid] })
export const run = (vaddr: bigint, pages: bigint, flags = PRESENT) => ({ vaddr, compat_nr_pages: 0, nr_pages: pages, flags })

/** A small set: inventory, tree, one pagemap with its pages. */
export function fill(tx: ImageTransaction, pid: number, pages = 2): void {
  tx.write("inventory", undefined, [inventory])
  tx.write("pstree", undefined, [tree(pid)])
  tx.write("pagemap", pid, [{ pages_id: 1 }, run(0x1000n, BigInt(pages))])
  const file = tx.pages(1)
  file.fill((fd) => writeSync(fd, new Uint8Array(pages * 4096).fill(pid)))
}

export function makeSet(directory: string, pid: number): void {
  using tx = beginImages(directory, { sync: false })
  fill(tx, pid)
  tx.commit()
}

export const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, lstatSync(join(directory, name)).isFile() ? readFileSync(join(directory, name), "latin1") : "directory"]),
  )
