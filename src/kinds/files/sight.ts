import { lookAtItems } from "../../../ffi/kernel.ts"
import { encodeInto } from "../../../ffi/layout.ts"
import { INFO_ROOM, LOOK, LOOK_SCRATCH, lookItem, lookJob, lookTold } from "../../../ffi/stub/record.ts"
import { allocate } from "../../../ffi/syscall.ts"
import { DoorThread } from "../../tracee/door-thread.ts"
import type { Found } from "./collecting.ts"
import { pathBytes } from "./path.ts"

/** Bytes of names that are laid down at once. */
const NAMES = 64 * 1024
let names = allocate(NAMES)
let named = 0

/** Lays a path down for good. @returns its address */
function keepName(path: string): number {
  const bytes = pathBytes(path)
  if (named + bytes.length > names.bytes.length) [names, named] = [allocate(Math.max(NAMES, bytes.length)), 0]
  names.bytes.set(bytes, named)
  named += bytes.length
  return names.address + named - bytes.length
}

const { state, name, told, digits } = lookItem.fields
/** Offset of an item's digits, bytes. */
const [DIGITS] = digits

/** What a sight has before its first look. */
const NOTHING = allocate(0)
const NO_TEXT = Buffer.alloc(0)

/**
 * What the kernel tells of the descriptors of one process. It stays from look to look, so that a later one tells what is as it was: most
 * of a process is, and is not taken apart again.
 */
export class Sight {
  private memory = NOTHING
  private text: Buffer = NO_TEXT
  private room = 0
  private readonly numbers: number[] = []
  private readonly indices = new Map<number, number>()
  private readonly names: (string | undefined)[] = []
  /** By index: what was made of what is told. */
  private readonly found: (Found | undefined)[] = []
  private isOpen = false

  /** Begins a look. @returns an index for each number */
  begin(numbers: readonly number[]): number[] {
    // The kernel has told the look that was broken off what had changed, and will not say it again: nothing found before counts.
    if (this.isOpen) this.found.fill(undefined)
    this.isOpen = true
    const fresh = numbers.filter((fd) => !this.indices.has(fd))
    this.makeRoom(this.numbers.length + fresh.length)
    for (const fd of fresh) this.add(fd)
    return numbers.map((fd) => this.indices.get(fd) ?? 0)
  }

  /** Ends it: something was made of all that was told. */
  end(): void {
    this.isOpen = false
  }

  /** Address of an item. */
  addressOf = (index: number): number => this.memory.address + index * lookItem.size

  private toldAt = (index: number): number => this.room * lookItem.size + index * lookTold.size

  private makeRoom(count: number): void {
    if (count <= this.room) return
    const { memory: from, room: before } = this
    this.room = Math.max(count, 2 * before)
    this.memory = allocate(this.room * (lookItem.size + lookTold.size))
    this.text = Buffer.from(this.memory.bytes.buffer)
    if (before === 0) return
    this.memory.bytes.set(from.bytes.subarray(0, before * lookItem.size))
    this.memory.bytes.set(from.bytes.subarray(before * lookItem.size, before * (lookItem.size + lookTold.size)), this.toldAt(0))
    for (const index of this.numbers.keys()) this.point(index)
  }

  private point(index: number): void {
    const address = this.memory.address + this.toldAt(index)
    this.memory.view.setBigUint64(index * lookItem.size + told[0], BigInt(address), true)
  }

  private add(fd: number): void {
    const index = this.numbers.push(fd) - 1
    this.indices.set(fd, index)
    const at = index * lookItem.size
    this.memory.view.setUint32(at, fd, true)
    this.text.write(`${fd}\0`, at + DIGITS, "latin1")
    this.point(index)
  }

  /** What was found at an index before. */
  before = (index: number): Found | undefined => this.found[index]

  /** Whether all that is told is what was told before. Of fdinfo that fills the room the end, with the last of its locks, is not told. */
  isSame = (index: number): boolean => (this.stateOf(index) & LOOK.same) !== 0 && this.number(index, "infoLength") < INFO_ROOM

  /** Whether the name that was kept leads to the file. */
  isNamed = (index: number): boolean => (this.stateOf(index) & LOOK.named) !== 0

  private stateOf = (index: number): number => this.memory.view.getUint32(index * lookItem.size + state[0], true)

  /** A member of `lookTold` whose value fits into its lower 32 bits. */
  number(index: number, member: keyof typeof lookTold.fields): number {
    return this.memory.view.getInt32(this.toldAt(index) + lookTold.fields[member][0], true)
  }

  /** Where the struct statx is. */
  statx(index: number): readonly [view: DataView, at: number] {
    return [this.memory.view, this.toldAt(index) + lookTold.fields.statx[0]]
  }

  /** The beginning of fdinfo. @param length bytes */
  info(index: number, length: number): string {
    const at = this.toldAt(index) + lookTold.fields.info[0]
    return this.text.toString("latin1", at, at + length)
  }

  /** Keeps what was made of what is told. @param path leads to the file, if it is to be asked whether it does still */
  keep(index: number, found: Found, path: string | undefined): void {
    this.found[index] = found
    if (path === this.names[index]) return
    this.names[index] = path
    const address = path === undefined ? 0 : keepName(path)
    this.memory.view.setBigUint64(index * lookItem.size + name[0], BigInt(address), true)
  }

  /** Forgets what is no more. */
  drop(index: number): void {
    this.found[index] = undefined
  }
}

/** What is to be looked at of one process. */
export interface Look {
  readonly sight: Sight
  readonly pidfd: number
  /** A descriptor of its /proc/PID/fdinfo. */
  readonly infos: number
  /** Indices of the sight. */
  readonly indices: readonly number[]
}

/** Indices that follow one another. */
interface Run {
  readonly look: Look
  readonly first: number
  count: number
}

function runsOf(looks: readonly Look[]): Run[] {
  const runs: Run[] = []
  for (const look of looks) {
    let run: Run | undefined
    for (const index of look.indices)
      if (run && index === run.first + run.count) run.count++
      else {
        run = { look, first: index, count: 1 }
        runs.push(run)
      }
  }
  return runs
}

/** Descriptors that are worth a second thread. */
const WORTH_TWO = 64

let jobs = allocate(0)
const scratch = allocate(2 * LOOK_SCRATCH)
const second = new DoorThread()

/** Has the kernel asked about all of them, in two threads where there is much. */
export function runLooks(looks: readonly Look[]): void {
  const runs = runsOf(looks)
  if (runs.length === 0) return
  if (runs.length * lookJob.size > jobs.bytes.length) jobs = allocate(2 * runs.length * lookJob.size)
  for (const [index, { look, first, count }] of runs.entries()) {
    const { sight, pidfd, infos } = look
    const link = index + 1 < runs.length ? jobs.address + (index + 1) * lookJob.size : 0
    encodeInto(lookJob, jobs.bytes, { next: 0, count, items: sight.addressOf(first), pidfd, infos, link }, index * lookJob.size)
  }
  const total = runs.reduce((sum, { count }) => sum + count, 0)
  if (total >= WORTH_TWO) second.start("door_look", jobs.address, scratch.address + LOOK_SCRATCH)
  lookAtItems(jobs.address, scratch.address)
  second.join()
}
