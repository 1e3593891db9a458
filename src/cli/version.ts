/** Set by build/compile.ts: the version of package.json and the git revision. */
declare const STASIS_BUILD: string | undefined

/** "0.1.0 (1a2b3c4)", with "+" after the revision of a changed tree; "source" when not compiled. */
export const version: string = typeof STASIS_BUILD === "string" ? STASIS_BUILD : "source"
