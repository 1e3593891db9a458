import { expect, test } from "bun:test"
import { core_entry_march } from "../../proto/gen/core_pb.ts"
import { fd_types } from "../../proto/gen/fdinfo_pb.ts"
import { fileFlags, fileText } from "../../src/cli/show-descriptor.ts"

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }

test("fileText tells clock, time, interval and ticks of a timerfd", () => {
  const tfd = { id: 1, flags: 2, fown, clockid: 0, ticks: 3n, settime_flags: 3, vsec: 5n, vnsec: 60n, isec: 0n, insec: 0n }
  const text = (more: object) => fileText({ type: fd_types.TIMERFD, id: 1, tfd: { ...tfd, ...more } })
  expect(text({})).toBe("realtime clock, absolute, cancel-on-set, 5.000000060 s left, 3 ticks")
  expect(text({ clockid: 1, settime_flags: 0, vsec: 0n, vnsec: 0n, isec: 2n, ticks: 0n })).toBe(
    "monotonic clock, not running, every 2.000000000 s, 0 ticks",
  )
})

test("fileText tells the first watches of an inotify by their numbers", () => {
  const wd = (number: number, path?: string) => {
    const f_handle = { bytes: 0, type: 0, handle: [], ...(path === undefined ? {} : { path }) }
    return { id: 0, i_ino: 77n, mask: 0x302, ignored_mask: 0, s_dev: 1, wd: number, f_handle }
  }
  const text = (...watches: ReturnType<typeof wd>[]) =>
    fileText({ type: fd_types.INOTIFY, id: 1, ify: { id: 1, flags: 0, fown, wd: watches } })
  expect(text()).toBe("watches nothing")
  expect(text(wd(9), wd(3, "/etc"))).toBe("watches 3: /etc (0x302), 9: inode 77 (0x302)")
  expect(text(...Array.from({ length: 10 }, (_, index) => wd(index + 1)))).toEndWith("8: inode 77 (0x302), 2 more")
})

test("fileFlags reads them as the machine of the images numbers them", () => {
  const reg = { id: 1, flags: 0x8402, pos: 0n, fown, name: "/tmp/file", build_id: [] }
  const flags = (machine: core_entry_march) => fileFlags({ type: fd_types.REG, id: 1, reg }, machine)
  expect(flags(core_entry_march.X86_64)).toBe("rw append largefile")
  expect(flags(core_entry_march.AARCH64)).toBe("rw append nofollow")
})

test("fileText tells protocol, interface and rings of a packet socket, and the name of a BPF map", () => {
  const psk = { id: 1, type: 3, protocol: 0xb588, flags: 2, ifindex: 0, fown, opts: {}, mclist: [] }
  const text = (more: object) => fileText({ type: fd_types.PACKETSK, id: 1, psk: { ...psk, ...more } as never })
  expect(text({})).toBe("packet protocol 0x88b5, interface any")
  expect(text({ ifindex: 4, rx_ring: {}, tx_ring: {} })).toBe("packet protocol 0x88b5, interface 4, a ring to receive, a ring to send")
  const bpf = { id: 1, map_id: 7, map_name: "counts", max_entries: 9 } as never
  expect(fileText({ type: fd_types.BPFMAP, id: 1, bpf })).toBe('map 7 "counts", room for 9 entries')
})
