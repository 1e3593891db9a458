import { afterEach, describe, expect, test } from "bun:test"
import { openSync, readSync, writeSync } from "node:fs"
import { O } from "../../../ffi/abi/file.ts"
import { TTY_CC, TTY_FLAG } from "../../../ffi/abi/tty.ts"
import { attempt, syscall } from "../../../ffi/syscall.ts"
import type { TtyEnds } from "../../../src/kinds/files/collecting.ts"
import { eventsOf, POLL, readable } from "../../../src/kinds/files/poll.ts"
import { askBytes, askNumber, openPeer, tell, tellNumber } from "../../../src/kinds/files/tty/ask.ts"
import { infoId } from "../../../src/kinds/files/tty/driver.ts"
import { controlCharacters, termiosBytes, termiosEntry } from "../../../src/kinds/files/tty/mode.ts"
import { collectQueued } from "../../../src/kinds/files/tty/queued.ts"
import { canOpen, why } from "./terminals.ts"

const opened: number[] = []
afterEach(() => {
  for (const fd of opened.splice(0)) attempt("close", fd)
})

type Mode = ReturnType<typeof termiosEntry>
const keep = (fd: number): number => {
  opened.push(fd)
  return fd
}

/** A pair of our own, and what `collectQueued` makes of it. */
function openPair(change: (mode: Mode) => Partial<Mode>, characters: Readonly<Record<number, number>> = {}) {
  const master = keep(openSync("/dev/ptmx", O.RDWR | O.NOCTTY | O.NONBLOCK))
  tellNumber(master, "TIOCSPTLCK", 0)
  const slave = keep(openPeer(master, O.RDWR | O.NONBLOCK))
  const now = () => termiosEntry(askBytes(master, "TCGETS")!.slice())
  const mode = now()
  const cc = controlCharacters(mode)
  for (const [at, value] of Object.entries(characters)) cc[Number(at)] = value
  tell(master, "TCSETS", termiosBytes({ ...mode, ...change(mode) }, cc))
  const index = askNumber(master, "TIOCGPTN")!
  const copies = { lend: <T>(fd: number, use: (copy: number) => T): T => use(fd), [Symbol.dispose]() {} }
  const collect = (more: Partial<TtyEnds> = {}) => {
    const losses: string[] = []
    const file = { fd: master, flags: O.RDWR } as NonNullable<TtyEnds["master"]>["file"]
    const data = collectQueued(new Map([[index, { master: { file, copies }, hasSlave: true, signals: false, ...more }]]), losses)
    const of = (isMaster: boolean) => data.find(({ tty_id }) => tty_id === infoId(index, isMaster))?.data ?? []
    return { input: Buffer.from(of(false)).toString("latin1"), output: Buffer.from(of(true)).toString("latin1"), losses }
  }
  return { master, slave, mode: now, collect }
}
const raw = (): Partial<Mode> => ({ c_iflag: 0, c_oflag: 0, c_lflag: 0 })
const same = (): Partial<Mode> => ({})

/**
 * Writes all of a text. A pair keeps 8 KiB that its line discipline has not seen yet: on a busy machine a write is cut short there until
 * the kernel has passed on what it took. Kernel: drivers/tty/pty.c pty_common_install()
 */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text, "latin1")
  const deadline = Date.now() + 10_000
  for (let done = 0; done < bytes.length; ) {
    expect(Date.now()).toBeLessThan(deadline)
    if (eventsOf(fd) & POLL.OUT) done += writeSync(fd, bytes, done)
    else Bun.sleepSync(1)
  }
}
/** What each read gives, until there is nothing more. */
function reads(fd: number, room = 70000): string[] {
  const all: string[] = []
  const buffer = Buffer.alloc(room)
  while (eventsOf(fd) & POLL.IN) all.push(buffer.toString("latin1", 0, readSync(fd, buffer)))
  return all
}
const settle = () => Bun.sleep(150)

