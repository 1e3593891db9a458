import { EPOLL_CTL_ADD, epollEvent } from "../../../../ffi/abi/epoll.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { eventpoll_file_entry } from "../../../../proto/gen/eventpoll_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../kind.ts"

/**
 * An entry -> an open epoll appended to the program; what it watches is added, in the image's order, when all descriptors have their numbers.
 * Mirror: ./collect.ts
 */
export function restoreEpoll(
  { id, tfd }: eventpoll_file_entry,
  { program, users, later }: Pick<Restoring, "program" | "users" | "later">,
): Result {
  const self = users.get(id)?.[0]?.fd
  if (self === undefined) throw new Error(`Unreachable: epoll ${id} is restored without a descriptor`)
  const fd = program.callWith({ about: `epoll ${id}` }, "epoll_create1", 0)
  later(() => {
    for (const { tfd: target, events, data } of tfd) {
      const event = program.bytes(encode(epollEvent, { events, data }))
      program.callWith({ about: `fd ${target} in epoll fd ${self}` }, "epoll_ctl", self, EPOLL_CTL_ADD, target, event)
    }
  })
  return fd
}

/** Checks that all watched descriptors are there. @throws CheckpointError E_IMAGE_CORRUPT */
export function checkEpoll({ id, tfd }: eventpoll_file_entry, numbers: ReadonlySet<number>): void {
  for (const { tfd: target } of tfd)
    if (!numbers.has(target))
      throw new CheckpointError(
        "E_IMAGE_CORRUPT",
        `Cannot restore epoll ${id} of files.img`,
        `it watches fd ${target}, which is not in the image`,
        "Dump the program again: this image was damaged or changed",
      )
}
