/** Messages that are worth looking up: shorter ones are sooner read again, longer ones are seldom alike. Bytes. */
const SHORTEST = 256
const LONGEST = 16 * 1024
/** Different ones that are remembered. */
const MOST = 64

/** What was found in the bytes of messages, for those that occur again: the FPU states of many threads are a few different ones. */
export class Alike<T extends object | boolean> {
  private readonly made = new Map<string, T>()

  /**
   * What `make` finds in `bytes` from `start` to `end`, and in nothing else. It is frozen when others may get it too; what lists it holds
   * must not be changed either.
   */
  of(bytes: Uint8Array, start: number, end: number, make: () => T): T {
    const length = end - start
    if (length < SHORTEST || length > LONGEST || end > bytes.length) return make()
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1")
    const known = this.made.get(key)
    if (known !== undefined) return known
    const value = make()
    if (this.made.size < MOST) this.made.set(key, Object.freeze(value))
    return value
  }
}
