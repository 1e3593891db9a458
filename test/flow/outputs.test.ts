import { expect, test } from "bun:test"
import { checkOutputs } from "../../src/flow/outputs.ts"
import { failureOf } from "../harness/failure.ts"

test("checkOutputs: a work directory that is not there is named by its own option", () => {
  const outputs = { imagesDir: "/tmp", workDir: "/tmp/stasis is not here", pidfile: undefined }
  expect(failureOf(() => checkOutputs(outputs))).toMatchObject({ code: "E_DIRECTORY", next: "Create it, or name another with -W" })
})
