import { CPU_CAPS, type CpuOptions } from "../flow/options.ts"
import { misused } from "./refuse.ts"
import type { Canonical } from "./spelling.ts"
import { texts } from "./values.ts"

/** What a word of --cpu-cap stands for. */
const WORDS: Readonly<Record<string, CpuOptions["cpuCap"]>> = { fpu: ["fpu"], ins: ["ins"], cpu: ["cpu"], all: CPU_CAPS, none: [] }
/** What the words add to and take from. */
const USUAL: readonly string[] = ["fpu", "ins"]

/**
 * --cpu-cap=WORD,...: each word adds to "fpu,ins", "^WORD" takes away, "none" takes all away; of several options each goes on from the
 * last.
 *
 * @throws CheckpointError E_USAGE
 *
 * Authority: what CRIU 4.1.1 does; its words come with "=" only, and without any all are meant.
 */
export function cpuOptions(line: Canonical): CpuOptions {
  const given = texts(line, "cpu-cap")
  if (given.length === 0) return { cpuCap: undefined }
  let wanted = new Set(USUAL)
  for (const spelled of given.flatMap((value) => value.split(","))) {
    const negative = spelled.startsWith("^")
    const word = negative ? spelled.slice(1) : spelled
    const caps = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined
    if (!caps)
      throw misused(line.command, `--cpu-cap "${spelled}" is unknown`, `Use ${Object.keys(WORDS).join(", ")}, or ^ before one of them`)
    if (word === "none") wanted = new Set(negative ? CPU_CAPS : [])
    for (const cap of caps)
      if (negative) wanted.delete(cap)
      else wanted.add(cap)
  }
  return { cpuCap: CPU_CAPS.filter((cap) => wanted.has(cap)) }
}
