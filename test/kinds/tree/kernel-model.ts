import type { Act, BirthPlan, Member, TaskId } from "../../../src/kinds/tree/plan.ts"

/** A process as the kernel sees it. */
export interface Process {
  readonly pid: number
  /** Real parent; OUTER = someone outside the tree. */
  parent: number
  pgid: number
  sid: number
  /** Called setsid itself: signal->leader. */
  leader: boolean
  subreaper: boolean
  zombie: boolean
}

/** Processes outside the tree: the one that restores, and init, to whom orphans go. */
export const OUTER = 1

/** The kernel's answer to a call that it refuses. */
export class Refused extends Error {
  override readonly name = "Refused"
}

/**
 * Processes under the rules of Linux for fork, setsid, setpgid, exit and wait.
 * Authority: kernel/fork.c copy_process(), kernel/pid.c alloc_pid(), kernel/sys.c, kernel/exit.c find_new_reaper()
 */
export class Kernel {
  readonly processes = new Map<number, Process>()
  #next = 5_000_000

  constructor(outer: { pgid: number; sid: number }) {
    this.processes.set(OUTER, { pid: OUTER, parent: 0, ...outer, leader: false, subreaper: false, zombie: false })
  }

  /** The process, which must be able to run. */
  alive(pid: number): Process {
    const found = this.processes.get(pid)
    if (!found || found.zombie) throw new Refused(`process ${pid} is ${found ? "a zombie" : "not there"}`)
    return found
  }

  /** A number stays taken as long as any process, dead or alive, has it as PID, group or session. */
  taken(id: number): boolean {
    for (const { pid, pgid, sid } of this.processes.values()) if (pid === id || pgid === id || sid === id) return true
    return false
  }

  clone(parent: number, wanted?: number): number {
    const { pgid, sid } = this.alive(parent)
    const pid = wanted ?? this.#next++
    if (this.taken(pid)) throw new Refused(`clone3 with set_tid ${pid}: EEXIST`)
    this.processes.set(pid, { pid, parent, pgid, sid, leader: false, subreaper: false, zombie: false })
    return pid
  }

  setsid(pid: number): void {
    const task = this.alive(pid)
    for (const other of this.processes.values()) if (other.pgid === pid) throw new Refused(`setsid by ${pid}: EPERM, group ${pid} exists`)
    if (task.leader) throw new Refused(`setsid by ${pid}: EPERM, it leads one`)
    Object.assign(task, { leader: true, sid: pid, pgid: pid })
  }

  /** By the process itself, or by its parent in the same session. */
  setpgid(pid: number, pgid: number): void {
    const task = this.alive(pid)
    if (task.leader) throw new Refused(`setpgid of ${pid}: EPERM, it leads a session`)
    const peers = [...this.processes.values()].filter((other) => other.pgid === pgid && other.sid === task.sid)
    if (pid !== pgid && peers.length === 0) throw new Refused(`setpgid(${pid}, ${pgid}): EPERM, no such group in session ${task.sid}`)
    task.pgid = pgid
  }

  subreaper(pid: number, on: boolean): void {
    this.alive(pid).subreaper = on
  }

  exit(pid: number): void {
    const task = this.alive(pid)
    const heir = this.#newReaper(task)
    for (const child of this.processes.values()) if (child.parent === pid) child.parent = heir
    task.zombie = true
    // Init waits for whoever comes to it.
    if (task.parent === OUTER) this.processes.delete(pid)
    for (const child of [...this.processes.values()]) if (child.parent === OUTER && child.zombie) this.processes.delete(child.pid)
  }

  #newReaper({ parent }: Process): number {
    for (let at = this.processes.get(parent); at; at = this.processes.get(at.parent)) if (at.subreaper && !at.zombie) return at.pid
    return OUTER
  }

  reap(parent: number, pid: number): void {
    this.alive(parent)
    const child = this.processes.get(pid)
    if (child?.parent !== parent) throw new Refused(`wait of ${parent} for ${pid}: ECHILD, its parent is ${child?.parent}`)
    if (!child.zombie) throw new Refused(`wait of ${parent} for ${pid}: it has not exited before`)
    this.processes.delete(pid)
  }
}

/** Carries out a plan. The tasks of a round take turns in an order that `pick` makes up: `pick(n)` is one of 0 to n - 1. */
export function execute(
  plan: BirthPlan,
  root: Pick<Member, "pid">,
  outer: { pgid: number; sid: number },
  pick: (n: number) => number,
): Kernel {
  const kernel = new Kernel(outer)
  const pids = new Map<TaskId, number>([[root.pid, kernel.clone(OUTER, root.pid)]])
  const pidOf = (task: TaskId): number => {
    const pid = pids.get(task)
    if (pid === undefined) throw new Refused(`task ${task} is not born yet`)
    return pid
  }
  for (const round of [...plan.rounds, ...plan.groups, plan.deaths]) {
    // Who has acts in a round must be there when it begins: the programs are all started at once.
    const turns = [...round].map(([task, acts]) => ({ pid: pidOf(task), acts: [...acts] }))
    while (turns.length > 0) {
      const index = pick(turns.length)
      const turn = turns[index]!
      const act = turn.acts.shift()
      if (act) perform(kernel, turn.pid, act, pids)
      if (turn.acts.length === 0) turns.splice(index, 1)
    }
  }
  return kernel
}

function perform(kernel: Kernel, pid: number, act: Act, pids: Map<TaskId, number>): void {
  if (act.act === "clone") pids.set(act.child, kernel.clone(pid, act.child > 0 ? act.child : undefined))
  else if (act.act === "setsid") kernel.setsid(pid)
  else if (act.act === "setpgid") kernel.setpgid(pid, act.pgid === "outside" ? kernel.alive(OUTER).pgid : act.pgid)
  else if (act.act === "subreaper") kernel.subreaper(pid, act.on)
  else if (act.act === "reap") kernel.reap(pid, pids.get(act.child) ?? 0)
  else kernel.exit(pid)
}
