/** What a probe found. "unknown": the probe itself could not be made; `detail` says why. */
export interface Found {
  readonly present: boolean | "unknown"
  /** What was asked and answered, for people. */
  readonly detail: string
}

/** How much depends on a feature: every dump and restore, a better one, or special cases only. */
type Need = "required" | "better" | "special"

/** One thing that a kernel, a host or a user may have or lack. */
export interface Feature {
  readonly name: string
  readonly need: Need
  /** What stasis cannot do without it. */
  readonly lost: string
  /** Looks, in this process or in a child that ends before it returns; changes nothing that lasts. May throw. */
  readonly probe: () => Found
}

/** A feature that was looked at. */
export interface CheckedFeature extends Omit<Feature, "probe">, Found {}
