import { type Cpu, readCpu } from "../../../ffi/cpu.x86_64.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { ImageSet } from "../../image/set.ts"
import { type CpuDifference, compareCpu } from "../../kinds/cpu/compare.x86_64.ts"
import type { CpuCap, CpuOptions } from "../options.ts"

/** What comparing the CPU of a dump with another one has shown. */
interface CpuFindings {
  /** CheckpointErrors E_IMAGE_UNSUPPORTED: what was asked for with --cpu-cap, or with --strict. */
  readonly complaints: readonly CheckpointError[]
  readonly warnings: readonly string[]
}

const NOTHING: CpuFindings = { complaints: [], warnings: [] }

/** What stands against a restore by each capability that can be asked for; undefined = nothing does. */
const FINDINGS: Readonly<Record<CpuCap, (difference: CpuDifference) => string | undefined>> = {
  fpu: ({ state }) => state.join(", ") || undefined,
  ins: ({ instructions }) => (instructions.length > 0 ? `this CPU lacks ${instructions.join(", ")}` : undefined),
  cpu: ({ lacks, besides }) =>
    [
      ...(lacks.length > 0 ? [`this CPU lacks ${lacks.join(", ")}`] : []),
      ...(besides.length > 0 ? [`it has ${besides.join(", ")} besides`] : []),
    ].join(", ") || undefined,
}

/**
 * Compares this CPU with that of a dump, as cpuinfo.img has it. Without --cpu-cap a CPU that lacks instructions is told, and refused
 * with --strict only: a program need not use what it could.
 *
 * @throws CheckpointError E_IMAGE_MISSING --cpu-cap is given and the set has no cpuinfo.img · E_IMAGE_CORRUPT
 */
export function lookAtCpu(
  set: Pick<ImageSet, "one" | "has">,
  pid: number,
  { cpuCap, strict }: CpuOptions & { readonly strict: boolean },
  here: () => Cpu = readCpu,
): CpuFindings {
  if (cpuCap?.length === 0 || (cpuCap === undefined && !set.has("cpuinfo"))) return NOTHING
  const difference = compareCpu(set.one("cpuinfo"), here())
  const action = `Cannot restore process ${pid}`
  if (!difference) {
    if (cpuCap === undefined) return NOTHING
    const found = "cpuinfo.img has no CPU that this version can compare"
    return { complaints: [new CheckpointError("E_IMAGE_UNSUPPORTED", action, found, "Leave --cpu-cap out")], warnings: [] }
  }
  const { dumped, instructions, components } = difference
  if (cpuCap !== undefined) {
    const next = "Restore on a CPU like that of the dump, or ask for less with --cpu-cap"
    const complaints = cpuCap.flatMap((cap) => {
      const found = FINDINGS[cap](difference)
      return found === undefined ? [] : [new CheckpointError("E_IMAGE_UNSUPPORTED", action, `${found}; it was dumped on ${dumped}`, next)]
    })
    return { complaints, warnings: [] }
  }
  const missing = [...instructions, ...components]
  if (missing.length === 0) return NOTHING
  const found = `this CPU lacks what that of the dump has (${dumped}): ${missing.join(", ")}`
  if (!strict) return { complaints: [], warnings: [`${found}; a program that has chosen its code for them ends by SIGILL`] }
  const next = "Restore on a CPU that has them, or leave --strict out"
  return { complaints: [new CheckpointError("E_IMAGE_UNSUPPORTED", action, found, next)], warnings: [] }
}