describe.if(canOpen)(`collectQueued${why}`, () => {
  test("copies lines, an end of file and an unfinished line, echoes nothing, and leaves all as it was", async () => {
    const { master, slave, mode, collect } = openPair(same, { [TTY_CC.VEOL]: 0x21 })
    const before = mode()
    write(master, "one\ntwo!\x04three\x04part")
    await settle()
    write(slave, "shown\n")
    await settle()
    const echoed = "one\r\ntwo!threepartshown\r\n"
    for (let round = 0; round < 3; round++) expect(collect()).toEqual({ input: "one\ntwo!\x04three\x04part", output: echoed, losses: [] })
    expect(mode()).toEqual(before)
    expect(reads(master).join("")).toBe(echoed)
    expect(reads(slave)).toEqual(["one\n", "two!", "", "three"])
    // It is still being typed: it can be erased and goes on.
    write(master, "\x7f\x7fck\n")
    await settle()
    expect(reads(slave)).toEqual(["pack\n"])
  })

  test("tells of a control character that was typed as itself, and gives it back in one line", async () => {
    const { master, slave, collect } = openPair(same)
    write(master, "a\x16\x04b\nc")
    await settle()
    expect(collect().losses).toEqual([expect.stringContaining("typed as itself (^V)")])
    expect(reads(slave)).toEqual(["a\x04b\n"])
  })

  test("copies plain bytes that would mean something, in a mode that acts on them", async () => {
    const { master, slave, mode, collect } = openPair(raw)
    write(master, "\x03\x04\r\0\xff")
    while (readable(slave) < 5) await Bun.sleep(1)
    tell(master, "TCSETS", termiosBytes({ ...mode(), c_iflag: 0o400 | TTY_FLAG.IXON, c_oflag: 5, c_lflag: 0o11 }))
    write(slave, "out\n")
    await settle()
    const before = mode()
    expect(collect()).toEqual({ input: "\x03\x04\r\0\xff", output: "out\r\n", losses: [] })
    expect([mode(), reads(slave).join(""), reads(master).join("")]).toEqual([before, "\x03\x04\r\0\xff", "out\r\n"])
  })

  test("copies more than the line discipline takes, both ways, and in packets", async () => {
    const { master, slave, collect } = openPair(raw)
    const [typed, shown] = ["abcdefgh\r\n".repeat(700), "ABCDEFG\r\n".repeat(700)]
    write(master, typed)
    write(slave, shown)
    tellNumber(master, "TIOCPKT", 1)
    await settle()
    const { input, output, losses } = collect()
    expect([Bun.hash(input), Bun.hash(output), losses]).toEqual([Bun.hash(typed), Bun.hash(shown), []])
    await settle()
    expect(Bun.hash(reads(slave).join(""))).toBe(Bun.hash(typed))
    const packets = reads(master)
    expect(packets.every((packet) => packet[0] === "\0")).toBe(true)
    expect(Bun.hash(packets.map((packet) => packet.slice(1)).join(""))).toBe(Bun.hash(shown))
  })

  test("lets go on nothing that ^S has stopped", async () => {
    const { master, slave, collect } = openPair(same)
    write(master, "x")
    await settle()
    write(master, "\x13")
    await settle()
    expect(collect()).toEqual({ input: "x", output: "x", losses: [] })
    expect(attempt("write", slave, 0, 0)).toBe(0)
    expect(eventsOf(slave) & POLL.OUT).toBe(0)
    write(master, "\x11")
    await settle()
    expect(eventsOf(slave) & POLL.OUT).toBe(POLL.OUT)
  })

  test("touches nothing that could not be put back unnoticed, and says why", async () => {
    const packet = openPair(() => ({ ...raw(), c_iflag: TTY_FLAG.IXON }))
    tellNumber(packet.master, "TIOCPKT", 1)
    write(packet.slave, "later")
    await settle()
    // Makes a packet: no flow control any more.
    tell(packet.master, "TCSETS", termiosBytes({ ...packet.mode(), c_iflag: 0 }))
    expect(packet.collect().losses).toEqual([expect.stringMatching(/5 bytes in .* its master has not read yet: a packet/)])
    expect(reads(packet.master)).toEqual(["\x10", "\0later"])

    const locked = openPair(same)
    write(locked.master, "abc\n")
    await settle()
    tellNumber(locked.master, "TIOCSPTLCK", 1)
    expect(locked.collect().losses.join()).toMatch(/it is locked/)
    tellNumber(locked.master, "TIOCSPTLCK", 0)
    expect(locked.collect({ signals: true }).losses.join()).toMatch(/O_ASYNC/)
    tell(locked.master, "TIOCSLCKTRMIOS", termiosBytes({ ...locked.mode(), c_iflag: 1, c_oflag: 0, c_lflag: 0, c_cflag: 0 }))
    expect(locked.collect().losses.join()).toMatch(/its mode is locked/)
    expect(reads(locked.slave)).toEqual(["abc\n"])

    for (const [change, why] of [
      [({ c_lflag }: Mode) => ({ c_lflag: c_lflag | TTY_FLAG.EXTPROC }), /EXTPROC/],
      [({ c_iflag }: Mode) => ({ c_iflag: c_iflag | TTY_FLAG.PARMRK }), /PARMRK/],
    ] as const) {
      const strange = openPair(change)
      write(strange.master, "abc\n")
      await settle()
      expect(strange.collect().losses.join()).toMatch(why)
      expect(reads(strange.slave)).toEqual(["abc\n"])
    }

    const full = openPair(raw)
    write(full.slave, "z".repeat(6000))
    await settle()
    expect(syscall("ioctl", full.slave, 0x540a /* TCXONC */, 0 /* TCOOFF */)).toBe(0)
    expect(full.collect().losses.join()).toMatch(/4095 bytes .*\^S/)
    expect(reads(full.master).join("").length).toBe(6000)
  })
})
