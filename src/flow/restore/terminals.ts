import type { FileImages } from "../../kinds/files/images.ts"
import type { Reserved } from "../../kinds/files/restore.ts"
import { restoreControlled, type SharedNumbers } from "../../kinds/files/restore-shared.ts"
import { makePairs, wantedPairs } from "../../kinds/files/tty/reserve.ts"
import { restoreControl } from "../../kinds/files/tty/restore.ts"
import type { TaskId } from "../../kinds/tree/plan.ts"
import type { Program } from "../../tracee/program.ts"
import type { ServiceDescriptors } from "./descriptors.ts"

type Terminals = Pick<Reserved, "terminal" | "masters">

/** Terminals that new processes inherit, at reserved numbers. Disposal closes what is still ours. */
export interface SharedTerminals extends Disposable {
  readonly numbers: Terminals
  /** Closes the tool's descriptors of masters, when the first process has its own. */
  release(): void
  /** What the leader of a new session does: see Births of src/kinds/tree/restore.ts. Only the living have a terminal. */
  takeTerminal(living: ReadonlySet<number>, numbers: SharedNumbers): (task: TaskId, program: Program) => void
}

const taker =
  (files: Omit<FileImages, "fdinfos">, terminals: Terminals): SharedTerminals["takeTerminal"] =>
  (living, numbers) =>
  (task, program) => {
    if (!living.has(task)) return
    restoreControl(task, { ...terminals, ttyInfos: files.ttyInfos }, program)
    restoreControlled(task, files, numbers, terminals, program)
  }

/**
 * Makes the pairs of a set of images, and shares them with the terminal that the tool runs on.
 *
 * @param own descriptor of that terminal; undefined without one
 * @throws CheckpointError E_RESTORE a number belongs to another program
 */
export function shareTerminals(files: Omit<FileImages, "fdinfos">, own: number | undefined, services: ServiceDescriptors): SharedTerminals {
  const pairs = makePairs(files)
  const masters = new Map([...pairs.masters].map(([index, fd]) => [index, services.share(fd)]))
  const numbers = { terminal: own === undefined ? undefined : services.share(own), masters }
  return {
    numbers,
    release() {
      // A terminal is hung up when the last descriptor of its master is closed: that is for the new processes to decide.
      pairs[Symbol.dispose]()
      for (const number of masters.values()) services.forget(number)
    },
    takeTerminal: taker(files, numbers),
    [Symbol.dispose]: () => pairs[Symbol.dispose](),
  }
}

/**
 * Numbers as `shareTerminals` gives them, for terminals that are not made.
 *
 * @param own there is a terminal to be taken over
 */
export function reserveTerminals(
  files: Omit<FileImages, "fdinfos">,
  own: boolean,
  services: Pick<ServiceDescriptors, "reserve">,
): Pick<SharedTerminals, "numbers" | "takeTerminal"> {
  const masters = new Map(wantedPairs(files).map(({ index }) => [index, services.reserve()]))
  const numbers = { terminal: own ? services.reserve() : undefined, masters }
  return { numbers, takeTerminal: taker(files, numbers) }
}
