import { O, S_IF } from "../../../ffi/abi/file.ts"
import { lstatSync } from "../../../ffi/fs.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { reg_file_entry } from "../../../proto/gen/regfile_pb.ts"
import { remap_type } from "../../../proto/gen/remap-file-path_pb.ts"
import { CheckpointError, refusedTarget } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import { type Mapping, mapLink, mappedInode } from "../../proc/maps.ts"
import { readLinkIfAlive } from "../../proc/source.ts"
import { GhostTable } from "./ghost/collect.ts"
import type { WantedLink } from "./ghost/links.ts"
import type { PacketRings } from "./ids.ts"
import type { Keeping, WayBack } from "./keeping.ts"
import { lowerFiles } from "./lower.ts"
import { lendMapped, mayFollowMapped, UNREACHABLE } from "./mapped.ts"
import { lookAt } from "./name.ts"
import { NO_OWNER } from "./owner.ts"
import { type FileStat, kindOf, statPath } from "./stat.ts"

/** Shared memory that a table gave an inode id. */
interface NumberedMemory {
  readonly inode: { readonly inode_id: bigint }
}

/** Shared memory as it was found: by a link in /proc, by a mapping, or both. */
export type FoundMemory =
  | { readonly link: string; readonly shown: string }
  | { readonly link: string | undefined; readonly shown: string; readonly mapping: Mapping }

const OWNER_READ = 0o400
const OWNER_WRITE = 0o200

/** True where CRIU would store the size: of regular files, but not of logs that others append to. */
export const hasSize = (mode: number, flags: number): boolean =>
  kindOf(mode) === S_IF.REG && !((flags & O.APPEND) !== 0 && (flags & O.WRONLY) !== 0)

/** The part of an entry that the file itself decides. */
export function fileFacts(name: string, stat: FileStat, flags: number): Pick<reg_file_entry, "name" | "mode" | "size"> {
  return { name, mode: stat.mode, ...(hasSize(stat.mode, flags) ? { size: stat.size } : {}) }
}

/**
 * The files of one dump: gives ids, one counter for all kinds from 1, and keeps files.img.
 *
 * Open files get an id each. What is reached by a link alone (mappings, exe, cwd, root) shares one id for each file, name and access mode.
 */
export class FileTable<S extends NumberedMemory = NumberedMemory> {
  readonly entries: file_entry[] = []
  readonly memfds: S[] = []
  private lastId = 0
  private readonly named = new Map<string, number>()
  private readonly memories = new Map<string, number>()

  /**
   * @param sharedMemoryOf collects shared memory: by a link in /proc, or by its inode where no link may be followed
   * @param keeping what is kept of files that their names do not lead to; not `stopped`: no deleted file is read
   * @param buildIdOf reads the build ID of a file, if that is to be compared
   */
  constructor(
    private readonly sharedMemoryOf: (memory: FoundMemory, inodeId: number) => S,
    readonly keeping: Keeping & { readonly stopped?: boolean },
    private readonly buildIdOf: (path: string, stat: FileStat) => number[] = () => [],
  ) {
    this.ghosts = new GhostTable(keeping.stopped !== false)
  }

  /** What of the files needs more than a name. */
  readonly ghosts: GhostTable

  /** Notes how file `id` is found again; `link` in /proc leads to it. @returns its name */
  noteWayBack(id: number, wayBack: WayBack, link: string, stat: FileStat): string {
    const { name, way } = wayBack
    if (way === "ghost") this.ghosts.add(id, link, stat)
    else if (way === "link")
      this.ghosts.remaps.push({ orig_id: id, remap_id: this.newName(name, link, stat), remap_type: remap_type.LINKED })
    else if (way === "departed") this.ghosts.addDeparted(id, wayBack.pid)
    return name
  }

  /** Names that files are to get: `makeLinks` makes them. */
  readonly links: WantedLink[] = []
  private readonly linked = new Map<string, number>()

