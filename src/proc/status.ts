import { expectAlive, textReader } from "./source.ts"
import { decodeEscapes, words } from "./text.ts"

/** Four IDs of one kind, in the order of /proc/PID/status. */
interface Ids {
  readonly real: number
  readonly effective: number
  readonly saved: number
  readonly filesystem: number
}

/** /proc/PID/status. Optional lines that this kernel does not print are null. See proc_pid_status(5). */
export interface Status {
  /** Up to 15 bytes for user tasks, escapes undone. */
  readonly name: string
  /** Null in a zombie, which has no fs_struct. */
  readonly umask: number | null
  /** One letter: R S D T t X Z P I. */
  readonly state: string
  readonly tgid: number
  readonly pid: number
  readonly ppid: number
  readonly tracerPid: number
  readonly uid: Ids
  readonly gid: Ids
  readonly groups: readonly number[]
  /** All of IDs, groups, capabilities and no_new_privs as text, with a little more: who has the same has the same credentials. */
  readonly credentials: string
  /** Its ID in each PID namespace from the reader's inwards: the last is the innermost. */
  readonly nsPid: readonly number[]
  /** Memory, KiB; 0 in kernel threads and zombies. */
  readonly vmSize: number
  readonly vmData: number
  readonly vmLocked: number
  readonly threads: number
  /** Signal sets: bit n-1 is signal n. */
  readonly sigPending: bigint
  readonly sharedPending: bigint
  readonly sigBlocked: bigint
  readonly sigIgnored: bigint
  readonly sigCaught: bigint
  /** Capability sets: bit n is capability n. */
  readonly capInheritable: bigint
  readonly capPermitted: bigint
  readonly capEffective: bigint
  readonly capBounding: bigint
  readonly capAmbient: bigint
  readonly noNewPrivs: boolean
  /** 0 off, 1 strict, 2 filter. Null without CONFIG_SECCOMP. */
  readonly seccomp: number | null
  /** Words like "shstk", "wrss". Since Linux 6.4 with user shadow stacks. */
  readonly threadFeatures: readonly string[]
}

/** A status that finds a value when it is asked for: a dump reads hundreds of statuses and wants half of their rows, or one. */
class StatusText implements Status {
  /** @param text with a newline in front, so that every row begins behind one */
  constructor(private readonly text: string) {}

  private find(label: string): string | null {
    const at = this.text.indexOf(label)
    if (at < 0) return null
    const end = this.text.indexOf("\n", at + label.length)
    return this.text.slice(at + label.length, end < 0 ? undefined : end)
  }
  private number(label: string): number {
    return Number.parseInt(this.find(label) ?? "", 10) || 0
  }
  /** Numbers between single tabs or single blanks, as the kernel prints lists. A pattern would take longer than all the rest. */
  private numbers(label: string): number[] {
    const text = this.find(label)?.trim() ?? ""
    return text === "" ? [] : text.split(text.includes("\t") ? "\t" : " ").map(Number)
  }
  private ids(label: string): Ids {
    const [real = 0, effective = 0, saved = 0, filesystem = 0] = this.numbers(label)
    return { real, effective, saved, filesystem }
  }
  private set(label: string): bigint {
    return BigInt(`0x${this.find(label) ?? "0"}`)
  }

  get name(): string {
    return decodeEscapes(this.find("\nName:\t") ?? "")
  }
  get umask(): number | null {
    const value = this.find("\nUmask:\t")
    return value === null ? null : Number.parseInt(value, 8)
  }
  get state(): string {
    return this.find("\nState:\t")?.charAt(0) ?? ""
  }
  get tgid(): number {
    return this.number("\nTgid:\t")
  }
  get pid(): number {
    return this.number("\nPid:\t")
  }
  get ppid(): number {
    return this.number("\nPPid:\t")
  }
  get tracerPid(): number {
    return this.number("\nTracerPid:\t")
  }
  get uid(): Ids {
    return this.ids("\nUid:\t")
  }
  get gid(): Ids {
    return this.ids("\nGid:\t")
  }
  get groups(): number[] {
    return this.numbers("\nGroups:\t")
  }
  get credentials(): string {
    const part = (from: string, to: string): string => this.text.slice(this.text.indexOf(from), this.text.indexOf(to))
    return part("\nUid:", "\nNStgid:") + part("\nCapInh:", "\nSeccomp:")
  }
  get nsPid(): number[] {
    return this.numbers("\nNSpid:\t")
  }
  get vmSize(): number {
    return this.number("\nVmSize:\t")
  }
  get vmData(): number {
    return this.number("\nVmData:\t")
  }
  get vmLocked(): number {
    return this.number("\nVmLck:\t")
  }
  get threads(): number {
    return this.number("\nThreads:\t")
  }
  get sigPending(): bigint {
    return this.set("\nSigPnd:\t")
  }
  get sharedPending(): bigint {
    return this.set("\nShdPnd:\t")
  }
  get sigBlocked(): bigint {
    return this.set("\nSigBlk:\t")
  }
  get sigIgnored(): bigint {
    return this.set("\nSigIgn:\t")
  }
  get sigCaught(): bigint {
    return this.set("\nSigCgt:\t")
  }
  get capInheritable(): bigint {
    return this.set("\nCapInh:\t")
  }
  get capPermitted(): bigint {
    return this.set("\nCapPrm:\t")
  }
  get capEffective(): bigint {
    return this.set("\nCapEff:\t")
  }
  get capBounding(): bigint {
    return this.set("\nCapBnd:\t")
  }
  get capAmbient(): bigint {
    return this.set("\nCapAmb:\t")
  }
  get noNewPrivs(): boolean {
    return this.number("\nNoNewPrivs:\t") === 1
  }
  get seccomp(): number | null {
    const value = this.find("\nSeccomp:\t")
    return value === null ? null : Number(value)
  }
  get threadFeatures(): string[] {
    return words(this.find("\nx86_Thread_features:\t") ?? "")
  }
}

/** /proc/PID/status -> its values. Kernel: fs/proc/array.c proc_pid_status() */
export const parseStatus = (text: string): Status => new StatusText(`\n${text}`)

/**
 * Status of a process, or of a thread when `tid` is given; null when it is gone.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readStatusIfAlive = textReader("status", parseStatus)

/** As `readStatusIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readStatus = expectAlive("status", readStatusIfAlive)
