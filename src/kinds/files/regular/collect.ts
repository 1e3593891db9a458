import { O, S_IF } from "../../../../ffi/abi/file.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { fileResource, inheritOption } from "../external.ts"
import { isDetached, reasonIn, refuseDetached, wayBackTo } from "../name.ts"
import { kindOf } from "../stat.ts"
import { fileFacts } from "../table.ts"
import { barOn } from "./barred.ts"
import { isAboutProcess, refuseDeparted } from "./departed.ts"

/** Major number of memory devices, and those of its minors that keep nothing for who opened them. Documentation/admin-guide/devices.txt */
const MEMORY_MAJOR = 1
const PLAIN_MINORS = { null: 3, zero: 5, full: 7, random: 8, urandom: 9 } as const
const plain = new Set<number>(Object.values(PLAIN_MINORS))

/** What memfd_secret(2) makes: nobody else may read it. Kernel: mm/secretmem.c */
const SECRET = "/secretmem (deleted)"

/** Files, directories, symbolic links opened with O_PATH, and /dev/null and its kin. With O_PATH, whatever has a path. */
export function isRegular({ target, stat, flags }: Found): boolean {
  if (!target.startsWith("/") || target.startsWith("/memfd:") || target === SECRET) return false
  const kind = kindOf(stat.mode)
  if (kind === S_IF.REG || kind === S_IF.DIR || kind === S_IF.LNK || (flags & O.PATH) !== 0) return true
  return kind === S_IF.CHR && stat.rdevMajor === MEMORY_MAJOR && plain.has(stat.rdevMinor)
}

/** Files of a thread in /proc: threads do not exist yet when files are opened. */
const ofThread = /^\/proc\/\d+\/task(?:\/|$)/

/** Why the file of a descriptor cannot be opened again as it is; undefined when it can. */
export function refuseRegular(found: Found, { keeping, externals = [] }: Pick<Surveying, "keeping" | "externals">): Reason | undefined {
  const { target, stat, flags } = found
  if (isExternal(found, externals)) return undefined
  const bar = barOn(flags, stat)
  if (bar)
    return {
      what: `"${target}", which is open for writing and has become ${bar.word}: nobody can open it like that again`,
      remedy: `Let it be written to, until the program has been restored: chattr ${bar.option}`,
    }
  const wayBack = wayBackTo(linkOf(found), target, stat, keeping)
  if ("way" in wayBack && wayBack.way === "name" && ofThread.test(target))
    return { what: `"${target}", a file about one thread`, remedy: "Let the program close it before the dump" }
  if ("way" in wayBack && wayBack.way === "departed") return refuseDeparted(found)
  // An open_tree(2) is the mount itself: the file is found by its name, and would not be what move_mount(2) takes.
  const reason = reasonIn(wayBack) ?? (flags & O.PATH ? refuseDetached(linkOf(found), target) : undefined)
  if (!reason || !isDetached(linkOf(found))) return reason
  const resource = fileResource(found)
  return { ...reason, remedy: `${reason.remedy}; or give --external '${resource}' at dump and ${inheritOption(resource)} at restore` }
}

/** True for a file that whoever restores gives. */
const isExternal = (found: Found, externals: readonly string[]): boolean => externals.length > 0 && externals.includes(fileResource(found))

const linkOf = ({ pid, fd }: Found): string => `/proc/${pid}/fd/${fd}`

/** Pressure stall information: who has it open for writing waits there for what it has asked for. Documentation/accounting/psi.rst */
const ofPressure = /^\/proc\/pressure\/|^\/sys\/fs\/cgroup\/.*\.pressure$/

/** An open file with a path -> its entry. Mirror: ./restore.ts. No build ID: readers that find none compare size and mode alone. */
export function collectRegular(
  file: OpenFile,
  { table, keeping, externals, losses }: Pick<Collecting, "table" | "keeping" | "externals" | "losses">,
): reg_file_entry {
  const { id, flags, info, owner, target, stat } = file
  const known = { id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner }
  if ((flags & O.ACCMODE) !== O.RDONLY && ofPressure.test(target))
    losses.push(`what fd ${file.fd} of task ${file.pid} waits for in "${target}", a trigger that the kernel tells nobody`)
  // F_NOTIFY makes its caller the owner, of which a directory has no other use.
  if (kindOf(stat.mode) === S_IF.DIR && owner.pid !== 0)
    losses.push(`what fd ${file.fd} of task ${file.pid} is told of "${target}" (F_NOTIFY), which the kernel tells nobody`)
  if (isExternal(file, externals)) return { ...known, ...fileFacts(fileResource(file), stat, flags), ext: true, build_id: [] }
  const wayBack = wayBackTo(linkOf(file), target, stat, keeping)
  if ("what" in wayBack) throw new Error(`Unreachable: fd ${file.fd} was not refused and is ${wayBack.what}`)
  if (wayBack.way === "departed" && kindOf(stat.mode) === S_IF.REG && info.pos > 0n && isAboutProcess(target))
    losses.push(
      `what fd ${file.fd} of task ${file.pid} has still to be read of "${target}", a process that has ended: the kernel alone knows`,
    )
  const name = table.noteWayBack(id, wayBack, linkOf(file), stat)
  return { ...known, ...fileFacts(name, stat, flags), build_id: [] }
}
