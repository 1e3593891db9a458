import { CheckpointError } from "../base/errors.ts"
import { type Descriptor, readDescriptorsIfAlive } from "./descriptors.ts"
import { type Mapping, readMapsIfAlive } from "./maps.ts"
import { readStatIfAlive } from "./stat.ts"
import { listProcesses } from "./tasks.ts"

/** True for a process that was born into the tree meanwhile. One that is gone by now holds nothing. */
export function descends(pid: number, inside: ReadonlySet<number>): boolean {
  for (let ancestor = pid; ancestor > 1; ) {
    const stat = readStatIfAlive(ancestor)
    if (!stat || inside.has(stat.ppid)) return true
    ancestor = stat.ppid
  }
  return false
}

/** What is read of a process; nothing where we may not look: without privilege others' processes are closed to us. */
function ifAllowed<T>(read: () => readonly T[] | null): readonly T[] {
  try {
    return read() ?? []
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "E_PERMISSION") return []
    throw error
  }
}

/** Some process, and what it has; each read when it is first asked for. */
export class Other {
  private open: readonly Descriptor[] | undefined
  private mapped: readonly Mapping[] | undefined

  constructor(readonly pid: number) {}

  get descriptors(): readonly Descriptor[] {
    this.open ??= ifAllowed(() => readDescriptorsIfAlive(this.pid))
    return this.open
  }

  get mappings(): readonly Mapping[] {
    this.mapped ??= ifAllowed(() => readMapsIfAlive(this.pid))
    return this.mapped
  }
}

/** A process outside for each object that one has; undefined when none was found, or none was looked for. */
export type Holders<Key> = Pick<ReadonlyMap<Key, number>, "get">

/**
 * The processes outside a tree. Reads those of the whole machine, each once, and only when something is asked.
 *
 * A PID namespace above ours, and descriptors in flight through a socket, are not seen.
 */
export class Outside {
  private found: readonly Other[] | undefined

  /** @param inside PIDs of the tree; a child that was born into it meanwhile is not outside either */
  constructor(private readonly inside: ReadonlySet<number>) {}

  private get others(): readonly Other[] {
    this.found ??= listProcesses()
      .filter((pid) => !this.inside.has(pid))
      .map((pid) => new Other(pid))
    return this.found
  }

  /** Who has what. @param keysOf names of the objects that a process has */
  holders<Key>(keysOf: (other: Other) => readonly Key[]): Holders<Key> {
    let index: Map<Key, number[]> | undefined
    const indexed = (): Map<Key, number[]> => {
      const all = new Map<Key, number[]>()
      for (const other of this.others) for (const key of keysOf(other)) all.getOrInsertComputed(key, () => []).push(other.pid)
      return all
    }
    return {
      get: (key) => {
        index ??= indexed()
        return index.get(key)?.find((pid) => !descends(pid, this.inside))
      },
    }
  }
}
