import type { Start } from "../harness/victim.ts"

/** One victim as tests start it. The title is its test's name. */
export interface Row extends Start {
  readonly title: string
  /** Source in test/victims, without ".c". */
  readonly source: string
  /** It ends by itself, so it is not asked. */
  readonly unasked?: boolean
  /** What CRIU's sets say otherwise than it was, so that --verify would refuse them. */
  readonly criuSays?: string
  /** Options of the dump, stasis's and CRIU's; CRIU wants them for the restore too. */
  readonly options?: readonly string[]
  /** Huge pages of 2 MiB that it needs: without them it is skipped. */
  readonly hugePages?: number
  /** Why CRIU 4.1.1 cannot do this one: crossing tests leave it out. Absent = CRIU can. */
  readonly notWithCriu?: string
  /** The first Linux that it can be kept on, and why. Absent = all that stasis runs on. */
  readonly since?: readonly [release: string, why: string]
}

/** A row that CRIU 4.1.1 cannot do, and why. */
export const beyondCriu = (notWithCriu: string, row: Row): Row => ({ ...row, notWithCriu })

/** A victim with its arguments. "{folder}" is no part of its title. */
export const row = (source: string, ...args: string[]): Row => ({
  title: [source, ...args].filter((word) => word !== "{folder}").join(" "),
  source,
  args,
})
