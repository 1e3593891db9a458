/** Loaded by bunfig.toml before any test: what a run started and made goes at its end, which calls no exit listener. */
import { afterAll } from "bun:test"
import { cleanUp } from "./process.ts"

afterAll(cleanUp)
