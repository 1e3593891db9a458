/** A process of its own for ./seed.test.ts: starts a seed with the PID given, says so, and waits to be killed. */
import { attempt } from "../../ffi/syscall.ts"
import { keeperOf } from "../../src/flow/restore/ids.ts"
import { spawnSeed } from "../../src/tracee/seed.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"

spawnSeed(Number(process.argv[2]), {}, deadlineIn(10), keeperOf)
console.log("started")
for (;;) attempt("poll", 0, 0, 1000)
