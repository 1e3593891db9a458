import { ERRNO } from "../../ffi/errno.ts"
import { ARGUMENT, EXPECTED_ERRNO, MAY_FAIL, stubHeader, stubRecord } from "../../ffi/stub/record.ts"
import { type Errno, type Syscall, syscallNumber } from "../../ffi/syscall.ts"

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

export interface CallOptions {
  /** Any failure is an answer, not an error. */
  readonly mayFail?: boolean
  /** This errno is an answer too. */
  readonly expects?: Errno
  /** The only answer that is right, such as all bytes of a read; checked when the answers are looked at. */
  readonly returns?: bigint | number
  /** What the call is for, in errors: "fd 5 \"/tmp/x\"". */
  readonly about?: string
}

/** One record. */
export interface Call {
  readonly call: Syscall
  readonly args: readonly Argument[]
  readonly options: CallOptions
}

/** A program as it would stand at address 0, and the 64-bit words in it that are addresses: offsets in bytes. */
export interface Template {
  readonly bytes: Uint8Array
  readonly addresses: { readonly at: number; readonly offset: bigint }[]
}

/** What a program is made of. */
export interface Parts {
  readonly records: readonly Call[]
  /** Places in the program's data; those without bytes are room for answers. */
  readonly data: readonly { readonly data: Data; readonly bytes: Uint8Array | undefined }[]
  readonly pointers: readonly { readonly data: Data; readonly at: number; readonly target: Data }[]
}

const WORD = 2 ** 32
const FIRST_ARGUMENT = stubRecord.fields.argument0[0]

let errnoNumbers: ReadonlyMap<string, number> | undefined
function errnoNumber(name: string): number {
  errnoNumbers ??= new Map(Object.entries(ERRNO).map(([number, [name]]) => [name, Number(number)]))
  return errnoNumbers.get(name) ?? 0
}

/**
 * Writes records and data as the stub reads them, behind the header.
 *
 * @param address where the program will stand   @param dataStart where its data begin, bytes from there
 * @param image zeros, as long as the program
 * @param addresses gets what is to be moved with the program
 */
export function writeCalls(
  { records, data: parts, pointers }: Parts,
  address: bigint,
  dataStart: number,
  image: Uint8Array,
  addresses?: Template["addresses"],
): void {
  const view = new DataView(image.buffer, image.byteOffset)
  const putAddress = (at: number, offset: number): void => {
    const within = BigInt(dataStart + offset)
    view.setBigUint64(at, address + within, true)
    addresses?.push({ at, offset: within })
  }
  // Written member by member: a large restore has a hundred thousand records.
  let at = stubHeader.size
  for (const { call, args, options } of records) {
    let flags = (options.mayFail ? MAY_FAIL : 0) | ((options.expects ? errnoNumber(options.expects) : 0) << EXPECTED_ERRNO)
    for (let position = 0; position < args.length; position++) {
      const argument = args[position] as Argument
      const place = at + FIRST_ARGUMENT + 8 * position
      if (typeof argument === "number") {
        view.setUint32(place, argument, true)
        view.setUint32(place + 4, Math.floor(argument / WORD), true)
      } else if (typeof argument === "bigint") view.setBigUint64(place, argument, true)
      else if (argument.kind === "data") putAddress(place, argument.offset)
      else if (argument.kind === "result") {
        flags |= ARGUMENT.result << (2 * position)
        view.setUint32(place, argument.record, true)
      } else {
        flags |= ARGUMENT[argument.kind] << (2 * position)
        putAddress(place, argument.data.offset + argument.at)
      }
    }
    view.setUint32(at, syscallNumber(call), true)
    view.setUint32(at + 4, flags, true)
    at += stubRecord.size
  }
  for (const { data, bytes } of parts) if (bytes) image.set(bytes, dataStart + data.offset)
  for (const { data, at: offset, target } of pointers) putAddress(dataStart + data.offset + offset, target.offset)
}
