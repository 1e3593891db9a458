import { lacking, lackOfCall, lackOfPath, lackOfRight } from "../../../ffi/without.ts"
import { errnoOf } from "../../base/errno.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { CheckOptions } from "../options.ts"
import { CRIU_FEATURES } from "./criu.ts"
import type { CheckedFeature, Feature } from "./feature.ts"
import { hostFeatures } from "./host.ts"
import { memoryFeatures } from "./memory.ts"
import { taskFeatures } from "./task.ts"

/** Every feature that stasis uses, in the order they are printed. */
const FEATURES: readonly Feature[] = [...taskFeatures, ...memoryFeatures, ...hostFeatures]

/** A name that `--feature` takes, and what stands behind it. */
interface FeatureName {
  readonly name: string
  readonly about: string
}

/** Names for `--feature list`: ours, then CRIU's that mean one of ours, then CRIU's that stasis does not use. */
export const featureNames = (): FeatureName[] => [
  ...FEATURES.map(({ name, need, lost }) => ({ name, about: `${need}; without it: ${lost}` })),
  ...Object.entries(CRIU_FEATURES).map(([name, known]) => ({
    name,
    about: "same" in known ? `CRIU's name for ${known.same}` : `not used: ${known.unused}`,
  })),
]

/**
 * Looks at the features that were asked for, one after the other, and at no others.
 *
 * @throws CheckpointError E_USAGE a name that nobody knows; `suggest` gives names like it
 */
export function checkFeatures(
  { all, feature }: Pick<CheckOptions, "all" | "feature">,
  suggest: (name: string, names: readonly string[]) => string[],
): CheckedFeature[] {
  if (feature !== undefined) return [checkNamed(feature, suggest)]
  return FEATURES.filter(({ need }) => all || need !== "special").map(look)
}

/** Looks at one feature, which FEATURES or CRIU's names must have. */
export const lookAtFeature = (name: string): CheckedFeature => checkNamed(name, () => [])

/** True when nothing required is surely missing. */
export const isSufficient = (checked: readonly CheckedFeature[]): boolean =>
  !checked.some(({ need, present }) => need === "required" && present !== true)

function checkNamed(name: string, suggest: (name: string, names: readonly string[]) => string[]): CheckedFeature {
  const known = CRIU_FEATURES[name]
  if (known && "unused" in known)
    return { name, need: "special", lost: "nothing: stasis does not use it", present: "unknown", detail: `not looked at: ${known.unused}` }
  const found = FEATURES.find((feature) => feature.name === (known?.same ?? name))
  if (found) return { ...look(found), name }
  const near = suggest(name, [...FEATURES.map((feature) => feature.name), ...Object.keys(CRIU_FEATURES)])
  throw new CheckpointError(
    "E_USAGE",
    `Cannot check feature "${name}"`,
    "there is no feature of this name",
    near.length > 0
      ? `Did you mean ${near.map((word) => `"${word}"`).join(" or ")}? All names: stasis check --feature list`
      : "All names: stasis check --feature list",
  )
}

/** A failure that the kernel gave as its answer, be it through us or through node:fs. */
const isAnswer = (error: unknown): boolean => errnoOf(error) !== undefined

function look({ probe, ...feature }: Feature): CheckedFeature {
  if (feature.name === lacking && !lackOfCall && !lackOfPath && !lackOfRight)
    return { ...feature, present: false, detail: "switched off for a test (STASIS_WITHOUT)" }
  try {
    return { ...feature, ...probe() }
  } catch (error) {
    return { ...feature, present: isAnswer(error) ? false : "unknown", detail: error instanceof Error ? error.message : String(error) }
  }
}