  /** Id of the entry of a new name for a file that lost this one. */
  private newName(lost: string, link: string, stat: FileStat): number {
    return this.linked.getOrInsertComputed(`${stat.dev}:${stat.ino}`, () => {
      const id = this.nextId()
      const entry: reg_file_entry = {
        id,
        flags: O.RDONLY,
        pos: 0n,
        fown: { ...NO_OWNER },
        ...fileFacts(lost, stat, O.RDONLY),
        build_id: [],
      }
      this.links.push({ link, entry })
      this.add({ type: fd_types.REG, id, reg: entry })
      return id
    })
  }

  /** A new id. */
  nextId(): number {
    return ++this.lastId
  }

  /** Keeps an entry whose id came from `nextId`. */
  add(entry: file_entry): void {
    this.entries.push(entry)
  }

  /**
   * Id of what a link in /proc leads to, such as /proc/PID/exe.
   *
   * @param access O_RDONLY, O_WRONLY or O_RDWR
   * @throws CheckpointError E_UNSUPPORTED its name leads to nothing or to another file by now
   */
  link(link: string, access: number): number {
    const { wayBack, stat } = lookAt(link, this.keeping)
    return this.path(wayBack.name, stat, access, (entry) => {
      this.noteWayBack(entry.id, wayBack, link, stat)
      if (wayBack.way === "name" && kindOf(stat.mode) === S_IF.REG) entry.build_id = this.buildIdOf(link, stat)
    })
  }

  /** Id of a file by its name, opened with `access` alone. Its name must lead to it, see `refuseName`. @param isNew is given a new entry */
  path(name: string, stat: FileStat, access: number, isNew: (entry: reg_file_entry) => void = () => {}): number {
    const key = `${stat.dev}:${stat.ino}:${access}:${name}`
    const known = this.named.get(key)
    if (known !== undefined) return known
    const id = this.nextId()
    this.named.set(key, id)
    const reg: reg_file_entry = { id, flags: access, pos: 0n, fown: { ...NO_OWNER }, ...fileFacts(name, stat, access), build_id: [] }
    this.add({ type: fd_types.REG, id, reg })
    isNew(reg)
    return id
  }

  /** Id of a process's executable. Of a memory file it is that of a MEMFD entry: so does CRIU 4.1.1, which cannot restore it. */
  exe(pid: number): number {
    const link = `/proc/${pid}/exe`
    const shown = MEMORY_FILE.exec(readLinkIfAlive(link) ?? "")?.[1]
    const stat = shown === undefined ? null : statPath(link, true)
    return shown === undefined || !stat || stat.nlink > 0
      ? this.link(link, O.RDONLY)
      : this.memoryFile(memoryKey(stat), { link, shown }, O.RDONLY)
  }

  private readonly packetRings = new Map<bigint, PacketRings>()

  /** Notes a packet socket, for its mappings. */
  notePacketRings(inode: bigint, ring: PacketRings): void {
    this.packetRings.set(inode, ring)
  }

  /** Id of a packet socket whose rings are mapped. @throws CheckpointError E_UNSUPPORTED the mapping shows a part of them, or no rings */
  private ring(pid: number, { inode, start, end, offset, path }: Mapping): number {
    const ring = this.packetRings.get(inode)
    if (ring && offset === 0n && end - start === BigInt(ring.bytes)) return ring.id
    const what = ring ? "a part of the rings of a packet socket" : "a mapping of a socket that is no packet socket"
    const where = `task ${pid} VMA ${hex(start)}-${hex(end)} "${path}"`
    throw refusedTarget(pid, [{ what, where, remedy: "Let the program unmap it before the dump" }])
  }

  /** The files behind the mappings of one process. */
  of = (pid: number) => ({
    mapped: (mapping: Mapping, access: number): number => this.mapped(pid, mapping, access),
    memory: (mapping: Mapping, access: number): number => this.memory(pid, mapping, access),
    ring: (mapping: Mapping): number => this.ring(pid, mapping),
    openMode: openModes(pid),
    lower: lowerFiles,
  })

