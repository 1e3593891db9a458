import { EPIOCSPARAMS, EPOLL_CTL_ADD, epollEvent } from "../../../../ffi/abi/epoll.ts"
import { F, FD_CLOEXEC, O } from "../../../../ffi/abi/file.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { eventpoll_file_entry, eventpoll_tfd_entry } from "../../../../proto/gen/eventpoll_pb.ts"
import type { Argument, Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"

/** An entry -> an open epoll appended to the program; `watchTargets` adds what it watches. Mirror: ./collect.ts */
export function restoreEpoll({ id }: eventpoll_file_entry, { program, extension }: Pick<Restoring, "program" | "extension">): Result {
  const epoll = program.callWith({ about: `epoll ${id}` }, "epoll_create1", 0)
  const busyPoll = extension.get(id)?.epoll?.busy_poll
  // An older kernel has none.
  if (busyPoll)
    program.callWith({ about: `busy polling of epoll ${id}`, expects: "ENOTTY" }, "ioctl", epoll, EPIOCSPARAMS, program.bytes(busyPoll))
  return epoll
}

type Watching = Pick<Restoring, "program" | "users" | "extension">

/** What an epoll watches, each with the number that it was added under; in the image's order. */
function addedUnder(
  { id, tfd }: Pick<eventpoll_file_entry, "id" | "tfd">,
  extension: Restoring["extension"],
): [watched: eventpoll_tfd_entry, number: number][] {
  const added = extension.get(id)?.epoll?.added ?? []
  return tfd.map((one, index) => [one, added[index - (tfd.length - added.length)] ?? one.tfd])
}

/** Appends what an epoll watches: the kernel finds each by a number of the process that runs the program. */
export function watchTargets(entry: eventpoll_file_entry, watching: Watching, self: number): void {
  for (const [watched, number] of addedUnder(entry, watching.extension))
    if (number === watched.tfd) add(self, watched, number, watching)
    else addElsewhere(self, watched, number, watching)
}

function add(epoll: Argument, { events, data }: eventpoll_tfd_entry, number: number, { program }: Watching): void {
  const event = program.bytes(encode(epollEvent, { events, data }))
  program.callWith({ about: `fd ${number} in an epoll` }, "epoll_ctl", epoll, EPOLL_CTL_ADD, number, event)
}

/**
 * Appends what puts a file at a number for a moment, and has it watched there. What stands at that number steps aside meanwhile.
 *
 * Precondition: no file is locked yet: closing any descriptor of one takes away the locks of the process.
 */
function addElsewhere(self: number, watched: eventpoll_tfd_entry, number: number, watching: Watching): void {
  const { program, users } = watching
  const about = `fd ${number}, which led to fd ${watched.tfd} once`
  const there = [...users.values()].flat().find(({ fd }) => fd === number)
  const aside = there && program.callWith({ about }, "fcntl", number, F.DUPFD, 0)
  program.callWith({ about }, "dup3", watched.tfd, number, 0)
  add(aside && number === self ? aside : self, watched, number, watching)
  if (!aside) {
    program.call("close", number)
    return
  }
  program.callWith({ about }, "dup3", aside, number, there.flags & FD_CLOEXEC ? O.CLOEXEC : 0)
  program.call("close", aside)
}

/** The first watched number that is not open in a process; undefined when it can add them all. */
export const missingTarget = ({ tfd }: eventpoll_file_entry, isOpen: (fd: number) => boolean): number | undefined =>
  tfd.find(({ tfd: target }) => !isOpen(target))?.tfd
