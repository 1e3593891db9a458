import { expect, test } from "bun:test"
import { syscall } from "../../../ffi/syscall.ts"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import { collectSignalfd } from "../../../src/kinds/files/signalfd/collect.ts"
import { close, fown, given, imagesOf, openFile, plansOf } from "./plans.ts"

/** Signals 1, 10 and 64. */
const MASK = 0x8000_0000_0000_0201n
const bytes = new Uint8Array(BigUint64Array.of(MASK).buffer)

test("collectSignalfd reads the mask as it was asked for", () => {
  const fd = syscall("signalfd4", -1, given(bytes), 8, 0)
  expect(collectSignalfd(openFile(fd))).toEqual({ id: 7, flags: 2, fown, sigmask: MASK })
  close(fd)
})

test("restoreSignalfd gives the mask back", () => {
  const images = imagesOf({ 5: { type: fd_types.SIGNALFD, id: 7, sgfd: { id: 7, flags: 0o4002, fown, sigmask: MASK } } })
  expect(plansOf(images).open).toEqual([
    `#1 signalfd4(-1, ${JSON.stringify(Buffer.from(bytes).toString("latin1"))}, 8, 0) // signalfd 7`,
    "#2 dup3(#1, 5, 0) // fd 5",
    "#3 close(#1)",
    "#4 fcntl(5, 4, 0x800) // the flags of fd 5",
  ])
})
