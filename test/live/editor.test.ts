import { afterEach } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { testProgram } from "./program-rounds.ts"
import { editor } from "./programs.ts"

afterEach(cleanUp)
testProgram(editor)
