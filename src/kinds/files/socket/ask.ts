import { IPPROTO, SO, SOL_SOCKET } from "../../../../ffi/abi/socket.ts"
import { readOptions } from "../../../../ffi/kernel.ts"
import { OPTION_MOST, optionSlot } from "../../../../ffi/stub/record.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError } from "../../../../ffi/syscall.ts"

const VALUE = 64 * 1024
const LENGTH = VALUE
const memory = allocate(VALUE + 4096)

/** Errors that say that a socket has no such option. */
const LACKING: ReadonlySet<string> = new Set(["ENOPROTOOPT", "EOPNOTSUPP", "EINVAL", "ENOTCONN"])

/** Errors that say that a socket has nothing of what an option was asked for. */
const ABSENT: ReadonlySet<string> = new Set([...LACKING, "EADDRNOTAVAIL", "ENODEV"])

/** What getsockopt(2) answers to `room` bytes of `memory`; undefined for the errors of `lacking`. @throws SyscallError */
function answerOf(fd: number, level: number, name: number, room: number, lacking: ReadonlySet<string>): Uint8Array | undefined {
  memory.view.setUint32(LENGTH, room, true)
  const answer = attempt("getsockopt", fd, level, name, memory.address, memory.address + LENGTH)
  if (!isFailure(answer)) return memory.bytes.slice(0, memory.view.getUint32(LENGTH, true))
  const errno = errnoName(-answer)
  if (lacking.has(errno)) return undefined
  throw new SyscallError("getsockopt", errno, [fd, level, name])
}

/** An option; undefined when sockets of its kind have none such. @param room bytes, as getsockopt(2) counts them   @throws SyscallError */
export function askOption(fd: number, level: number, name: number, room: number): Uint8Array | undefined {
  memory.bytes.fill(0, 0, Math.max(room, 8))
  return answerOf(fd, level, name, room, LACKING)
}

/** What `askOptions` is asked for. */
export interface OptionList {
  readonly address: number
  readonly count: number
}

/** Lays names of options down, to be asked for together. */
export function listOptions(names: readonly (readonly [level: number, name: number])[]): OptionList {
  const { address, bytes } = allocate(8 * names.length)
  bytes.set(new Uint8Array(Uint32Array.from(names.flat()).buffer))
  return { address, count: names.length }
}

let slots = allocate(0)

/** Options of a socket, an `optionSlot` each: bytes that the next call overwrites. Much less work than an `askOption` for each. */
export function askOptions(fd: number, { address, count }: OptionList): Buffer {
  const size = count * optionSlot.size
  if (size > slots.bytes.length) slots = allocate(size)
  slots.bytes.fill(0, 0, size)
  readOptions(fd, address, count, slots.address)
  return Buffer.from(slots.bytes.buffer as ArrayBuffer, 0, size)
}

/** The value in a slot of `askOptions`; undefined as `askOption` says, "cut" where there may be more of it. @throws SyscallError */
export function optionIn(slot: Buffer, fd: number, level: number, name: number): Uint8Array | "cut" | undefined {
  const answer = slot.readInt32LE(optionSlot.fields.answer[0])
  const length = slot.readUInt32LE(optionSlot.fields.length[0])
  const start = optionSlot.fields.value[0]
  if (answer === 0) return length < OPTION_MOST ? new Uint8Array(slot.subarray(start, start + length)) : "cut"
  const errno = errnoName(-answer)
  if (LACKING.has(errno)) return undefined
  throw new SyscallError("getsockopt", errno, [fd, level, name])
}

/**
 * An option that is asked with a value; undefined when there is none such.
 *
 * @param question as long as its answer may be, at most 64 KiB   @throws SyscallError
 */
export function askWith(fd: number, level: number, name: number, question: Uint8Array): Uint8Array | undefined {
  memory.bytes.set(question)
  return answerOf(fd, level, name, question.length, ABSENT)
}

/** An option that is a number; undefined when there is none such. */
export function askNumber(fd: number, level: number, name: number): number | undefined {
  const bytes = askOption(fd, level, name, 4)
  return bytes && new DataView(bytes.buffer).getInt32(0, true)
}

/**
 * The classic filter of a socket, 8 bytes an instruction; "extended" for one that no program may read. Man page: socket(7),
 * SO_ATTACH_FILTER
 */
export function askFilter(fd: number): Uint8Array | "extended" {
  memory.view.setUint32(LENGTH, VALUE / 8, true)
  const answer = attempt("getsockopt", fd, SOL_SOCKET, SO.ATTACH_FILTER, memory.address, memory.address + LENGTH)
  if (!isFailure(answer)) return memory.bytes.slice(0, memory.view.getUint32(LENGTH, true) * 8)
  const errno = errnoName(-answer)
  if (errno === "EACCES") return "extended"
  throw new SyscallError("getsockopt", errno, [fd, SOL_SOCKET, SO.ATTACH_FILTER])
}

/** Address of a socket, or that of its peer, as sockaddr; undefined when it is not connected. */
export function askAddress(fd: number, call: "getsockname" | "getpeername"): Uint8Array | undefined {
  memory.view.setUint32(LENGTH, 128, true)
  const answer = attempt(call, fd, memory.address, memory.address + LENGTH)
  if (!isFailure(answer)) return memory.bytes.slice(0, memory.view.getUint32(LENGTH, true))
  const errno = errnoName(-answer)
  if (errno === "ENOTCONN" || errno === "EINVAL") return undefined
  throw new SyscallError(call, errno, [fd])
}

/** What ioctl(2) counts of a socket, bytes. */
export function askCount(fd: number, request: number): number {
  const answer = attempt("ioctl", fd, request, memory.address)
  if (isFailure(answer)) throw new SyscallError("ioctl", errnoName(-answer), [fd, request])
  return memory.view.getInt32(0, true)
}

/** Gives a socket of ours, or of a frozen process, an option. @returns what the kernel answered */
export function offerOption(fd: number, level: number, name: number, value: Uint8Array | number): number {
  const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value
  memory.bytes.set(bytes)
  return attempt("setsockopt", fd, level, name, memory.address, bytes.length)
}

/** The same, which must be taken. @throws SyscallError */
export function tellOption(fd: number, level: number, name: number, value: Uint8Array | number): void {
  const answer = offerOption(fd, level, name, value)
  if (isFailure(answer)) throw new SyscallError("setsockopt", errnoName(-answer), [fd, level, name])
}

/** What a socket is: arguments of socket(2). */
export interface SocketKind {
  readonly family: number
  readonly type: number
  readonly protocol: number
}

/** Arguments of socket(2) that made a socket. */
export const kindOfSocket = (fd: number): SocketKind => ({
  family: askNumber(fd, SOL_SOCKET, SO.DOMAIN) ?? 0,
  type: askNumber(fd, SOL_SOCKET, SO.TYPE) ?? 0,
  protocol: askNumber(fd, SOL_SOCKET, SO.PROTOCOL) ?? IPPROTO.IP,
})
