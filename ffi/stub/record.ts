import { layout } from "../layout.ts"

/** Head of a thread's part of the area. Mirror: restorer.ARCH.S, "Entry". */
export const stubHeader = layout("struct stub_header", "ffi/stub/restorer.x86_64.S", 128, {
  count: [0, "u32"], //          records in the program
  cleanup: [4, "u32"], //        index to go on at after a failure; count = nothing to undo
  failed: [8, "u32"], //         out: the first record that failed; NONE_FAILED otherwise
  pid: [16, "u32"], //           tgkill(pid, tid, signal) is the stop
  tid: [20, "u32"],
  signal: [24, "u32"],
  frame: [32, "u64"], //         stack pointer for rt_sigreturn when no tracer caught the stop; 0 = none
  protect: [40, "u64"], //       start of the part to make writable first; 0 = none
  protectSize: [48, "u64"], //   bytes
  restartStack: [56, "u64"], //  the thread's own stack pointer if it sat in a restart block; 0 = it did not
  restartMask: [64, "u64"], //   address of its signal mask
  restartResult: [72, "u64"], // address of the frame's result register
  rseqAt: [80, "u64"], //        address of the rseq_cs word that is set before rt_sigreturn; 0 = none
  rseqCs: [88, "u64"], //        what is written there
})

/** One system call. Mirror: restorer.ARCH.S. */
export const stubRecord = layout("struct stub_record", "ffi/stub/restorer.x86_64.S", 64, {
  number: [0, "u32"],
  flags: [4, "u32"],
  argument0: [8, "u64"],
  argument1: [16, "u64"],
  argument2: [24, "u64"],
  argument3: [32, "u64"],
  argument4: [40, "u64"],
  argument5: [48, "u64"],
  result: [56, "i64"], //        out: the kernel's raw answer
})

export const NONE_FAILED = 0xffffffff
/** What the tool writes there: it stays when the area could not be made writable, and nothing has run. */
export const NOT_BEGUN = 0xfffffffe
/** How an argument is meant; two bits each from bit 0 of `flags`. */
export const ARGUMENT = { literal: 0, result: 1, u32At: 2, u64At: 3 } as const
/** Any failure of this record is an answer. */
export const MAY_FAIL = 1 << 12
/** Shift of the one errno that is an answer. */
export const EXPECTED_ERRNO = 16

/** Memory of a process that is to be copied into a file, by any number of threads. Mirror: door.ARCH.S, "struct copy_job". */
export const copyJob = layout("struct copy_job", "ffi/stub/door.x86_64.S", 40, {
  next: [0, "u64"], //   index of the piece that is taken next: beyond `count` when none is left
  count: [8, "u64"], //  pieces; 0 when a write has failed
  pieces: [16, "u64"], // address of the first
  pid: [24, "u64"],
  file: [32, "u64"], //  descriptor
})

/** One piece of it: what goes through a thread's buffer at once. */
export const copyPiece = layout("struct copy_piece", "ffi/stub/door.x86_64.S", 40, {
  vectors: [0, "u64"], //     address of `vectorCount` iovecs: where it is in the process
  vectorCount: [8, "u64"],
  length: [16, "u64"], //     bytes
  offset: [24, "u64"], //     in the file
  state: [32, "i64"], //      out: of PIECE, or -errno of a write that failed (0: it wrote nothing)
})

/** What has become of a piece. One that is `unread`, or `waiting` still, is left for the caller to copy. */
export const PIECE = { waiting: 0, written: 1, unread: 2 } as const

/**
 * Descriptors of one process that are to be looked at, by any number of threads; begins as `copyJob`.
 * Mirror: door.ARCH.S, "struct look_job".
 */
export const lookJob = layout("struct look_job", "ffi/stub/door.x86_64.S", 48, {
  next: [0, "u64"], //   index of the item that is taken next: beyond `count` when none is left
  count: [8, "u64"], //  items
  items: [16, "u64"], // address of the first
  pidfd: [24, "u64"], // of the process
  infos: [32, "u64"], // descriptor of its /proc/PID/fdinfo
  link: [40, "u64"], //  address of the job that comes after this one, or 0
})

