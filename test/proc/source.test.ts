import { expect, test } from "bun:test"
import { FileError } from "../../ffi/fs.ts"
import { answerIfAlive, PF_EXITING, PF_KTHREAD, whyMissing } from "../../src/proc/source.ts"
import { failureOf } from "../harness/failure.ts"

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

test("a task that is ending has no mounts; another file that answers EINVAL is a failure", () => {
  const invalid = (path: string) => () => {
    throw new FileError("EINVAL", "openat", path)
  }
  expect(answerIfAlive(`${GONE}/mountinfo`, invalid(`${GONE}/mountinfo`))).toBeNull()
  expect(failureOf(() => answerIfAlive(`${GONE}/stat`, invalid(`${GONE}/stat`)))).toMatchObject({ code: "E_IO" })
})

test.each([
  [undefined, "E_NO_PROCESS", "process 7 does not exist"],
  ["7 (a) b) Z 1 7 7 0 -1 0", "E_NO_PROCESS", "process 7 has exited, its parent has not waited for it yet"],
  [`7 (a) b) R 1 7 7 0 -1 ${PF_EXITING | 64}`, "E_NO_PROCESS", "process 7 is ending at this moment"],
  [`7 (a) S 1 7 7 0 -1 ${PF_KTHREAD}`, "E_KERNEL_THREAD", "process 7 is a kernel thread"],
  ["7 (a) S 1 7 7 0 -1 64", "E_KERNEL", "the kernel has no such file"],
])("what is not there, and why: %s", (stat, code, found) =>
  expect(whyMissing("Cannot read /proc/7/x", "process 7", stat)).toMatchObject({ code, found, action: "Cannot read /proc/7/x" }),
)
