import { afterEach } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { testProgram } from "./program-rounds.ts"
import { programs } from "./programs.ts"

afterEach(cleanUp)
for (const program of programs) testProgram(program)
