import type { file_lock_entry } from "../../../proto/gen/file-lock_pb.ts"
import type { Range } from "../../base/units.ts"
import type { RestoredClocks } from "../../kinds/clocks/restore.ts"
import type { Origin } from "../../kinds/creds/origin.ts"
import type { Given } from "../../kinds/files/restoring.ts"
import type { SavedAioRing } from "../../kinds/memory/aio/restore.ts"
import type { Inheritance } from "../../kinds/memory/inherit.ts"
import type { Keys } from "../../kinds/memory/protection-keys.x86_64.ts"
import type { PagesToRead } from "../../kinds/memory/restore.ts"
import type { PlannedShm } from "../../kinds/memory/sysv/restore.ts"
import type { planVdso } from "../../kinds/memory/vdso.ts"
import type { Limit } from "../../proc/limits.ts"
import type { KernelRseq } from "../../rseq/register.ts"

/** What every new process has, and what the tree starts from. */
export interface RestoreContext {
  /** Numbers of ours in every new process. */
  readonly services: readonly number[]
  /** Any inherited descriptor, to fill a number with. */
  readonly placeholder: number
  /** Number at which a process opens its executable, and before that what its AIO rings are filled from. */
  readonly exeNumber: number
  /** Copy of the terminal that the tool runs on; undefined without one. */
  readonly terminal: number | undefined
  /** Inherited masters of new pairs, by the numbers of their terminals. */
  readonly masters: ReadonlyMap<number, number>
  /** Inherited descriptors of deleted files, by file id. */
  readonly ghosts: ReadonlyMap<number, number>
  /** Inherited descriptors of what whoever restores gives, by file id. */
  readonly given: ReadonlyMap<number, Given>
  /** Group that is in the foreground of the terminal that a shell's job inherits; undefined for what is none. */
  readonly jobGroup: number | undefined
  /** Shared memory that the root has made, by inode id. */
  readonly memfds: ReadonlyMap<number, number>
  /** Those of it that are executables. */
  readonly executed: ReadonlySet<number>
  /** System V segments, and where all of them have room side by side in any process. */
  readonly shm: readonly PlannedShm[]
  readonly shmHole: bigint
  /** Open files that the root has made for several processes, by file id; and who finishes each. */
  readonly shared: ReadonlyMap<number, number>
  /** Those of them that the leader of a session makes instead, with its session: /dev/tty. */
  readonly controlled: ReadonlyMap<number, number>
  readonly finisher: ReadonlyMap<number, number>
  /** Locks by the process that sets them: the maker of their descriptors. */
  readonly locks: ReadonlyMap<number, readonly file_lock_entry[]>
  /** Sizes in bytes that files are cut back to, by file id: --file-changed=truncate. */
  readonly cuts: ReadonlyMap<number, bigint>
  /** Every process of the tree. */
  readonly pids: ReadonlySet<number>
  /** Signals that zombies sent to their parents, by parent. */
  readonly endSignals: ReadonlyMap<number, readonly number[]>
  /** Where nothing of any process will be: for the stub. */
  readonly area: Range
  readonly origin: Origin
  readonly limits: readonly Limit[]
  readonly kernelRseq: KernelRseq
  readonly clocks: RestoredClocks
  readonly strict: boolean
}

/** What one new process makes itself; the rest it shares with the task that cloned it. */
export interface Share {
  readonly memory: boolean
  readonly files: boolean
  readonly directories: boolean
  readonly handlers: boolean
}

/** What one new process is made from. */
export interface ProcessPlan {
  /** What is read into its private memory. */
  readonly pages: readonly PagesToRead[]
  /** Where the special mappings go that it is born with, see `planVdso`. */
  readonly moves: NonNullable<ReturnType<typeof planVdso>>
  readonly makes: Share
  /** AIO rings. */
  readonly aioRings: readonly SavedAioRing[]
  /** Memory that came by birth and is kept. */
  readonly inherited: Inheritance | undefined
  /** The memory is made before children are born that inherit it, so it is not made again. */
  readonly early: boolean
  /** Session keyring that it is born with; undefined = just its user's. */
  readonly keyring: number | undefined
  /** The executable that the process has by birth, as a file id; undefined = the seed's. */
  readonly exeAtBirth: number | undefined
  /** The protection keys that it has by birth. */
  readonly keysAtBirth: Keys
}
