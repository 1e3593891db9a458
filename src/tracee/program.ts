import { ERRNO } from "../../ffi/errno.ts"
import { decode, encodeInto } from "../../ffi/layout.ts"
import { ARGUMENT, EXPECTED_ERRNO, MAY_FAIL, NONE_FAILED, NOT_BEGUN, stubHeader, stubRecord } from "../../ffi/stub/record.ts"
import { type Errno, errnoName, type Syscall, SyscallError, syscallNumber } from "../../ffi/syscall.ts"
import { isLacking } from "../../ffi/without.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex } from "../base/units.ts"
import { quoted } from "./quoted.ts"

/** What a record of the program answers, once the stub has run it. */
export interface Result {
  readonly kind: "result"
  readonly record: number
}
/** Memory of the program's own data, in the task: given to calls by address. Offsets in bytes from the data's start. */
export interface Data {
  readonly kind: "data"
  readonly offset: number
  readonly size: number
}
/** A value that the kernel stored into `data` by an earlier record: loaded when the call runs. */
export interface Load {
  readonly kind: "u32At" | "u64At"
  readonly data: Data
  readonly at: number
}
export type Argument = bigint | number | Result | Data | Load

interface CallOptions {
  /** Any failure is an answer, not an error. */
  readonly mayFail?: boolean
  /** This errno is an answer too. */
  readonly expects?: Errno
  /** The only answer that is right, such as all bytes of a read; checked when the answers are looked at. */
  readonly returns?: bigint | number
  /** What the call is for, in errors: "fd 5 \"/tmp/x\"". */
  readonly about?: string
}

interface Call {
  readonly call: Syscall
  readonly args: readonly Argument[]
  readonly options: CallOptions
}

const DATA_ALIGN = 16
const WORD = 2 ** 32
const FIRST_ARGUMENT = stubRecord.fields.argument0[0]
const RESULT = stubRecord.fields.result[0]
const ERRNO_NUMBER = new Map<string, number>(Object.entries(ERRNO).map(([number, [name]]) => [name, Number(number)]))

/**
 * System calls for a stub to run in one thread: pure data, so it can be printed, tested and compared without privilege.
 * A record that fails unexpectedly ends the program; what stands behind `cleanup` still runs.
 */
export class Program {
  private readonly records: Call[] = []
  private readonly parts: { readonly data: Data; readonly bytes: Uint8Array | undefined }[] = []
  private readonly pointers: { readonly data: Data; readonly at: number; readonly target: Data }[] = []
  private dataSize = 0
  private cleanupAt: number | undefined

  /** Appends a system call; returns a reference to its answer. */
  call(call: Syscall, ...args: Argument[]): Result {
    return this.callWith({}, call, ...args)
  }

  /** Appends a system call with a word on its failures; under the test switch one that no kernel has. */
  callWith(options: CallOptions, call: Syscall, ...args: Argument[]): Result {
    this.records.push({ call: isLacking(call, args) ? "vserver" : call, args, options })
    return { kind: "result", record: this.records.length - 1 }
  }

  /** Everything appended from here on runs whether or not an earlier record failed. */
  cleanup(): void {
    this.cleanupAt ??= this.records.length
  }

  /** Bytes laid into the program's data, 16-aligned unless `align` says more; the reference stands for their address. */
  bytes(bytes: Uint8Array, align = DATA_ALIGN): Data {
    return this.part(bytes.length, bytes, align)
  }

  /** A NUL-terminated string. */
  string(text: string): Data {
    return this.bytes(Buffer.from(`${text}\0`))
  }

  /** Zeroed room for an answer. */
  room(size: number, align = DATA_ALIGN): Data {
    return this.part(size, undefined, align)
  }

  /** Makes the 64 bits at an offset (bytes) of `data` the address of `target`: for structures that point to others. */
  point(data: Data, at: number, target: Data): void {
    this.pointers.push({ data, at, target })
  }

  /** What an earlier record stored as 32 or 64 bits at an offset (bytes) of `data`. */
  loadU32 = (data: Data, at = 0): Load => ({ kind: "u32At", data, at })
  loadU64 = (data: Data, at = 0): Load => ({ kind: "u64At", data, at })

  private part(size: number, bytes: Uint8Array | undefined, align: number): Data {
    const offset = Math.ceil(this.dataSize / align) * align
    this.dataSize = offset + size
    const data: Data = { kind: "data", offset, size }
    this.parts.push({ data, bytes })
    return data
  }

  /** Calls in the program. */
  get length(): number {
    return this.records.length
  }

  /** The calls by number; arguments that are known only when the program runs are 0. */
  get calls(): { readonly nr: number; readonly args: readonly bigint[] }[] {
    return this.records.map(({ call, args }) => ({
      nr: syscallNumber(call),
      args: args.map((argument) => (typeof argument === "object" ? 0n : BigInt(argument))),
    }))
  }

  private get dataStart(): number {
    return Math.ceil((stubHeader.size + this.records.length * stubRecord.size) / 64) * 64
  }

  /** Bytes that header, records and data take. */
  get size(): number {
    return this.dataStart + this.dataSize
  }

