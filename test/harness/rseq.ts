import { readFileSync } from "node:fs"
import { join } from "node:path"
import { must, type Tool } from "./tool.ts"

/** One thread of `stasis rseq --json`; addresses as "0x..." strings. */
export interface RseqThread {
  readonly tid: number
  readonly name: string
  readonly registered: string | null
  readonly address: string | null
  readonly size: number | null
  readonly signature: string | null
  readonly class: string
  readonly rseq_cs: string | null
  readonly ip: { readonly address: string } | null
  readonly section: { readonly start: { readonly symbol: string | null } } | null
}

/** Asks the tool for the rseq state of a live process (its PID) or of an image set (["-D", folder]). */
export async function rseqThreads(tool: Tool, ...target: string[]): Promise<readonly RseqThread[]> {
  const { stdout } = await must(tool, "rseq", "--json", ...target)
  return (JSON.parse(stdout) as { threads: RseqThread[] }).threads
}

/** What must be the same before a dump, in the images and after a restore: who is registered, and with what. */
export const registrations = (threads: readonly RseqThread[]): string[] =>
  threads.map(({ tid, address, size, signature }) => `${tid}: ${address} ${size} ${signature}`).sort()

/** The counters of struct rseq_board (test/victims/rseq.h), which a victim keeps in its folder. */
export interface Board {
  readonly entries: number
  readonly aborts: number
  readonly commits: number
  readonly unprotected: number
}

/** Reads a victim's counters from outside, at any time, even when it is dead. */
export function readBoard(folder: string): Board {
  const bytes = readFileSync(join(folder, "board"))
  const word = (index: number) => Number(bytes.readBigUInt64LE(8 + index * 8))
  return { entries: word(0), aborts: word(1), commits: word(2), unprotected: word(3) }
}
