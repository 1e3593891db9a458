import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { capData, capHeader } from "../../ffi/abi/caps.ts"
import { cloneArgs } from "../../ffi/abi/clone.ts"
import { elfHeader, elfSegment } from "../../ffi/abi/elf.ts"
import { flock, fOwnerEx, statfsStruct, statx, statxDetails } from "../../ffi/abi/file.ts"
import { pageRegion, pmScanArg, prctlMmMap } from "../../ffi/abi/mman.ts"
import { fileHandle, inotifyEvent } from "../../ffi/abi/notify.ts"
import { iovec, peeksiginfoArgs, rseqConfiguration } from "../../ffi/abi/ptrace.ts"
import { fpxSwBytes, rtSigframe, SIGFRAME_MCONTEXT, sigcontext, userRegsStruct } from "../../ffi/abi/registers.x86_64.ts"
import { rlimit64 } from "../../ffi/abi/resource.ts"
import { rseqArea, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { schedAttr } from "../../ffi/abi/sched.ts"
import { seccompData, seccompMetadata, sockFilter, sockFprog } from "../../ffi/abi/seccomp.ts"
import { kernelSigaction, siginfo, stackT } from "../../ffi/abi/signal.ts"
import { itimerspec, itimerval, sigevent, timespec } from "../../ffi/abi/timer.ts"
import { termios, winsize } from "../../ffi/abi/tty.ts"
import { uffdioApi } from "../../ffi/abi/userfault.ts"
import { fxregs } from "../../ffi/abi/xsave.x86_64.ts"
import { decode, encode, encodeInto, layout } from "../../ffi/layout.ts"
import { ROOT } from "../harness/folders.ts"
import { canCompile, evaluate } from "./compiled.ts"
import { ipc } from "./ipc-layouts.ts"
import { type Group, sockets } from "./socket-layouts.ts"

const REGISTER_NAMES = { bp: "rbp", bx: "rbx", ax: "rax", cx: "rcx", dx: "rdx", si: "rsi", di: "rdi", ip: "rip", sp: "rsp" }
const USER_REGS = { ...REGISTER_NAMES, orig_ax: "orig_rax", flags: "eflags" }
/** The uapi name of a segment in struct sigcontext is its own; of the registers, those with an r in front. */
const SIGCONTEXT = { ...REGISTER_NAMES, flags: "eflags" }
const halves = (fraction: string, prefix: string): Record<string, string> =>
  Object.fromEntries(
    ["interval", "value"].flatMap((part) => ["sec", fraction].map((unit) => [`it_${part}_${unit}`, `it_${part}.${prefix}_${unit}`])),
  )
const STATX_TIMES = Object.fromEntries(
  ["atime", "ctime", "mtime"].flatMap((time) => ["sec", "nsec"].map((unit) => [`${time}_${unit}`, `stx_${time}.tv_${unit}`])),
)
const ELF = { magic: "e_ident", class: "e_ident[4]", data: "e_ident[5]", version: "e_ident[6]" }
const FRAME = {
  uc_flags: "uc.uc_flags",
  uc_link: "uc.uc_link",
  ss_sp: "uc.uc_stack.ss_sp",
  ss_flags: "uc.uc_stack.ss_flags",
  ss_size: "uc.uc_stack.ss_size",
  uc_sigmask: "uc.uc_sigmask",
}

const portable: readonly Group[] = [
  {
    headers: ["linux/capability.h"],
    rows: [
      [capHeader, "struct __user_cap_header_struct"],
      [capData, "struct __user_cap_data_struct"],
    ],
  },
  {
    headers: ["linux/sched.h", "linux/sched/types.h"],
    rows: [
      [cloneArgs, "struct clone_args"],
      [schedAttr, "struct sched_attr"],
    ],
  },
  {
    headers: ["linux/seccomp.h", "linux/filter.h", "linux/ptrace.h"],
    rows: [
      [seccompData, "struct seccomp_data", { args: "args[0]" }],
      [seccompMetadata, "struct seccomp_metadata"],
      [sockFilter, "struct sock_filter"],
      [sockFprog, "struct sock_fprog"],
    ],
  },
  {
    headers: ["elf.h"],
    rows: [
      [elfHeader, "Elf64_Ehdr", ELF],
      [elfSegment, "Elf64_Phdr"],
    ],
  },
  {
    headers: ["linux/fcntl.h", "linux/stat.h"],
    rows: [
      [fOwnerEx, "struct f_owner_ex"],
      [flock, "struct flock"],
      [statx, "struct statx"],
      [statxDetails, "struct statx", STATX_TIMES],
    ],
  },
  { headers: ["asm/statfs.h"], rows: [[statfsStruct, "struct statfs"]] },
  {
    headers: ["linux/fs.h", "linux/prctl.h", "golden/kernel.h"],
    rows: [
      [pmScanArg, "struct pm_scan_arg"],
      [pageRegion, "struct page_region"],
      [prctlMmMap, "struct prctl_mm_map"],
      [kernelSigaction, "struct kernel_sigaction"],
      [rseqArea, "struct rseq_with_mm_cid"],
    ],
  },
  {
    headers: ["sys/ptrace.h", "sys/uio.h"],
    rows: [
      [peeksiginfoArgs, "struct __ptrace_peeksiginfo_args"],
      [rseqConfiguration, "struct __ptrace_rseq_configuration"],
      [iovec, "struct iovec"],
    ],
  },
  {
    headers: ["linux/resource.h", "linux/rseq.h"],
    rows: [
      [rlimit64, "struct rlimit64"],
      [rseqDescriptor, "struct rseq_cs"],
    ],
  },
  {
    headers: ["signal.h"],
    rows: [
      [stackT, "stack_t"],
      [siginfo, "siginfo_t"],
    ],
  },
  {
    headers: ["linux/time.h", "linux/time_types.h", "linux/signal.h"],
    rows: [
      [itimerval, "struct itimerval", halves("usec", "tv")],
      [itimerspec, "struct itimerspec", halves("nsec", "tv")],
      [timespec, "struct timespec"],
      [sigevent, "struct sigevent", { sigev_notify_thread_id: "_sigev_un._tid" }],
    ],
  },
  {
    headers: ["asm/termbits.h", "asm/termios.h"],
    rows: [
      [termios, "struct termios"],
      [winsize, "struct winsize"],
    ],
  },
  ...sockets,
  { headers: ["fcntl.h"], rows: [[fileHandle, "struct file_handle"]] },
  { headers: ["sys/inotify.h"], rows: [[inotifyEvent, "struct inotify_event"]] },
  ...ipc,
  { headers: ["linux/userfaultfd.h"], rows: [[uffdioApi, "struct uffdio_api"]] },
]

const x86_64: readonly Group[] = [
  { headers: ["sys/user.h"], rows: [[userRegsStruct, "struct user_regs_struct", USER_REGS]] },
  {
    headers: ["asm/sigcontext.h", "golden/kernel.h"],
    rows: [
      [sigcontext, "struct sigcontext", SIGCONTEXT],
      [fpxSwBytes, "struct _fpx_sw_bytes"],
      [fxregs, "struct fxregs_state"],
    ],
  },
  {
    headers: ["linux/signal.h", "asm/sigcontext.h", "asm/ucontext.h", "golden/sigframe.h"],
    rows: [[rtSigframe, "struct rt_sigframe", FRAME]],
  },
]

const GROUPS = process.arch === "x64" ? [...portable, ...x86_64] : portable

describe("layouts", () => {
  test.skipIf(!canCompile)("size, and offset and width of each member, are the C compiler's", () => {
    for (const { headers, rows } of GROUPS) {
      const asked: [string, number][] = []
      for (const [{ size, fields }, type, renamed = {}, whole = `sizeof(${type})`] of rows) {
        asked.push([whole, size])
        for (const [field, [offset, width]] of Object.entries(fields)) {
          const member = renamed[field] ?? field
          asked.push([`offsetof(${type}, ${member})`, offset])
          // The four bytes of e_ident[16] that are its mark are read at once.
          if (member !== "e_ident") asked.push([`sizeof(((${type} *)0)->${member})`, Number(width.slice(1)) / 8])
        }
      }
      const found = evaluate(
        headers,
        asked.map(([expression]) => expression),
      )
      expect(asked.map(([expression], i) => [expression, Number(found[i])])).toEqual(asked)
    }
  })

  test.skipIf(!canCompile || process.arch !== "x64")("the sigcontext of a signal frame stands where SIGFRAME_MCONTEXT says", () => {
    const headers = ["linux/signal.h", "asm/sigcontext.h", "asm/ucontext.h", "golden/sigframe.h"]
    expect(evaluate(headers, ["offsetof(struct rt_sigframe, uc.uc_mcontext)"])).toEqual([BigInt(SIGFRAME_MCONTEXT)])
  })

  test("every layout of ffi/abi is in the table above", async () => {
    const known = new Set<unknown>([...portable, ...x86_64].flatMap(({ rows }) => rows.map(([row]) => row)))
    const folder = join(ROOT, "ffi/abi")
    const isLayout = (value: unknown): boolean => typeof value === "object" && value !== null && "fields" in value && "header" in value
    for (const file of readdirSync(folder)) {
      const exported = Object.entries((await import(join(folder, file))) as Record<string, unknown>)
      for (const [name, value] of exported) if (isLayout(value)) expect([file, name, known.has(value)]).toEqual([file, name, true])
    }
  })
})

describe("encode and decode", () => {
  const sample = layout("struct sample", "none", 32, {
    byte: [0, "u8"],
    half: [2, "u16"],
    word: [4, "u32"],
    signed: [8, "i32"],
    long: [16, "u64"],
    signedLong: [24, "i64"],
  })
  const values = { byte: 0xfe, half: 0xfedc, word: 0xfedcba98, signed: -2, long: 0xfedcba9876543210n, signedLong: -3n }

  test("every width goes through bytes unchanged, little-endian", () => {
    const bytes = encode(sample, values)
    expect(bytes.length).toBe(32)
    expect(decode(sample, bytes)).toEqual(values)
    expect([...bytes.subarray(4, 8)]).toEqual([0x98, 0xba, 0xdc, 0xfe])
  })

  test("members that are not named stay, those of a new structure are 0", () => {
    const bytes = new Uint8Array(40).fill(0xaa)
    encodeInto(sample, bytes, { word: 1 }, 8)
    expect(decode(sample, bytes, 8)).toMatchObject({ byte: 0xaa, word: 1, signed: -0x55555556 })
    expect(decode(sample, encode(sample, {}))).toEqual({ byte: 0, half: 0, word: 0, signed: 0, long: 0n, signedLong: 0n })
  })

  test("a negative number becomes the unsigned one with the same bits; a value too wide is cut", () => {
    expect(decode(sample, encode(sample, { long: -1 })).long).toBe(0xffffffffffffffffn)
    expect(decode(sample, encode(sample, { word: -1, half: 0x12345, signedLong: (1n << 64n) - 1n }))).toMatchObject({
      word: 0xffffffff,
      half: 0x2345,
      signedLong: -1n,
    })
  })

  test("bytes of a view into a larger buffer are read where the view begins", () => {
    const whole = new Uint8Array(64)
    whole.set(encode(sample, values), 16)
    expect(decode(sample, whole.subarray(16, 48))).toEqual(values)
  })

  test("a structure that does not fit is a RangeError", () => {
    expect(() => decode(sample, new Uint8Array(31))).toThrow(RangeError)
  })
})
