import { expect, test } from "bun:test"
import { allocate, attempt, isFailure, syscall } from "../../../ffi/syscall.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { skip } from "../../harness/skip.ts"

const PARAMS = 120
const FLAGS_AT = 8
const REGISTER_EVENTFD = 4
/**
 * IORING_SETUP_SUBMIT_ALL, COOP_TASKRUN and TASKRUN_FLAG, IOPOLL, CQE32, SINGLE_ISSUER, R_DISABLED. Header: include/uapi/linux/io_uring.h
 */
const FLAGS = [0, 1 << 7, 3 << 8, 1, 1 << 11, 1 << 12, 1 << 6] as const
const memory = allocate(PARAMS)

const fdInfoLines = (fd: number): string => readFdInfo(process.pid, fd).lines.join("\n")

/** A ring of four entries, or a negative errno. */
function ring(flags: number): number {
  memory.bytes.fill(0)
  memory.view.setUint32(FLAGS_AT, flags, true)
  return attempt("io_uring_setup", 4, memory.address)
}

// On the day on which this fails an idle ring may become something that can be kept.
test("the kernel does not show what an io_uring was set up with, nor an eventfd that is registered with it", () => {
  const rings = FLAGS.map(ring).filter((fd) => !isFailure(fd))
  const [first] = rings
  if (first === undefined) return skip("io_uring is switched off")
  const shown = new Set(rings.map(fdInfoLines))
  const eventfd = syscall("eventfd2", 0, 0)
  memory.view.setUint32(0, eventfd, true)
  expect(attempt("io_uring_register", first, REGISTER_EVENTFD, memory.address, 1)).toBe(0)
  shown.add(fdInfoLines(first))
  for (const fd of [...rings, eventfd]) attempt("close", fd)
  expect(shown.size).toBe(1)
})
