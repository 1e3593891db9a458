import { EPOLL_CTL_ADD, epollEvent } from "../../../../ffi/abi/epoll.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { eventpoll_file_entry } from "../../../../proto/gen/eventpoll_pb.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"

/** An entry -> an open epoll appended to the program; `watchTargets` adds what it watches. Mirror: ./collect.ts */
export const restoreEpoll = ({ id }: eventpoll_file_entry, { program }: Pick<Restoring, "program">): Result =>
  program.callWith({ about: `epoll ${id}` }, "epoll_create1", 0)

/** Appends what an epoll watches, in the image's order: the kernel finds each by a number of the process that runs the program. */
export function watchTargets({ tfd }: eventpoll_file_entry, { program }: Pick<Restoring, "program">, self: number): void {
  for (const { tfd: target, events, data } of tfd) {
    const event = program.bytes(encode(epollEvent, { events, data }))
    program.callWith({ about: `fd ${target} in epoll fd ${self}` }, "epoll_ctl", self, EPOLL_CTL_ADD, target, event)
  }
}

/** The first watched number that is not open in a process; undefined when it can add them all. */
export const missingTarget = ({ tfd }: eventpoll_file_entry, isOpen: (fd: number) => boolean): number | undefined =>
  tfd.find(({ tfd: target }) => !isOpen(target))?.tfd
