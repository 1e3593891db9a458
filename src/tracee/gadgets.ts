import { type RemoteAddress, remoteAddress } from "../base/units.ts"
import { GADGETS } from "./arch.x86_64.ts"
import { readMemoryIfMapped } from "./memory.ts"

/** Instructions of the target's own code that injection starts from. */
export interface Gadgets {
  /** A system call instruction; with `signalReturn` known it is followed by a return. */
  readonly syscall: RemoteAddress
  /** A signal return, so that the bootstrap undoes itself if the tool dies; undefined where the program has none. */
  readonly signalReturn: RemoteAddress | undefined
}

/** An executable mapping to search. */
export interface CodeRange {
  readonly start: bigint
  readonly end: bigint
  readonly path: string
}

const WINDOW = 4 << 20

/**
 * Searches executable mappings for the gadgets of this architecture, libc first.
 *
 * @returns undefined when not even a system call instruction exists
 */
export function findGadgets(pid: number, code: readonly CodeRange[]): Gadgets | undefined {
  const libcFirst = [...code].sort((a, b) => rank(a.path) - rank(b.path))
  let syscallReturn: bigint | undefined
  let signalReturn: bigint | undefined
  let plain: bigint | undefined
  for (const { start, end } of libcFirst) {
    for (let at = start; at < end; at += BigInt(WINDOW)) {
      // Windows overlap by 16 bytes, so that no pattern is cut in two.
      const length = Number(end - at < BigInt(WINDOW + 16) ? end - at : BigInt(WINDOW + 16))
      const bytes = readMemoryIfMapped(pid, remoteAddress(at), length)
      if (!bytes) continue
      const found = (patterns: readonly Buffer[]): bigint | undefined => {
        for (const pattern of patterns) {
          const index = Buffer.from(bytes.buffer).indexOf(pattern)
          if (index >= 0) return at + BigInt(index)
        }
      }
      syscallReturn ??= found(GADGETS.syscallReturn)
      signalReturn ??= found(GADGETS.signalReturn)
      plain ??= found(GADGETS.syscall)
      if (syscallReturn && signalReturn) return { syscall: remoteAddress(syscallReturn), signalReturn: remoteAddress(signalReturn) }
    }
  }
  return plain === undefined ? undefined : { syscall: remoteAddress(plain), signalReturn: undefined }
}

const rank = (path: string): number => (/\/(libc[.-]|ld-musl|libc\.so)/.test(path) ? 0 : path.startsWith("/") ? 1 : 2)

/** True when the instructions still stand where they were found: code that was found before a freeze may have been unmapped. */
export function gadgetsStand(pid: number, { syscall, signalReturn }: Gadgets): boolean {
  const stands = (at: RemoteAddress, patterns: readonly Buffer[]): boolean =>
    patterns.some((pattern) => {
      const found = readMemoryIfMapped(pid, at, pattern.length)
      return found !== undefined && pattern.equals(found)
    })
  if (signalReturn === undefined) return stands(syscall, GADGETS.syscall)
  return stands(syscall, GADGETS.syscallReturn) && stands(signalReturn, GADGETS.signalReturn)
}
