import { readFileSync, writeFileSync } from "node:fs"
import { scratch } from "./folders.ts"

const FOLDER = "/sys/kernel/mm/hugepages"
/** Names of pools. */
const MIB2 = "hugepages-2048kB"
export const GIB = "hugepages-1048576kB"

const pathOf = (name: string, file = "nr_hugepages"): string => `${FOLDER}/${name}/${file}`

/** Pages that a pool has for good: the kernel's number counts those that it has to give up as soon as they are free. */
const poolOf = (name: string): number =>
  Number(readFileSync(pathOf(name), "latin1")) - Number(readFileSync(pathOf(name, "surplus_hugepages"), "latin1"))

/** A shell's words that add to a pool. Others may do so too: one after the other, and nobody goes back to a number that was read long ago. */
const add = (name: string, by: string): string => {
  const path = pathOf(name)
  const pool = `$(cat ${path}) - $(cat ${pathOf(name, "surplus_hugepages")})`
  return `flock ${path} sh -c 'n=$(( ${pool} + '${by}' )); [ $n -ge 0 ] || n=0; echo $n > ${path}'`
}

/** Adds to a pool of 2 MiB, or takes away. */
export const changePool = (by: number, name = MIB2): void => void Bun.spawnSync(["sh", "-c", add(name, `${by}`)])

/**
 * Makes a pool of huge pages larger. It loses them again when this is disposed of, and also when the tests die: a shell waits for the end of
 * its input, which nobody else holds open.
 *
 * @returns undefined, with a line that says why, where such pages cannot be had
 */
export async function takeHugePages(count: number, name = MIB2): Promise<AsyncDisposable | undefined> {
  const skipped = (why: string): undefined => console.log(`skipped: ${count} huge pages (${name}): ${why}`) as undefined
  let before: number
  try {
    before = poolOf(name)
    writeFileSync(pathOf(name), `${before}`)
  } catch (error) {
    return skipped(`${error instanceof Error ? error.message : error}`)
  }
  const keep = ["setsid", "sh", "-c", `read -r back || back=${count}; ${add(name, '"-$back"')}`]
  const keeper = Bun.spawn(keep, { stdin: "pipe", stdout: "ignore", stderr: "ignore" })
  const giveBack = async (pages: number): Promise<void> => {
    keeper.stdin.write(`${pages}\n`)
    await keeper.stdin.end()
    await keeper.exited
  }
  changePool(count, name)
  const taken = poolOf(name) - before
  if (taken >= count) return { [Symbol.asyncDispose]: () => giveBack(count) }
  await giveBack(taken)
  return skipped(`the kernel gave ${taken}`)
}

/** A mount of hugetlbfs of its own; undefined, with a line that says so, where that is not allowed. */
export function mountHuge(): ({ readonly path: string } & Disposable) | undefined {
  const path = scratch("hugetlbfs")
  if (Bun.spawnSync(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", path]).exitCode === 0)
    return { path, [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) }
  console.log("skipped: a file of huge pages: mount is not allowed here")
  return undefined
}