  /** Id of a mapped file. */
  private mapped(pid: number, mapping: Mapping, access: number): number {
    // Programs map each of their files several times: only the first is looked at.
    const key = `mapping ${mappedInode(mapping)}:${access}:${mapping.path}`
    const id = this.named.get(key) ?? lendMapped(pid, mapping, (link) => this.link(link, access))
    if (id === undefined) throw unreachableFile(pid, mapping)
    this.named.set(key, id)
    return id
  }

  /** Id of shared memory without a name, collected when it is met first. */
  private sharedMemory(inode: string, found: FoundMemory): number {
    let inode_id = this.memories.get(inode)
    if (inode_id !== undefined) return inode_id
    inode_id = this.memfds.length + 1
    this.memories.set(inode, inode_id)
    this.memfds.push(this.sharedMemoryOf(found, inode_id))
    return inode_id
  }

  /** Id of the memory behind an open memfd, the same as that of its mappings. @param shown what its link says, without " (deleted)" */
  memfd(pid: number, fd: number, shown: string, { dev, ino }: FileStat): number {
    return this.sharedMemory(memoryKey({ dev, ino }), { link: `/proc/${pid}/fd/${fd}`, shown })
  }

  /** Id of the MEMFD entry of a mapping's shared memory without a name: one for each memory and access mode. */
  private memory(pid: number, mapping: Mapping, access: number): number {
    const link = mayFollowMapped() ? mapLink(pid, mapping) : undefined
    return this.memoryFile(mappedInode(mapping), { link, shown: mapping.path, mapping }, access)
  }

  /** The same for whatever leads to it. */
  private memoryFile(inode: string, found: FoundMemory, access: number): number {
    const inode_id = this.sharedMemory(inode, found)
    const key = `memory ${inode_id}:${access}`
    const known = this.named.get(key)
    if (known !== undefined) return known
    const id = this.nextId()
    this.named.set(key, id)
    this.add({ type: fd_types.MEMFD, id, memfd: { id, flags: access, pos: 0n, fown: { ...NO_OWNER }, inode_id } })
    return id
  }
}

/**
 * Access modes of one process's mapped files. Private mappings of one file are taken to have one: the loader maps each in many pieces, from
 * one descriptor, and what a private mapping may do does not depend on it. Kernel: mm/mmap.c do_mmap()
 */
function openModes(pid: number): (mapping: Mapping) => number {
  const known = new Map<string, number>()
  return (mapping) =>
    mapping.shared
      ? openMode(pid, mapping)
      : known.getOrInsertComputed(`${mappedInode(mapping)}:${mapping.path}`, () => openMode(pid, mapping))
}

/** Access mode of a mapping's file, from the permissions of its link. Kernel: fs/proc/base.c map_files_instantiate() */
function openMode(pid: number, mapping: Mapping): number {
  const { mode } = lstatSync(mapLink(pid, mapping))
  if (!(mode & OWNER_WRITE)) return O.RDONLY
  return mode & OWNER_READ ? O.RDWR : O.WRONLY
}

/** The survey refuses such: it was mapped, or lost its name, meanwhile. */
const unreachableFile = (pid: number, { path }: Mapping): CheckpointError =>
  new CheckpointError(
    "E_UNSUPPORTED",
    `Cannot keep a mapping of task ${pid}`,
    `it is of "${path}", ${UNREACHABLE.what}`,
    UNREACHABLE.remedy,
  )

const memoryKey = ({ dev, ino }: Pick<FileStat, "dev" | "ino">): string =>
  mappedInode({ devMajor: dev >>> 20, devMinor: dev & 0xfffff, inode: ino })

/** What a link to a memory file says. Kernel: mm/memfd.c */
const MEMORY_FILE = /^(\/memfd:.*) \(deleted\)$/s
