import { CLONE, cloneArgs, THREAD_FLAGS } from "../../ffi/abi/clone.ts"
import { FUTEX } from "../../ffi/abi/futex.ts"
import { runBeside } from "../../ffi/kernel.ts"
import { encode } from "../../ffi/layout.ts"
import { allocate, attempt } from "../../ffi/syscall.ts"

/** Offsets in a thread's memory: what it is made by, its ID, which the kernel makes 0 when it ends, and its stack, up to the end. */
const CLONE_ARGS = 0
const THREAD_ID = 256
const STACK = 1024

/** A thread of the tool's own that runs machine code of the door and never JavaScript: it may be started again when it has ended. */
export class DoorThread {
  private readonly memory = allocate(4096)

  /**
   * Starts it. Where the user may have no more threads nothing is started: whoever starts it does the same work, alone then.
   *
   * @param work what it runs, until no part of `job` is left   @param own address of what this thread alone has
   * Precondition: it does not run. Man page: clone(2), clone3
   */
  start(work: Parameters<typeof runBeside>[2], job: number, own: number): void {
    const { address, bytes } = this.memory
    const flags = THREAD_FLAGS | CLONE.PARENT_SETTID | CLONE.CHILD_CLEARTID
    const ids = { parent_tid: address + THREAD_ID, child_tid: address + THREAD_ID }
    bytes.set(encode(cloneArgs, { flags, ...ids, stack: address + STACK, stack_size: bytes.length - STACK }), CLONE_ARGS)
    runBeside(address + CLONE_ARGS, cloneArgs.size, work, job, own)
  }

  /**
   * Waits until it has ended; at once where it was not started. No deadline: it makes the calls that this thread makes too, and a server
   * that hangs (FUSE, NFS) would hold either.
   */
  join(): void {
    const { address, view } = this.memory
    for (let id = view.getInt32(THREAD_ID, true); id !== 0; id = view.getInt32(THREAD_ID, true))
      attempt("futex", address + THREAD_ID, FUTEX.WAIT, id, 0)
  }
}
