import { writeSync } from "node:fs"
import { type core_entry, core_entry_march } from "../../proto/gen/core_pb.ts"
import { user_x86_fpregs_entrySchema } from "../../proto/gen/core-x86_pb.ts"
import { creds_entrySchema } from "../../proto/gen/creds_pb.ts"
import { fd_types } from "../../proto/gen/fdinfo_pb.ts"
import { reg_file_entrySchema } from "../../proto/gen/regfile_pb.ts"
import { stasis_task_entrySchema, stasis_thread_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { create } from "../../proto/schema.ts"
import { beginImages } from "../../src/image/transaction.ts"
import { inventory } from "./sample.ts"

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }
const noTimer = { isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n }
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn

function registers(ip: bigint): NonNullable<core_entry["thread_info"]> {
  const zero = { r15: 0n, r14: 0n, r13: 0n, r12: 0n, bp: 0n, bx: 0n, r11: 0n, r10: 0n, r9: 0n, r8: 0n, cx: 0n, dx: 0n, si: 0n, di: 0n }
  const segments = { cs: 0x33n, ss: 0x2bn, ds: 0n, es: 0n, fs: 0n, gs: 0n, fs_base: 0x7f243cf37740n, gs_base: 0n }
  const gpregs = { ...zero, ...segments, ax: 0xfffffffffffffffcn, orig_ax: 0xe6n, ip, flags: 0x293n, sp: 0x7fff43213000n }
  const fpregs = create(user_x86_fpregs_entrySchema, {
    cwd: 895,
    swd: 0,
    twd: 0,
    fop: 0,
    rip: 0n,
    rdp: 0n,
    mxcsr: 8064,
    mxcsr_mask: 196607,
  })
  return { clear_tid_addr: 0x7f243cf37a10n, gpregs, fpregs, tls: [] }
}

const thread = (comm: string, pointer: bigint): NonNullable<core_entry["thread_core"]> => ({
  futex_rla: 0x7f243cf37a20n,
  futex_rla_len: 24,
  sas: { ss_sp: 0n, ss_size: 0n, ss_flags: 2 },
  signals_p: { signals: [] },
  creds: create(creds_entrySchema, { uid: 0, gid: 0, euid: 0, egid: 0, suid: 0, sgid: 0, fsuid: 0, fsgid: 0, secbits: 0 }),
  comm,
  rseq_entry: { rseq_abi_pointer: pointer, rseq_abi_size: 32, signature: 0x53053053 },
})

const file = (id: number, name: string, flags: number, more: object = {}) => ({
  type: fd_types.REG,
  id,
  reg: create(reg_file_entrySchema, { id, flags, pos: 0n, fown, name, mode: 0o100644, ...more }),
})
const pipe = (id: number, flags: number) => ({ type: fd_types.PIPE, id, pipe: { id, pipe_id: 1324077, flags, fown } })
const area = (start: bigint, end: bigint, prot: number, flags: number, status: number, shmid = 0n, pgoff = 0n) => ({
  start,
  end,
  pgoff,
  shmid,
  prot,
  flags,
  status,
  fd: -1n,
})
const run = (vaddr: bigint, pages: bigint, flags = 4) => ({ vaddr, compat_nr_pages: 0, nr_pages: pages, flags })

