declare const remote: unique symbol
/** An address in another task. Made only by `remoteAddress`, so that it is never used as one of ours. */
export type RemoteAddress = bigint & { readonly [remote]: true }

/** Brands a number read from the kernel or an image as an address in another task. */
export const remoteAddress = (value: bigint | number): RemoteAddress => BigInt(value) as RemoteAddress

/** Bytes in a page. Only 4096 is supported on x86-64; aarch64 kernels may be built with 16 or 64 KiB, which the check command refuses. */
export const PAGE_SIZE = 4096
export const PAGE = 4096n

/** Rounds bytes up to whole units. @param unit a power of two */
export const roundUp = (bytes: bigint, unit: bigint): bigint => (bytes + unit - 1n) & ~(unit - 1n)
/** Rounds bytes up to whole pages. */
export const pageUp = (bytes: bigint): bigint => roundUp(bytes, PAGE)
/** Rounds bytes down to whole pages. */
export const pageDown = (bytes: bigint): bigint => bytes & ~(PAGE - 1n)

/** A stretch of memory or of a file, bytes; the end is outside. */
export interface Range {
  readonly start: bigint
  readonly end: bigint
}

/** In a second. */
export const NANOSECONDS = 1_000_000_000n

/** "0x7f00" for messages and strace notation. */
export const hex = (value: bigint | number): string => `0x${value.toString(16)}`
