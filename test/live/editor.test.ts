import { afterEach } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { testProgram } from "./program-rounds.ts"
import { editors } from "./programs.ts"

afterEach(cleanUp)
for (const editor of editors) testProgram(editor)