  /**
   * The program as the stub reads it.
   *
   * @param address where it will stand in the task, 64-aligned
   * @param header members of the header that the runner sets (pid, tid, signal, frame ...)
   * @param image `size` zeros to write it into
   */
  place(
    address: bigint,
    header: Parameters<typeof encodeInto<(typeof stubHeader)["fields"]>>[2],
    image: Uint8Array = new Uint8Array(this.size),
  ): Uint8Array {
    const count = this.records.length
    encodeInto(stubHeader, image, { ...header, count, cleanup: this.cleanupAt ?? count, failed: NOT_BEGUN })
    const dataAddress = address + BigInt(this.dataStart)
    const view = new DataView(image.buffer, image.byteOffset)
    // Written member by member: a large restore has a hundred thousand records.
    let at = stubHeader.size
    for (const { call, args, options } of this.records) {
      let flags = (options.mayFail ? MAY_FAIL : 0) | ((options.expects ? (ERRNO_NUMBER.get(options.expects) ?? 0) : 0) << EXPECTED_ERRNO)
      for (let position = 0; position < args.length; position++) {
        const argument = args[position] as Argument
        const place = at + FIRST_ARGUMENT + 8 * position
        if (typeof argument === "number") {
          view.setUint32(place, argument, true)
          view.setUint32(place + 4, Math.floor(argument / WORD), true)
        } else if (typeof argument === "bigint") view.setBigUint64(place, BigInt.asUintN(64, argument), true)
        else {
          const [meaning, value] = resolve(argument, dataAddress)
          flags |= meaning << (2 * position)
          view.setBigUint64(place, BigInt(value), true)
        }
      }
      view.setUint32(at, syscallNumber(call), true)
      view.setUint32(at + 4, flags, true)
      at += stubRecord.size
    }
    for (const { data, bytes } of this.parts) if (bytes) image.set(bytes, this.dataStart + data.offset)
    for (const { data, at: offset, target } of this.pointers)
      view.setBigUint64(this.dataStart + data.offset + offset, dataAddress + BigInt(target.offset), true)
    return image
  }

  /** The answers of a program that nobody ran, as if each call had answered 0. */
  imagined(): Answers {
    const image = this.place(0n, { pid: 0, tid: 0, signal: 0 })
    new DataView(image.buffer).setUint32(stubHeader.fields.failed[0], NONE_FAILED, true)
    return this.answers(image, "")
  }

  /**
   * The answers in a program that has run.
   *
   * @param image the same bytes, read back from the task
   * @param where named in errors, such as " in thread 12"
   * @throws SyscallError the first record that failed unexpectedly · CheckpointError E_INJECTION nothing has run
   */
  answers(image: Uint8Array, where: string): Answers {
    const { failed } = decode(stubHeader, image)
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
    const resultOf = (record: number): bigint => view.getBigInt64(stubHeader.size + record * stubRecord.size + RESULT, true)
    if (failed === NOT_BEGUN)
      throw new CheckpointError(
        "E_INJECTION",
        `Cannot run anything${where}`,
        "its memory on loan cannot be made writable",
        "Raise the target's RLIMIT_DATA (prlimit --data), or allow execmem in its security policy",
      )
    if (failed !== NONE_FAILED) {
      const record = this.records[failed]
      if (!record) throw new Error(`Unreachable: the stub says that record ${failed} of ${this.records.length} failed`)
      const about = record.options.about ? ` for ${record.options.about}` : ""
      const shown = record.args.map((argument) => (typeof argument === "object" ? 0 : argument))
      throw new SyscallError(record.call, errnoName(Number(-resultOf(failed))), shown, `${about}${where}`)
    }
    for (const [index, { call, options }] of this.records.entries()) {
      const { returns, about } = options
      if (returns !== undefined && resultOf(index) !== BigInt(returns))
        throw new Error(`${call}${about ? ` for ${about}` : ""}${where} answered ${resultOf(index)} instead of ${returns}`)
    }
    return {
      of: ({ record }) => resultOf(record),
      bytes: ({ offset, size }) => image.subarray(this.dataStart + offset, this.dataStart + offset + size),
    }
  }

  /** One line a call, in strace's notation. */
  describe(): string[] {
    return this.records.map(({ call, args, options }, index) => {
      const tail = options.mayFail ? " = any" : options.expects ? ` = 0 or ${options.expects}` : ""
      return `#${index} ${call}(${args.map((argument) => this.show(argument)).join(", ")})${tail}${options.about ? ` // ${options.about}` : ""}`
    })
  }

  private show(argument: Argument): string {
    if (typeof argument === "number" || typeof argument === "bigint") return argument < 0 || argument < 10 ? `${argument}` : hex(argument)
    if (argument.kind === "result") return `#${argument.record}`
    if (argument.kind === "data") {
      const bytes = this.parts.find(({ data }) => data === argument)?.bytes
      return bytes ? quoted(bytes) : `room[${argument.size}]`
    }
    return `${argument.kind === "u32At" ? "u32" : "u64"} of room[${argument.data.size}]+${argument.at}`
  }
}

/** What a program answered: the raw result of a record, the bytes of a part of its data. */
export interface Answers {
  of(result: Result): bigint
  bytes(data: Data): Uint8Array
}

function resolve(argument: Exclude<Argument, number | bigint>, dataAddress: bigint): readonly [meaning: number, value: bigint | number] {
  if (argument.kind === "result") return [ARGUMENT.result, argument.record]
  if (argument.kind === "data") return [ARGUMENT.literal, dataAddress + BigInt(argument.offset)]
  return [ARGUMENT[argument.kind], dataAddress + BigInt(argument.data.offset + argument.at)]
}
