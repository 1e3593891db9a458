/** A process of its own for ./kill.test.ts: freezes a target, runs a program in every thread of it, and lets it go. */
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { Program } from "../../src/tracee/program.ts"
import { freeze, lend, perThread } from "./fixture.ts"

const pid = Number(process.argv[2])

/** Opens and closes, so that a program that does not run to its end would leave a descriptor behind. */
function calls(): Program {
  const program = new Program()
  const counter = program.call("eventfd2", 0, 0)
  for (let i = 0; i < 20; i++) program.call("getppid")
  program.call("close", counter)
  return program
}

using _ = holdInterrupts()
using frozen = freeze(pid)
const programs = perThread(frozen, calls)
using loan = lend(frozen, programs)
loan.run(programs)
