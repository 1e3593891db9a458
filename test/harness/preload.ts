/**
 * Loaded by bunfig.toml before any test: what a run started and made goes at its end, which calls no exit listener; tests that skip
 * themselves are noted.
 */
import { afterAll, afterEach, beforeEach } from "bun:test"
import { cleanUp } from "./process.ts"
import { beginTest, endTest } from "./skip.ts"

beforeEach(beginTest)
afterEach(endTest)
afterAll(cleanUp)
