import { rseqArea } from "../../ffi/abi/rseq.ts"
import { type RemoteAddress, remoteAddress } from "../base/units.ts"

/** Address of a member of a thread's struct rseq. @param abiPointer address of the struct, as it was registered */
export const memberAddress = (abiPointer: RemoteAddress, member: keyof typeof rseqArea.fields): RemoteAddress =>
  remoteAddress(abiPointer + BigInt(rseqArea.fields[member][0]))
