import { AUXV, readAuxv } from "../proc/auxv.ts"
import type { KernelRseq } from "../rseq/register.ts"

/** What the running kernel says of rseq lengths. Man page: getauxval(3) */
export function kernelRseq(): KernelRseq {
  const auxv = readAuxv(process.pid)
  const number = (type: bigint): number | undefined => {
    const value = auxv.value(type)
    return value === null ? undefined : Number(value)
  }
  return { featureSize: number(AUXV.RSEQ_FEATURE_SIZE), align: number(AUXV.RSEQ_ALIGN) }
}
