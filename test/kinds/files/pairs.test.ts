import { afterEach, describe, expect, test } from "bun:test"
import { openSync, readSync } from "node:fs"
import { O } from "../../../ffi/abi/file.ts"
import { attempt, pathArgument, syscall } from "../../../ffi/syscall.ts"
import { complaintsOf } from "../../../src/base/errors.ts"
import { eventsOf, POLL, readable } from "../../../src/kinds/files/poll.ts"
import { askBytes, askNumber, openPeer, tellNumber } from "../../../src/kinds/files/tty/ask.ts"
import { mayInject } from "../../../src/kinds/files/tty/drain.ts"
import { infoId } from "../../../src/kinds/files/tty/driver.ts"
import { termiosEntry } from "../../../src/kinds/files/tty/mode.ts"
import { makePairs, pairChecks } from "../../../src/kinds/files/tty/reserve.ts"
import { canOpen, cooked, FIRST, hungUp, imagesOf, info, pair, path, SECOND, tty, why } from "./terminals.ts"

const opened: number[] = []
afterEach(() => {
  for (const fd of opened.splice(0)) attempt("close", fd)
})
function openMaster(): number {
  const fd = openSync("/dev/ptmx", O.RDWR | O.NOCTTY | O.NONBLOCK)
  opened.push(fd)
  return fd
}

describe.if(canOpen)(`makePairs${why}`, () => {
  const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"))
  const readAll = (fd: number): string => {
    const buffer = Buffer.alloc(70000)
    return buffer.toString("latin1", 0, readSync(fd, buffer))
  }

  test("gives each pair its number, mode, size and packet mode, whatever the order of numbers", () => {
    const images = pair({ packet_mode: true })
    const more = [tty(5, infoId(SECOND, true), 2), ...images.files.values()]
    using pairs = makePairs(imagesOf(more, [...images.ttyInfos, info(SECOND, true, { locked: true })]))
    const [first = -1, second = -1] = [FIRST, SECOND].map((index) => pairs.masters.get(index))
    expect([first, second].map((fd) => askNumber(fd, "TIOCGPTN"))).toEqual([FIRST, SECOND])
    expect(termiosEntry(askBytes(first, "TCGETS")!)).toEqual(cooked)
    expect([...askBytes(first, "TIOCGWINSZ")!.subarray(0, 8)]).toEqual([24, 0, 80, 0, 1, 0, 2, 0])
    expect([first, second].map((fd) => askNumber(fd, "TIOCGPKT"))).toEqual([1, 0])
    expect([first, second].map((fd) => askNumber(fd, "TIOCGPTLCK"))).toEqual([0, 1])
    expect(eventsOf(second)).toBe(POLL.OUT)
  })

  test("whether bytes can be put back is asked of a terminal that is there, which gets none", () => {
    const master = openMaster()
    tellNumber(master, "TIOCSPTLCK", 0)
    const slave = openPeer(master, O.RDWR | O.NONBLOCK)
    opened.push(slave)
    expect([mayInject(master), mayInject(slave)]).toEqual([true, true])
    expect([readable(master), readable(slave)]).toEqual([0, 0])
    expect(mayInject(-1)).toBe(false)
  })

  test("says who has a number", () => {
    const holder = openMaster()
    const index = askNumber(holder, "TIOCGPTN") ?? -1
    const taken = imagesOf([tty(1, infoId(index, true), 2), path(2, "/dev/ptmx")], [info(index, true)])
    expect(() => makePairs(taken)).toThrow(`Cannot make the terminal /dev/pts/${index}: it belongs to task ${process.pid}`)
    const says = (images: typeof taken) => complaintsOf(pairChecks(images)).map(({ message }) => message)
    expect(says(taken).join()).toContain(`Cannot make the terminal /dev/pts/${index}: it belongs to task ${process.pid}`)
    expect(says(imagesOf([tty(1, infoId(index, true), 2), path(2, "/dev/pts/ptmx")], [info(index, true)]))).toHaveLength(1)
    expect(says(pair({}))).toEqual([])
    // One that is only hung up again may have any number.
    expect(says(imagesOf([tty(3, infoId(index, false), 4), path(4, `/dev/pts/${index}`)], [hungUp(index)]))).toEqual([])
    using pairs = makePairs(imagesOf([tty(3, infoId(index, false), 4), path(4, `/dev/pts/${index}`)], [hungUp(index)]))
    expect(askNumber(pairs.masters.get(index)!, "TIOCGPTN")).toBeGreaterThan(index)
  })

  test("a slave that was closed leaves its mark", () => {
    const images = imagesOf([tty(1, infoId(FIRST, true), 2), path(2, "/dev/ptmx")], [info(FIRST, true)])
    using pairs = makePairs({ ...images, extension: [{ id: 1, tty_peer_closed: true }] })
    expect(eventsOf(pairs.masters.get(FIRST)!) & POLL.HUP).toBe(POLL.HUP)
  })

  test("puts typed lines back as lines, the end of file among them, and prints nothing twice", () => {
    const data = [
      { tty_id: infoId(FIRST, false), data: bytes("one\ntw\x03\x7fo\n\x04part") },
      { tty_id: infoId(FIRST, true), data: bytes("shown\r\n") },
    ]
    const images = pair()
    using pairs = makePairs({ ...images, ttyData: data })
    const master = pairs.masters.get(FIRST)!
    const slave = openPeer(master, O.RDWR | O.NONBLOCK)
    opened.push(slave)
    expect(readAll(master)).toBe("shown\r\n")
    expect([readAll(slave), readAll(slave), readAll(slave)]).toEqual(["one\n", "tw\x03\x7fo\n", ""])
    // The rest is a line that is still being typed.
    expect(readable(slave)).toBe(0)
    syscall("write", master, pathArgument("\n"), 1)
    expect(eventsOf(slave) & POLL.IN).toBe(POLL.IN)
    expect(readAll(slave)).toBe("part\n")
  })

  test("puts plain bytes back, more than the line discipline takes", () => {
    const raw = { ...cooked, c_iflag: 0, c_lflag: 0 }
    const long = bytes("abcdefgh\r\n".repeat(600))
    const images = pair({ termios: raw })
    using pairs = makePairs({
      ...images,
      ttyData: [
        { tty_id: infoId(FIRST, false), data: long },
        { tty_id: infoId(FIRST, true), data: long },
      ],
    })
    const master = pairs.masters.get(FIRST)!
    const slave = openPeer(master, O.RDWR | O.NONBLOCK)
    opened.push(slave)
    for (const fd of [master, slave]) {
      let found = ""
      while (found.length < long.length && eventsOf(fd) & POLL.IN) found += readAll(fd)
      expect(Bun.hash(bytes(found))).toBe(Bun.hash(long))
    }
  })
})
