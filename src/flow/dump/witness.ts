import { CAP, capData, capHeader, LINUX_CAPABILITY_VERSION_3 } from "../../../ffi/abi/caps.ts"
import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { PR } from "../../../ffi/abi/prctl.ts"
import { encode } from "../../../ffi/layout.ts"
import { errnoName, isFailure, type Syscall, SyscallError } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import { PAGE_SIZE, remoteAddress } from "../../base/units.ts"
import { hasLandlock } from "../../kinds/attributes/landlock.ts"
import { hasCapability } from "../../proc/rights.ts"
import { readStatus, type Status } from "../../proc/status.ts"
import { resultRegister, syscallRegisters } from "../../tracee/arch.x86_64.ts"
import { writeMemory } from "../../tracee/memory.ts"
import { endWaiter, SEED_SYSCALL, startWaiter } from "../../tracee/seed.ts"
import { getRegisters, ptrace, setRegisters } from "../../tracee/trace.ts"
import { fixedDeadline, waitReport } from "../../tracee/wait.ts"

const log = logger("landlock")
const DEADLINE = 5 // s

/** Processes outside of any Landlock domain of a target, by which its threads can tell whether they are in one. */
export interface Witnesses extends Disposable {
  /**
   * PID of the one for a thread: a process that it may look at by all rules but Landlock's. Who has CAP_SYS_PTRACE may look at this tool;
   * for others a child of ours takes their IDs, without capabilities.
   *
   * @returns undefined where there is no Landlock. @throws SyscallError a child could not be made
   * Kernel: kernel/ptrace.c __ptrace_may_access()
   */
  of(status: Pick<Status, "uid" | "gid" | "capEffective">): number | undefined
}

/** No witness is made before it is asked for. Disposal ends those that were. */
export function openWitnesses(): Witnesses {
  const present = hasLandlock()
  const started = new Map<string, number>()
  const told = new Set<string>()
  return {
    of({ uid, gid, capEffective }) {
      if (!present) return undefined
      if (capEffective & (1n << BigInt(CAP.SYS_PTRACE))) return process.pid
      const key = `${uid.real} ${gid.real}`
      const known = started.get(key)
      if (known !== undefined) return known
      if (!mayBecome(uid.real, gid.real)) {
        if (!told.has(key))
          log.warn(`whether user ${uid.real} is in a Landlock domain is not looked for: that takes CAP_SETUID and CAP_SETGID`)
        told.add(key)
        return undefined
      }
      const pid = startWaiter(fixedDeadline(DEADLINE))
      try {
        dress(pid, uid.real, gid.real)
      } catch (error) {
        // One that has more capabilities than a thread would look like one outside of its domain.
        endWaiter(pid)
        throw error
      }
      started.set(key, pid)
      return pid
    },
    [Symbol.dispose]() {
      for (const pid of started.values()) endWaiter(pid)
    },
  }
}

/** Whether a child of ours can have these IDs. */
function mayBecome(user: number, group: number): boolean {
  const { uid, gid } = readStatus(process.pid)
  const is = (ids: Status["uid"], id: number): boolean => ids.real === id && ids.effective === id && ids.saved === id
  return (is(uid, user) || hasCapability(CAP.SETUID)) && (is(gid, group) || hasCapability(CAP.SETGID))
}

/** Gives a new child these IDs, no capabilities, and lets others of the same IDs look at it. It stays stopped, and dies with the tool. */
function dress(pid: number, uid: number, gid: number): void {
  const base = getRegisters(pid)
  const call = (name: Syscall, ...args: (bigint | number)[]): bigint => {
    setRegisters(pid, syscallRegisters(base, SEED_SYSCALL, base.sp, name, args))
    for (let stops = 0; stops < 2; stops++) {
      ptrace("SYSCALL", pid)
      waitReport(pid, fixedDeadline(DEADLINE), `a call in witness ${pid}`)
    }
    const answer = resultRegister(getRegisters(pid))
    if (isFailure(Number(answer))) throw new SyscallError(name, errnoName(Number(-answer)), args, ` in witness ${pid}`)
    return answer
  }
  const page = call("mmap", 0, PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)
  const header = encode(capHeader, { version: LINUX_CAPABILITY_VERSION_3 })
  writeMemory(pid, remoteAddress(page), Buffer.concat([header, new Uint8Array(2 * capData.size)]))
  call("setresgid", gid, gid, gid)
  call("setresuid", uid, uid, uid)
  call("capset", page, page + BigInt(capHeader.size))
  call("prctl", PR.SET_DUMPABLE, 1, 0, 0, 0)
}
