import type { CheckedFeature } from "../flow/features/feature.ts"
import { checkFeatures, featureNames, isSufficient } from "../flow/features/features.ts"
import { ownRung, RUNGS, type Rung } from "../flow/features/rung.ts"
import type { CheckOptions } from "../flow/options.ts"
import { checkProc } from "../flow/reach.ts"
import { print } from "./print.ts"
import { tableLines } from "./show-table.ts"
import { nearest } from "./suggest.ts"

/** Word of --feature that asks for the names. */
const LIST = "list"

/**
 * `stasis check`: what this kernel and this user can do.
 *
 * @returns 0 when everything required is there, or the one feature that was named; else 1
 * @throws CheckpointError E_USAGE no feature of this name
 */
export async function runCheck(options: CheckOptions): Promise<number> {
  const { feature, json } = options
  if (feature === LIST) {
    const names = featureNames()
    print(
      json
        ? JSON.stringify({ names })
        : tableLines(
            ["feature", ""],
            names.map(({ name, about }) => [name, about]),
            "",
          ).join("\n"),
    )
    return 0
  }
  checkProc()
  const checked = checkFeatures(options, nearest)
  const sufficient = feature === undefined ? isSufficient(checked) : checked.every(({ present }) => present === true)
  const rung = feature === undefined ? ownRung() : undefined
  if (json) print(JSON.stringify({ sufficient, ...(rung ? { rung } : {}), features: checked }))
  else print(checkText(checked, rung ? sufficient : undefined, rung))
  return sufficient ? 0 : 1
}

const WORDS = { true: "yes", false: "no", unknown: "unknown" } as const

/** A row a feature, what is lost without the missing ones, where the user stands, and the sum when all were looked at. */
export function checkText(checked: readonly CheckedFeature[], sufficient: boolean | undefined, rung?: Rung): string {
  const rows = checked.map(({ name, need, present, detail }) => [name, WORDS[`${present}`], need, detail])
  const missing = checked.filter(({ present }) => present !== true)
  const lines = tableLines(["feature", "here", "need", "found"], rows, "")
  if (missing.length > 0) lines.push("", ...missing.map(({ name, lost }) => `Without ${name} is lost: ${lost}`))
  if (rung) {
    const number = RUNGS.length - RUNGS.indexOf(rung.name)
    lines.push("", `You stand on rung ${number} of ${RUNGS.length}: ${rung.title}`, ...rung.lost.map((what) => `Lost here: ${what}`))
  }
  if (sufficient !== undefined)
    lines.push("", sufficient ? "This machine has everything that stasis requires" : "This machine lacks something that stasis requires")
  return lines.join("\n")
}
