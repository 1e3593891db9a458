import { type Holders, type Other, Outside } from "../../proc/outside.ts"
import { openBpfMaps } from "./bpf-map/holders.ts"
import type { Found } from "./collecting.ts"
import { pipeInode } from "./pipe/ends.ts"
import { socketInode } from "./socket/unix/scene.ts"
import { inodeKey, knownStat } from "./stat.ts"
import { findTerminalHolders } from "./tty/holders.ts"

/** Tasks outside a dump that have open files of it. */
export interface Outsiders {
  /** By inode number. */
  readonly pipes: Holders<bigint>
  /** By inode number. */
  readonly sockets: Holders<bigint>
  /** Whatever has a path, deleted or not, by `inodeKey`. */
  readonly files: Holders<string>
  /** By number of the pseudo-terminal. */
  readonly terminals: Holders<number>
  /** By ID of the BPF map. */
  readonly bpfMaps: Holders<number>
}

/** Nobody is looked for. */
export const NOBODY: Outsiders = { pipes: new Map(), sockets: new Map(), files: new Map(), terminals: new Map(), bpfMaps: new Map() }

/** Files in file systems that a process has open, whatever names they were opened by. No server of a file system is waited for. */
const filesOf = ({ pid, descriptors }: Other): string[] =>
  descriptors.flatMap(({ fd, target }) => {
    const stat = target.startsWith("/") ? knownStat(`/proc/${pid}/fd/${fd}`) : null
    return stat ? [inodeKey(stat)] : []
  })

/**
 * Looks for tasks outside a dump that have something of it open. What nobody asks for is not looked for.
 *
 * @param inside PIDs of the dump   @param all what it has open
 */
export function findOutsiders(inside: ReadonlySet<number>, all: readonly Found[]): Outsiders {
  const outside = new Outside(inside)
  const linked = (inodeOf: (target: string) => bigint | undefined): Holders<bigint> =>
    outside.holders(({ descriptors }) => descriptors.flatMap(({ target }) => inodeOf(target) ?? []))
  return {
    pipes: linked(pipeInode),
    sockets: linked(socketInode),
    files: outside.holders(filesOf),
    terminals: findTerminalHolders(outside, all),
    bpfMaps: outside.holders(openBpfMaps),
  }
}
