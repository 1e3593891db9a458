import { encodeInto } from "../../ffi/layout.ts"
import { NONE_FAILED, NOT_BEGUN, stubHeader, stubRecord } from "../../ffi/stub/record.ts"
import { errnoName, type Syscall, SyscallError, syscallNumber } from "../../ffi/syscall.ts"
import { isLacking } from "../../ffi/without.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex } from "../base/units.ts"
import {
  type Argument,
  type Call,
  type CallOptions,
  type Data,
  type Load,
  type Parts,
  type Result,
  type Template,
  writeCalls,
} from "./call.ts"
import { quoted } from "./quoted.ts"

export type { Argument, Data, Load, Result } from "./call.ts"

const DATA_ALIGN = 16
const RESULT = stubRecord.fields.result[0]
const FAILED = stubHeader.fields.failed[0]

/**
 * System calls for a stub to run in one thread: pure data, so it can be printed, tested and compared without privilege.
 * A record that fails unexpectedly ends the program; what stands behind `cleanup` still runs.
 */
export class Program {
  private readonly records: Call[] = []
  private readonly parts: Parts["data"][number][] = []
  private readonly pointers: Parts["pointers"][number][] = []
  private dataSize = 0
  private cleanupAt: number | undefined
  /** Records of which only one answer is right. */
  private readonly checked: number[] = []
  /** How often it was placed since it was last changed; and then, see `place`. */
  private placed = 0
  private template: Template | undefined

  /** Appends a system call; returns a reference to its answer. */
  call(call: Syscall, ...args: Argument[]): Result {
    return this.callWith({}, call, ...args)
  }

  /** Appends a system call with a word on its failures; under the test switch one that no kernel has. */
  callWith(options: CallOptions, call: Syscall, ...args: Argument[]): Result {
    this.placed = 0
    if (options.returns !== undefined) this.checked.push(this.records.length)
    this.records.push({ call: isLacking(call, args) ? "vserver" : call, args, options })
    return { kind: "result", record: this.records.length - 1 }
  }

  /** Everything appended from here on runs whether or not an earlier record failed. */
  cleanup(): void {
    this.placed = 0
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
    this.placed = 0
    this.pointers.push({ data, at, target })
  }

  /** What an earlier record stored as 32 or 64 bits at an offset (bytes) of `data`. */
  loadU32 = (data: Data, at = 0): Load => ({ kind: "u32At", data, at })
  loadU64 = (data: Data, at = 0): Load => ({ kind: "u64At", data, at })

  private part(size: number, bytes: Uint8Array | undefined, align: number): Data {
    this.placed = 0
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

  private get content(): Parts {
    return { records: this.records, data: this.parts, pointers: this.pointers }
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
    this.placed++
    // One that many threads run is written twice, and then copied.
    if (this.placed === 2) {
      const template: Template = { bytes: new Uint8Array(this.size), addresses: [] }
      writeCalls(this.content, 0n, this.dataStart, template.bytes, template.addresses)
      this.template = template
    }
    if (this.template && this.placed > 1) {
      image.set(this.template.bytes)
      const view = new DataView(image.buffer, image.byteOffset)
      for (const { at, offset } of this.template.addresses) view.setBigUint64(at, address + offset, true)
    } else writeCalls(this.content, address, this.dataStart, image)
    const count = this.records.length
    encodeInto(stubHeader, image, { ...header, count, cleanup: this.cleanupAt ?? count, failed: NOT_BEGUN })
    return image
  }

  /**
   * The answers in a program that has run.
   *
   * @param image the same bytes, read back from the task
   * @param where named in errors, such as " in thread 12"
   * @param unwritable what to do where the data of a program cannot be written, if that is known
   * @throws SyscallError the first record that failed unexpectedly · CheckpointError E_INJECTION nothing has run
   */
  answers(image: Uint8Array, where: string, unwritable: () => string | undefined = () => undefined): Answers {
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
    const failed = view.getUint32(FAILED, true)
    const resultOf = (record: number): bigint => view.getBigInt64(stubHeader.size + record * stubRecord.size + RESULT, true)
    if (failed === NOT_BEGUN)
      throw new CheckpointError(
        "E_INJECTION",
        `Cannot run anything${where}`,
        "its memory on loan cannot be made writable",
        unwritable() ?? "Raise the target's RLIMIT_DATA (prlimit --data), or allow execmem in its security policy",
      )
    if (failed !== NONE_FAILED) {
      const record = this.records[failed]
      if (!record) throw new Error(`Unreachable: the stub says that record ${failed} of ${this.records.length} failed`)
      const about = record.options.about ? ` for ${record.options.about}` : ""
      const shown = record.args.map((argument) => (typeof argument === "object" ? 0 : argument))
      throw new SyscallError(record.call, errnoName(Number(-resultOf(failed))), shown, `${about}${where}`)
    }
    for (const index of this.checked) {
      const { call, options } = this.records[index] as Call
      const { returns = 0, about } = options
      if (resultOf(index) !== BigInt(returns))
        throw new Error(`${call}${about ? ` for ${about}` : ""}${where} answered ${resultOf(index)} instead of ${returns}`)
    }
    const { dataStart } = this
    return {
      of: ({ record }) => resultOf(record),
      bytes: ({ offset, size }) => image.subarray(dataStart + offset, dataStart + offset + size),
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
