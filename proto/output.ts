import { bytesOf } from "./text.ts"

/** Longest varint, bytes. */
const LONGEST = 10
/** Longest varint of 32 bits, bytes. */
const LONGEST_32 = 5
/** Text that is written without a detour: longer ones have an encoder of their own. */
const SHORT = 64

/** Bytes of an output that is not copied. */
const LARGE = 1 << 20

/** Writes a varint into bytes that have room for it. @returns where it ends */
function putVarint(bytes: Uint8Array, at: number, low: number, high: number): number {
  while (high !== 0 || low > 0x7f) {
    bytes[at++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  bytes[at++] = low
  return at
}

/** Bytes of an image as they are written, one after another. The memory grows, and is kept from image to image. */
export class Output {
  private bytes: Uint8Array<ArrayBuffer>
  private view: DataView
  /** Bytes so far; 0 begins anew. */
  length = 0

  /** @param room bytes that there is memory for at first */
  constructor(private readonly room: number) {
    this.bytes = new Uint8Array(room)
    this.view = new DataView(this.bytes.buffer)
  }

  private makeRoom(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const before = this.bytes
    this.bytes = new Uint8Array(Math.max(this.length + count, 2 * before.length))
    this.bytes.set(before)
    this.view = new DataView(this.bytes.buffer)
  }

  /** A varint. @param low, high halves of a 64-bit value, unsigned */
  varint(low: number, high = 0): void {
    this.makeRoom(LONGEST)
    this.length = putVarint(this.bytes, this.length, low, high)
  }

  /** A tag of 32 bits and a varint as above: most of what an image consists of. */
  tagged(tag: number, low: number, high = 0): void {
    this.makeRoom(2 * LONGEST)
    const { bytes } = this
    this.length = putVarint(bytes, putVarint(bytes, this.length, tag, 0), low, high)
  }

  /**
   * Numbers of 32 bits, unsigned, each behind a tag: registers are hundreds of them.
   *
   * @returns how many of them: what stands there is no such number
   */
  numbers(tag: number, list: readonly unknown[]): number {
    this.makeRoom(list.length * 2 * LONGEST_32)
    const { bytes } = this
    let at = this.length
    let index = 0
    for (; index < list.length; index++) {
      const value = list[index]
      if (typeof value !== "number" || value >>> 0 !== value) break
      at = putVarint(bytes, putVarint(bytes, at, tag, 0), value, 0)
    }
    this.length = at
    return index
  }

  /** A number of 4 bytes, little endian. */
  u32(value: number): void {
    this.makeRoom(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
  }

  /** A number of 8 bytes, little endian. */
  u64(value: bigint): void {
    this.makeRoom(8)
    this.view.setBigUint64(this.length, value, true)
    this.length += 8
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.makeRoom(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Text with its length in front. */
  text(value: string): void {
    const start = this.begin()
    if (value.length > SHORT || !this.ascii(value)) this.raw(bytesOf(value))
    this.end(start)
  }

  /** Short text of ASCII. @returns false for other text: nothing is written then */
  private ascii(value: string): boolean {
    this.makeRoom(value.length)
    const { bytes, length } = this
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 0x7f) return false
      bytes[length + index] = code
    }
    this.length += value.length
    return true
  }

  /** Begins what has its length in front. @returns what `end` wants */
  begin(): number {
    this.makeRoom(1)
    this.length++
    return this.length
  }

  /** Writes the length of what was written since `begin`; a long one moves it along. */
  end(start: number): void {
    const length = this.length - start
    if (length < 0x80) {
      this.bytes[start - 1] = length
      return
    }
    const more = length < 1 << 14 ? 1 : length < 1 << 21 ? 2 : length < 1 << 28 ? 3 : 4
    this.makeRoom(more)
    this.bytes.copyWithin(start + more, start, start + length)
    this.length = start - 1
    this.varint(length)
    this.length = start + more + length
  }

  /** As `begin` and `end`, with the length as u32. */
  beginSized(): number {
    this.u32(0)
    return this.length
  }

  endSized(start: number): void {
    this.view.setUint32(start - 4, this.length - start, true)
  }

  /** All that was written; the next output begins empty. What is large is not copied: it takes the memory along. */
  take(): Uint8Array<ArrayBuffer> {
    const { bytes, length } = this
    this.length = 0
    if (length < LARGE) return bytes.slice(0, length)
    this.bytes = new Uint8Array(this.room)
    this.view = new DataView(this.bytes.buffer)
    return bytes.subarray(0, length)
  }
}
