import { expectAlive, linkReader, listIfAlive, procPath, readLinkIfAlive } from "./source.ts"
import { cutDeleted } from "./text.ts"

/**
 * Executable; null when the task is gone, is a zombie or a kernel thread. "deleted" may lie, see Mapping.
 *
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readExeIfAlive = linkReader("exe", cutDeleted)

/** Inode of each namespace by the name of its link: cgroup ipc mnt net pid pid_for_children time time_for_children user uts. */
export type Namespaces = ReadonlyMap<string, bigint>

/** "mnt:[4026531840]" -> its inode. Kernel: fs/nsfs.c ns_get_name() */
export const parseNamespace = (link: string): bigint => known.getOrInsertComputed(link, () => BigInt(link.slice(link.indexOf("[") + 1, -1)))
/** A tree's threads are in the same few. */
const known = new Map<string, bigint>()

let names: readonly string[] | undefined

/** Namespaces of a process, or of a thread when `tid` is given; null when it is gone. @throws CheckpointError E_PERMISSION · E_IO */
export function readNamespacesIfAlive(pid: number, tid?: number): Namespaces | null {
  const folder = procPath(pid, tid, "ns")
  // One kernel has the same names for all.
  names ??= listIfAlive("/proc/self/ns") ?? []
  const found = new Map<string, bigint>()
  for (const name of names) {
    const link = readLinkIfAlive(`${folder}/${name}`)
    if (link !== null) found.set(name, parseNamespace(link))
  }
  return found.size > 0 ? found : null
}

/** As `readNamespacesIfAlive`. @throws CheckpointError E_NO_PROCESS */
export const readNamespaces = expectAlive("ns", readNamespacesIfAlive)

let own: Namespaces | undefined

/** Those of the tool, read once. Precondition: it is where it stays (see `reachProcess`). @throws as `readNamespaces` */
export const ownNamespaces = (): Namespaces => (own ??= readNamespaces(process.pid))

/**
 * One namespace of a process, at a tenth of the price of all.
 *
 * @returns its inode; undefined on a kernel without that kind, and when the process is gone   @throws CheckpointError E_PERMISSION · E_IO
 */
export function readNamespace(pid: number, name: string): bigint | undefined {
  const link = readLinkIfAlive(procPath(pid, undefined, `ns/${name}`))
  return link === null ? undefined : parseNamespace(link)
}
