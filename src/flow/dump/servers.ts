import { readDescriptorsIfAlive } from "../../proc/descriptors.ts"
import { readMapsIfAlive } from "../../proc/maps.ts"
import { procPath, readLinkIfAlive } from "../../proc/source.ts"
import { checkServers, type FileUser } from "../servers.ts"

/** Paths of what a process has, as the kernel tells them without asking any file system. */
const pathsOf = (pid: number): string[] => [
  ...["cwd", "root", "exe"].flatMap((name) => readLinkIfAlive(procPath(pid, undefined, name)) ?? []),
  ...(readDescriptorsIfAlive(pid) ?? []).map(({ target }) => target),
  ...(readMapsIfAlive(pid) ?? []).map(({ path }) => path),
]

/**
 * Makes sure that the servers of the file systems that living processes use answer.
 *
 * @param root whose mounts they are   @param seconds as of --timeout
 * @throws CheckpointError E_TIMEOUT · E_INTERRUPTED
 */
export function checkServersOf(root: number, living: readonly { readonly stat: { readonly pid: number } }[], seconds: number): void {
  const usersOf = (): FileUser[] => living.map(({ stat: { pid } }) => ({ user: `process ${pid}`, paths: pathsOf(pid) }))
  checkServers(root, usersOf, seconds)
}
