import { expect, test } from "bun:test"
import { FileError } from "../../ffi/fs.ts"
import { answerIfAlive } from "../../src/proc/source.ts"
import { failureOf } from "../image/sample.ts"

const denied = (path: string) => () => {
  throw new FileError("EACCES", "readlinkat", path)
}
const GONE = "/proc/1073741823"

test.each([`${GONE}/ns/mnt`, `${GONE}/task/1073741823/ns/mnt`, `/proc/${process.pid}/task/1073741823/exe`])(
  "a link that is denied because its task has just ended is no answer: %s",
  (path) => expect(answerIfAlive(path, denied(path))).toBeNull(),
)

test.each([`/proc/${process.pid}/ns/mnt`, `/proc/${process.pid}/task/${process.pid}/exe`, "/proc/thread-self/exe"])(
  "a link of a living task that is denied is a failure: %s",
  (path) => expect(failureOf(() => answerIfAlive(path, denied(path)))).toMatchObject({ code: "E_PERMISSION" }),
)