/** One of them. */
export const lookItem = layout("struct look_item", "ffi/stub/door.x86_64.S", 48, {
  fd: [0, "u64"],
  name: [8, "u64"], //   address of the path that led to its file, NUL-terminated, or 0
  told: [16, "u64"], //  address of a `lookTold`: what was told before, afterwards what is told now
  state: [24, "u64"], // out: bits of LOOK
  digits: [32, "u64"], // its number in decimal, NUL-terminated, 16 bytes
})

/** What was found of an item: all that is told is what was told before; the name leads to the file, which is as told. */
export const LOOK = { same: 1, named: 2 } as const

/** What the kernel tells of a descriptor. Answers are its raw ones. */
export const lookTold = layout("struct look_told", "ffi/stub/door.x86_64.S", 1024, {
  copied: [0, "i64"], //      pidfd_getfd: 0, or -errno, and then nothing else was asked
  stated: [8, "i64"], //      statx
  signum: [16, "i64"], //     fcntl(F_GETSIG)
  owned: [24, "i64"], //      fcntl(F_GETOWN_EX)
  askedUids: [32, "i64"], //  fcntl(F_GETOWNER_UIDS), asked where there is an owner
  infoLength: [40, "i64"], // bytes of fdinfo, or -errno of openat or read
  ownerType: [48, "i32"], //  struct f_owner_ex
  ownerPid: [52, "i32"],
  uid: [56, "u32"], //        of who set the owner
  euid: [60, "u32"],
  statx: [64, "u64"], //      struct statx, 256 bytes
  info: [320, "u64"], //      fdinfo, INFO_ROOM bytes at most, which may be the beginning
})
export const INFO_ROOM = 696
/** What a thread needs that looks: room for what is told of one item, and a struct statx. Bytes. */
export const LOOK_SCRATCH = 1280

/** A system call as a process beside the tool reads it. */
const call = {
  number: [0, "u64"],
  argument0: [8, "u64"],
  argument1: [16, "u64"],
  argument2: [24, "u64"],
  argument3: [32, "u64"],
  argument4: [40, "u64"],
} as const

/** One that another process makes for us. Mirror: door.ARCH.S, door_call_aside. */
export const asideCall = layout("struct aside_call", "ffi/stub/door.x86_64.S", 56, {
  ...call,
  answer: [48, "i64"], // out: the kernel's raw answer
})

/** What a socket answers to one option. Mirror: door.ARCH.S, door_options. */
export const optionSlot = layout("struct option_slot", "ffi/stub/door.x86_64.S", 64, {
  answer: [0, "i32"], // 0 or -errno
  length: [4, "u32"], // bytes of the value, which is cut to OPTION_MOST
  value: [8, "u64"], //  begins here
})
export const OPTION_MOST = 56

/** Head of the lists behind the guard's code; `guardCall` records of both follow, then the bytes that they point to. */
export const guardList = layout("struct guard_list", "ffi/stub/guard.x86_64.S", 16, {
  pipe: [0, "u32"], //  descriptor that the guard waits on
  first: [4, "u32"], // calls when nothing came through the pipe
  later: [8, "u32"], // calls when a byte did
})

/** One call of the guard: its answer is not looked at. */
export const guardCall = layout("struct guard_call", "ffi/stub/guard.x86_64.S", 48, call)

/** What the front of the portable executable is told; `frontLibrary` rows follow. Mirror: front.ARCH.S. Written by build/single-file.ts. */
export const frontTable = layout("struct front_table", "ffi/stub/front.x86_64.S", 48, {
  loaderEntry: [0, "u64"], //    addresses in the process
  loaderBase: [8, "u64"],
  programEntry: [16, "u64"],
  programHeaders: [24, "u64"],
  headerCount: [32, "u64"],
  libraryCount: [40, "u64"],
})

/** One library that the front puts into a memfd. */
export const frontLibrary = layout("struct front_library", "ffi/stub/front.x86_64.S", 40, {
  bytes: [0, "u64"], //      address of the file's bytes
  size: [8, "u64"], //       bytes
  path: [16, "u64"], //      address of "/proc/self/fd/", with room behind it
  digits: [24, "u64"], //    address of that room: ten digits and a NUL
  descriptor: [32, "u64"], // out
})
/** Bytes of the room behind the path. */
export const FRONT_DIGITS = 11
/** Where the table stands, bytes behind the front's code. */
export const FRONT_TABLE = 4096
