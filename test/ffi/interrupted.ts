/** A process of its own for ./interrupt.test.ts: gets signals under and after `holdInterrupts`, prints what it saw as JSON. */
import { holdInterrupts, interruptedBy } from "../../ffi/interrupt.ts"
import { attempt } from "../../ffi/syscall.ts"

const [moment = "held", name = "SIGINT"] = process.argv.slice(2)
const waitFor = (): { readonly answer: number; readonly milliseconds: number } => {
  const started = performance.now()
  const answer = attempt("poll", 0, 0, 10_000)
  return { answer, milliseconds: performance.now() - started }
}

const before = interruptedBy()
if (moment === "held") {
  using _ = holdInterrupts()
  const quiet = waitFor()
  process.kill(process.pid, name)
  console.log(JSON.stringify({ before, quiet, noted: interruptedBy(), after: waitFor() }))
} else if (moment === "released") {
  {
    using _ = holdInterrupts()
  }
  console.log(JSON.stringify({ before, noted: interruptedBy() }))
  process.kill(process.pid, name)
  attempt("poll", 0, 0, 10_000)
} else {
  // A file that outgrows its limit: an error of the write while the scope lives.
  using _ = holdInterrupts()
  console.log(JSON.stringify({ answer: attempt("kill", process.pid, 25), noted: interruptedBy() }))
}