/** The worked example of the image reference: a process of two threads, 1140 and 1141, with files and a pipe. */
export function writeExample(directory: string): void {
  using tx = beginImages(directory, { sync: false })
  tx.write("inventory", undefined, [inventory])
  tx.write("pstree", undefined, [
    { pid: 1140, ppid: 0, pgid: 1140, sid: 1140, threads: [1140, 1141] },
    { pid: 1150, ppid: 1140, pgid: 1140, sid: 1140, threads: [4242197232] },
  ])
  const sigactions = Array.from({ length: 62 }, () => ({ sigaction: 0n, flags: 0n, restorer: 0n, mask: 0n }))
  sigactions[9] = { sigaction: 0x55ecb9efe100n, flags: 0x14000004n, restorer: 0x7f243cf40000n, mask: 0x4002n }
  const tc = {
    task_state: 1,
    exit_code: 0,
    personality: 0,
    flags: 0x400000,
    blk_sigset: 0n,
    comm: "t1",
    timers: { real: noTimer, virt: noTimer, prof: noTimer, posix: [] },
    rlimits: { rlimits: Array.from({ length: 16 }, () => ({ cur: 1024n, max: RLIM_INFINITY })) },
    sigactions,
  }
  const mtype = core_entry_march.X86_64
  tx.write("core", 1140, [{ mtype, thread_info: registers(0x7f243cf3a545n), tc, thread_core: thread("t1", 0x7f243cf37d60n) }])
  tx.write("core", 1141, [{ mtype, thread_info: registers(0x55ecb9efe010n), thread_core: thread("helper", 0x7f243c736d60n) }])
  const dead = { task_state: 2, exit_code: 768, personality: 0, flags: 0, blk_sigset: 0n, comm: "gone", sigactions: [] }
  tx.write("core", 1150, [{ mtype, tc: dead }])
  tx.write("ids", 1140, [{ ...inventory.root_ids!, vm_id: 2, files_id: 2, fs_id: 2, sighand_id: 2 }])
  tx.write("mm", 1140, [
    {
      mm_start_code: 0x55ecb9efe000n,
      mm_end_code: 0x55ecb9efe200n,
      mm_start_data: 0n,
      mm_end_data: 0n,
      mm_start_stack: 0x7fff43213000n,
      mm_start_brk: 0x55ecc4f70000n,
      mm_brk: 0x55ecc4f91000n,
      mm_arg_start: 0n,
      mm_arg_end: 0n,
      mm_env_start: 0n,
      mm_env_end: 0n,
      exe_file_id: 1,
      mm_saved_auxv: [33n, 0x7f243d12e000n, 0n, 0n],
      dumpable: 1,
      aios: [],
      vmas: [
        area(0x55ecb9efd000n, 0x55ecb9efe000n, 1, 2, 0x41, 1n),
        area(0x55ecb9efe000n, 0x55ecb9eff000n, 5, 2, 0x41, 1n, 0x1000n),
        area(0x55ecc4f70000n, 0x55ecc4f91000n, 3, 0x22, 0x221),
        area(0x7f243cf3a000n, 0x7f243cf60000n, 5, 2, 0x41, 2n),
        area(0x7fff431f3000n, 0x7fff43214000n, 3, 0x122, 0x201),
      ],
    },
  ])
  tx.write("pagemap", 1140, [{ pages_id: 1 }, run(0x55ecb9efe000n, 1n), run(0x55ecc4f70000n, 2n, 6), run(0x7fff43211000n, 3n)])
  tx.pages(1).fill((fd) => writeSync(fd, new Uint8Array(6 * 4096)))
  tx.write("files", undefined, [
    file(1, "/demo/t1", 0, { size: 16344n, mode: 0o100755 }),
    file(2, "/lib/libc.so.6", 0),
    pipe(5, 0),
    pipe(6, 1),
    file(7, "/demo/data\udcff.txt", 0x8002, { pos: 4n, size: 10n }),
    file(8, "/demo", 0, { mode: 0o40755 }),
    file(9, "/", 0, { mode: 0o40755 }),
  ])
  tx.write("fdinfo", 2, [
    { id: 5, flags: 0, type: fd_types.PIPE, fd: 3 },
    { id: 6, flags: 1, type: fd_types.PIPE, fd: 4 },
    { id: 7, flags: 0, type: fd_types.REG, fd: 5 },
  ])
  tx.write("fs", 1140, [{ cwd_id: 8, root_id: 9, umask: 0o22 }])
  tx.write("pipes-data", undefined, [
    { message: { pipe_id: 1324077, bytes: 5, size: 65536 }, payload: Uint8Array.from(Buffer.from("hello")) },
  ])
  tx.write("seccomp", undefined, [{ seccomp_filters: [] }])
  const threads = [
    create(stasis_thread_entrySchema, { tid: 1140, rseq_class: "idle" }),
    create(stasis_thread_entrySchema, { tid: 1141, rseq_class: "abortable" }),
  ]
  const vmas = [{ start: 0x55ecc4f70000n, end: 0x55ecc4f91000n, name: "arena" }]
  tx.write("stasis-core", 1140, [create(stasis_task_entrySchema, { format_version: 1, producer: "stasis 0.1.0", threads, vmas })])
  tx.commit()
}
