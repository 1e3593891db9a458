import { machineFailure, machineKnown } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"
import type { Canonical } from "./spelling.ts"
import { text } from "./values.ts"

/**
 * Refuses what a build without machine code for its processor cannot do (ffi/stub): all but to show what images say.
 *
 * @param known whether there is such code   @throws CheckpointError E_UNSUPPORTED · E_KERNEL such code may not be made
 */
export function requireMachine(line: Canonical, known = machineKnown): void {
  const { command } = line
  if (known || command === "show" || (command === "rseq" && text(line, "images-dir") !== undefined)) return
  if (machineFailure !== undefined)
    throw new CheckpointError(
      "E_KERNEL",
      `Cannot run stasis ${command}`,
      `this process may make no machine code, which its system calls go through (${machineFailure})`,
      "Start it without PR_SET_MDWE (MemoryDenyWriteExecute= of systemd), with a larger ulimit -d and -v, and with execmem in a security policy",
    )
  throw new CheckpointError(
    "E_UNSUPPORTED",
    `Cannot run stasis ${command} on ${process.arch}`,
    "this version has no machine code for that processor yet",
    "Use x86-64; stasis show and stasis rseq -D DIR work here",
  )
}
