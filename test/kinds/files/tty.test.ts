import { describe, expect, test } from "bun:test"
import { TtyType, type tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { REFUSED } from "../../../src/kinds/files/socket/inet/modes.ts"
import { infoId, roleOf } from "../../../src/kinds/files/tty/driver.ts"
import { termiosBytes, termiosEntry } from "../../../src/kinds/files/tty/mode.ts"
import { wantedPairs } from "../../../src/kinds/files/tty/reserve.ts"
import { restoreControl, restoreForeground, restoreLocks, restoreTty } from "../../../src/kinds/files/tty/restore.ts"
import { Program } from "../../../src/tracee/program.ts"
import { cooked, FIRST, hungUp, imagesOf, info, pair, path, SECOND, tty, unlocked } from "./terminals.ts"

describe("roleOf", () => {
  const role = (asked: tty_info_entry, ...others: tty_info_entry[]) =>
    roleOf(asked, new Map([asked, ...others].map((each) => [each.id, each])))
  test("tells how each terminal comes back", () => {
    expect(role(info(3, true))).toBe("master")
    expect(role(info(3, false), info(3, true))).toBe("slave")
    expect(role(info(3, false), info(4, true))).toBe("inherited")
    expect(role(hungUp(3))).toBe("hung-up")
    expect(role({ ...info(3, false), type: TtyType.CTTY })).toBe("named")
    expect(role({ ...info(3, false), type: TtyType.EXT_TTY })).toBe("given")
    expect(role({ ...info(3, false), type: TtyType.UNKNOWN })).toBeUndefined()
  })
})

test("termiosEntry and termiosBytes are mirrors", () => {
  expect(termiosEntry(termiosBytes(cooked))).toEqual(cooked)
})

describe("the plan of a terminal", () => {
  function planOf(ids: readonly number[], images: ReturnType<typeof pair>, isControlled = true): string[] {
    const program = new Program()
    const restoring = {
      program,
      files: images.files,
      ttyInfos: new Map(images.ttyInfos.map((each) => [each.id, each])),
      terminal: 501,
      masters: new Map([[FIRST, 600]]),
      ghosts: new Map(),
      configuredTtys: new Set<number>(),
      isControlled,
    }
    for (const id of ids) restoreTty(images.files.get(id)!.tty!, restoring)
    return program.describe()
  }

  test("a pair: the master is inherited, and slaves are opened by it", () => {
    expect(planOf([3, 1, 3], pair({ locked: true, exclusive: true }))).toEqual([
      `#0 ioctl(0x258, 0x5441, 0x8900) // terminal /dev/pts/${FIRST}`,
      `#1 fchown(#0, 0xc, 0x22) // the owner of terminal /dev/pts/${FIRST}`,
      `#2 fchmod(#0, 0x184) // the permissions of terminal /dev/pts/${FIRST}`,
      `#3 ioctl(#0, 0x540c, 0) // terminal /dev/pts/${FIRST}`,
      "#4 dup(0x258)",
      `#5 ioctl(0x258, 0x5441, 0x8900) // terminal /dev/pts/${FIRST}`,
    ])
  })

  test("a hung-up slave is opened by a master that is closed later, and takes no settings", () => {
    const images = imagesOf([tty(3, infoId(FIRST, false), 4), path(4, `/dev/pts/${FIRST}`)], [hungUp(FIRST)])
    expect(planOf([3], images)).toEqual([`#0 ioctl(0x258, 0x5441, 0x102) // terminal /dev/pts/${FIRST}`])
  })

  test("restoreLocks locks a pair with open slaves, and only that", () => {
    const program = new Program()
    const infos = [info(FIRST, true, { locked: true }), info(FIRST, false), info(SECOND, true, { locked: true })]
    const masters = new Map([
      [FIRST, 600],
      [SECOND, 601],
    ])
    restoreLocks({ ttyInfos: infos, masters, terminal: undefined }, program)
    expect(program.describe()).toEqual([`#0 ioctl(0x258, 0x40045431, "\\u0001\\u0000\\u0000\\u0000") // the lock of /dev/pts/${FIRST}`])
  })

  test("/dev/tty is opened by its path, or where nothing controls the process yet by the pair that it means", () => {
    const { termios, winsize } = info(FIRST, false)
    const current: tty_info_entry = { ...hungUp(FIRST), id: 2012, type: TtyType.CTTY, rdev: 0x500, sid: 77, ...{ termios, winsize } }
    const { pty: _, ...state } = { ...current, termios_locked: unlocked }
    const images = imagesOf([tty(5, 2012, 6), path(6, "/dev/tty")], [state as tty_info_entry, info(FIRST, true, { sid: 77 })])
    expect(planOf([5], images)).toEqual(['#0 openat(-100, "/dev/tty\\u0000", 0x102, 0) // "/dev/tty"'])
    expect(planOf([5], images, false)).toEqual(["#0 ioctl(0x258, 0x5441, 0x102) // terminal /dev/tty"])
  })

  test("the session's leader takes the terminal and names its foreground group", () => {
    const program = new Program()
    const { ttyInfos } = pair({ sid: 77, pgrp: 78 })
    const control = { ttyInfos, masters: new Map([[FIRST, 600]]), terminal: undefined }
    restoreControl(76, control, program)
    restoreForeground(76, control, program)
    expect(program.describe()).toEqual([])
    restoreControl(77, control, program)
    restoreForeground(77, control, program)
    expect(program.describe()).toEqual([
      `#0 ioctl(0x258, 0x5441, 0x102) // the controlling terminal /dev/pts/${FIRST}`,
      `#1 ioctl(#0, 0x540e, 0) // the controlling terminal /dev/pts/${FIRST}`,
      "#2 close(#0)",
      '#3 ioctl(0x258, 0x5410, "N\\u0000\\u0000\\u0000") = 0 or ESRCH // the foreground process group',
    ])
  })

  test("with --shell-job the terminal of stasis is taken if nobody else has it", () => {
    const program = new Program()
    const control = { ttyInfos: [info(FIRST, false, { sid: 77, pgrp: 77 })], masters: new Map(), terminal: 501 }
    restoreControl(77, control, program)
    expect(program.describe()).toEqual(["#0 ioctl(0x1f5, 0x540e, 0) = any // the controlling terminal"])
  })
})

describe("checkFiles", () => {
  const check = (images: ReturnType<typeof pair>) => {
    const fdinfos = [...images.files.values()].filter((file) => file.tty).map(({ id, type }, fd) => ({ fd, id, type, flags: 0 }))
    return () =>
      checkFiles(
        [{ ...images, fdinfos, pipesData: [], bpfMapsData: [], skQueues: [], fifoData: [], ghosts: new Map(), departed: new Map() }],
        new Set([1]),
        {
          ...STRICT,
          ...REFUSED,
          buildIdOf: () => [],
          shellJob: false,
          terminal: false,
        },
      )
  }
  test("takes a pair whose slave has no path now", () => check(pair())())
  test("names what is wrong", () => {
    expect(check(pair({ winsize: undefined as never }))).toThrow("its mode is not complete")
    expect(check(pair({ pty: undefined as never }))).toThrow("it is pseudo-terminal number none")
    expect(check(pair({ termios: { ...cooked, c_cc: [1] } }))).toThrow("its control characters are not complete")
    const slave = imagesOf([tty(3, infoId(FIRST, false), 4), path(4, "/dev/pts/1")], [info(FIRST, false)])
    expect(check(slave)).toThrow("the program runs on a terminal")
  })
})

test("wantedPairs puts pairs before hung-up slaves, which take what is left", () => {
  const images = pair()
  const more = [tty(7, infoId(3, false), 8), path(8, "/dev/pts/3"), ...images.files.values()]
  const wanted = wantedPairs(imagesOf(more, [...images.ttyInfos, hungUp(3)]))
  expect(wanted.map(({ index, path: by, info: state }) => [index, by, state !== undefined])).toEqual([
    [FIRST, "/dev/ptmx", true],
    [3, "/dev/pts/ptmx", false],
  ])
})
