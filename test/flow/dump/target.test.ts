import { expect, test } from "bun:test"
import { checkProcess } from "../../../src/flow/dump/target.ts"
import { readStatIfAlive } from "../../../src/proc/stat.ts"
import { waitFor } from "../../harness/deadline.ts"
import { failureOf } from "../../harness/failure.ts"

test("checkProcess: one that has ended is no process of a program, whatever asks", async () => {
  const parent = Bun.spawn(["sh", "-c", "sleep 0.2 & echo $!; exec sleep 60"], { stdout: "pipe" })
  try {
    const { value } = await parent.stdout.getReader().read()
    const pid = Number(new TextDecoder().decode(value))
    await waitFor("a zombie", () => readStatIfAlive(pid)?.state === "Z" && readStatIfAlive(parent.pid)?.comm === "sleep")
    expect(failureOf(() => checkProcess(pid, "Cannot inspect it"))).toMatchObject({
      code: "E_NO_PROCESS",
      found: `it has ended, and its parent ${parent.pid} has not waited for it (a zombie)`,
    })
  } finally {
    parent.kill("SIGKILL")
  }
})
