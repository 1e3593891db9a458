import { existsSync } from "node:fs"
import { scratch } from "./folders.ts"
import { skip } from "./skip.ts"

const FOLDER = "/sys/kernel/mm/hugepages"
/** Names of pools. */
const MIB2 = "hugepages-2048kB"
export const GIB = "hugepages-1048576kB"

const pathOf = (name: string, file = "nr_hugepages"): string => `${FOLDER}/${name}/${file}`

/** A shell's words for the pages that a pool has for good: the kernel's number counts those that it loses as soon as they are free. */
const own = (name: string): string => `$(( $(cat ${pathOf(name)}) - $(cat ${pathOf(name, "surplus_hugepages")}) ))`

/** A shell's words that add to a pool. */
const add = (name: string, by: string): string => `n=$(( ${own(name)} + ${by} )); [ $n -ge 0 ] || n=0; echo $n > ${pathOf(name)}`

/** Adds to a pool that `takeHugePages` has made larger, or takes away. */
export const changePool = (by: number, name = MIB2): void => void Bun.spawnSync(["sh", "-c", add(name, `${by}`)])

/**
 * Makes a pool of huge pages larger, for one test of this machine after the other. It is as it was when this is disposed of, and also when
 * the tests die: a shell waits for the end of its input, which nobody else holds open.
 *
 * @returns undefined, with a line that says why, where such pages cannot be had
 */
export async function takeHugePages(count: number, name = MIB2): Promise<AsyncDisposable | undefined> {
  const skipped = (why: string): undefined => skip(`${count} huge pages (${name}): ${why}`)
  const path = pathOf(name)
  if (!existsSync(path)) return skipped(`there is no ${path}`)
  const steps = [
    `exec 9<${path}; flock 9 || exit`,
    `before=${own(name)}`,
    add(name, `${count}`),
    `taken=$(( ${own(name)} - before )); echo "$taken"`,
    "read -r end",
    `echo "$before" >${path}`,
  ]
  const keeper = Bun.spawn(["setsid", "sh", "-c", steps.join("\n")], { stdin: "pipe", stdout: "pipe", stderr: "ignore" })
  const giveBack = async (): Promise<void> => {
    await keeper.stdin.end()
    await keeper.exited
  }
  const { value } = await keeper.stdout.getReader().read()
  const taken = Number(new TextDecoder().decode(value))
  if (taken >= count) return { [Symbol.asyncDispose]: giveBack }
  await giveBack()
  return skipped(`the kernel gave ${taken}`)
}

/** A mount of hugetlbfs of its own; undefined, with a line that says so, where that is not allowed. */
export function mountHuge(): ({ readonly path: string } & Disposable) | undefined {
  const path = scratch("hugetlbfs")
  if (Bun.spawnSync(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", path]).exitCode === 0)
    return { path, [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) }
  return skip("a file of huge pages: mount is not allowed here")
}
