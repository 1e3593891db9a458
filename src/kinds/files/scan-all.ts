import { CheckpointError } from "../../base/errors.ts"
import { roomForDescriptors } from "../../tracee/own-limit.ts"
import type { Found, Insider } from "./collecting.ts"
import { borrowDescriptors, type Copies } from "./copies.ts"
import { beginScan } from "./scan.ts"
import { runLooks } from "./sight.ts"

/** What a process has open, and the way to it. */
export interface Scan {
  readonly copies: Copies
  readonly found: readonly Found[]
}

/** Processes whose folders are open at once. */
const AT_ONCE = 64

/**
 * Looks at the descriptors of every process.
 *
 * @param scope keeps the ways to them open   @param mayGo a process that is gone by now is left out, else it is an error
 * @param most as of `beginScan`   @returns by PID
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · SyscallError
 */
export function scanAll(insiders: readonly Insider[], scope: DisposableStack, mayGo: boolean, most?: number): ReadonlyMap<number, Scan> {
  const scans = new Map<number, Scan>()
  scope.use(roomForDescriptors(insiders.length))
  const unlessGone = <T>(step: () => T): T | undefined => {
    try {
      return step()
    } catch (error) {
      if (!(mayGo && error instanceof CheckpointError && error.code === "E_NO_PROCESS")) throw error
    }
  }
  for (let first = 0; first < insiders.length; first += AT_ONCE) {
    using open = new DisposableStack()
    const begun = insiders.slice(first, first + AT_ONCE).flatMap(({ pid }) => {
      const copies = unlessGone(() => scope.use(borrowDescriptors(pid)))
      const scanning = copies && unlessGone(() => open.use(beginScan(pid, copies, most)))
      return scanning ? [{ pid, copies, scanning }] : []
    })
    runLooks(begun.map(({ scanning }) => scanning))
    for (const { pid, copies, scanning } of begun) {
      const found = unlessGone(() => scanning.found())
      if (found) scans.set(pid, { copies, found })
    }
  }
  return scans
}
