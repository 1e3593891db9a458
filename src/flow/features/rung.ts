import { CAP } from "../../../ffi/abi/caps.ts"
import { inFirstUserNamespace } from "../../proc/rights.ts"
import { readStatus } from "../../proc/status.ts"
import { lookForPidChoice, OWN_NAMESPACES } from "../rights.ts"
import { USES } from "./capabilities.ts"

/** What a user's rung, and what is lost on it, are told by. */
interface RungFacts {
  /** The tool is in the machine's own user namespace, see `inFirstUserNamespace`. */
  readonly first: boolean
  /** Effective capabilities. */
  readonly capabilities: bigint
  /** PIDs can be chosen: in a user namespace, that of this PID namespace. */
  readonly mayChoose: boolean
}

/** Where a user stands, best first. */
export const RUNGS = ["root", "checkpoint-restore", "own-namespaces", "ordinary"] as const
type RungName = (typeof RUNGS)[number]

/** A rung, and what is lost on it. */
export interface Rung {
  readonly name: RungName
  readonly title: string
  readonly lost: readonly string[]
}

const TITLES: Readonly<Record<RungName, string>> = {
  root: "root",
  "checkpoint-restore": "a user with CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN",
  "own-namespaces": "the root of own user and PID namespaces",
  ordinary: "an ordinary user",
}

const has = (set: bigint, cap: keyof typeof CAP): boolean => ((set >> BigInt(CAP[cap])) & 1n) === 1n

function nameOf({ first, capabilities, mayChoose }: RungFacts): RungName {
  if (!mayChoose) return "ordinary"
  if (!first) return "own-namespaces"
  // Who has been given CAP_SYS_ADMIN alone may choose PIDs, and is no root.
  return has(capabilities, "SYS_ADMIN") && has(capabilities, "SETUID") ? "root" : "checkpoint-restore"
}

/** Which rung somebody stands on, and what is lost there, each with the capability that it takes. */
export function rungOf(facts: RungFacts): Rung {
  const { first, capabilities, mayChoose } = facts
  const name = nameOf(facts)
  const missing = USES.filter(({ cap, where }) => !has(capabilities, cap) || (where === "machine" && !first))
  const lost = new Map<string, string[]>()
  for (const use of missing) lost.set(use.lost, [...(lost.get(use.lost) ?? []), `CAP_${use.cap}`])
  return {
    name,
    title: TITLES[name],
    lost: [
      ...(mayChoose ? [] : [`any restore, but in namespaces of one's own: ${OWN_NAMESPACES} stasis restore`]),
      ...[...lost].map(([what, caps]) => `${what} (${caps.join(", ")})`),
    ],
  }
}

/** Where this tool stands. No process is made that outlives the look. */
export const ownRung = (): Rung =>
  rungOf({
    first: inFirstUserNamespace(),
    capabilities: readStatus(process.pid).capEffective,
    mayChoose: lookForPidChoice().present === true,
  })
