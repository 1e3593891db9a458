import type { Mapping } from "../../../proc/maps.ts"

/** Name that the kernel gives the memory of a segment: the key that it was made with. Kernel: ipc/shm.c newseg() */
const NAME = /^\/SYSV([0-9a-f]{8})$/

/** Whether a mapping is an attachment of a System V segment, whose inode number is the segment's id. */
export const isAttachment = ({ path, deleted, shared, devMajor }: Mapping): boolean =>
  deleted && shared && devMajor === 0 && NAME.test(path)

/** Id of an attachment's segment. */
export const segmentId = ({ inode }: Mapping): number => Number(inode)

/** Key that an attachment's segment was made with, whatever it has now. */
const madeKey = ({ path }: Mapping): number => Number.parseInt(NAME.exec(path)?.[1] ?? "0", 16)

/** One address space. */
export interface AddressSpace {
  readonly pid: number
  readonly mappings: readonly Mapping[]
}

/** What a tree has of one segment. */
export interface Attached {
  readonly id: number
  /** Mappings: what the kernel counts in shm_nattch. */
  readonly count: number
  readonly madeKey: number
  /** One of them, and whose. */
  readonly pid: number
  readonly mapping: Mapping
}

/** The segments that a tree has attached, by id. @param spaces each address space once */
export function findAttached(spaces: readonly AddressSpace[]): Map<number, Attached> {
  const found = new Map<number, Attached>()
  for (const { pid, mappings } of spaces)
    for (const mapping of mappings) {
      if (!isAttachment(mapping)) continue
      const id = segmentId(mapping)
      const known = found.get(id) ?? { id, count: 0, madeKey: madeKey(mapping), pid, mapping }
      found.set(id, { ...known, count: known.count + 1 })
    }
  return found
}
