import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { XFEATURE } from "../../../ffi/abi/xsave.x86_64.ts"
import { hasProtectionKeys, xstateComponent } from "../../../ffi/cpu.x86_64.ts"
import type { stasis_task_entry } from "../../../proto/gen/stasis_pb.ts"
import type { Refusal } from "../../base/errors.ts"
import { PAGE_SIZE, type Range } from "../../base/units.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { FrozenThread } from "../../tracee/frozen.ts"
import type { Answers, Program, Result } from "../../tracee/program.ts"

/** Key 0 is everybody's. Header: arch/x86/include/asm/mmu_context.h */
const LAST_KEY = 15
/** The rights that the kernel gives a new program: no access by any key but 0. Kernel: arch/x86/mm/pkeys.c init_pkru_value */
const DEFAULT_RIGHTS = 0x5555_5554
/** The two bits of key 0: no access, no writing. */
const RIGHTS_OF_ALL = 0b11
/** The last page that is no user's, in front of the last one of all: behind that an area would end at 0. */
const NEVER_MAPPED = 0xffff_ffff_ffff_e000n
const ENOMEM = -12n

/** Keys of a process as our extension has them: those that it has allocated, a bit each, and the kernel's own for memory of code alone. */
export type Keys = Pick<stasis_task_entry, "protection_keys" | "execute_only_key">

/** Readable and writable by nobody: where the CPU has keys the kernel gives such an area one. Kernel: __arch_override_mprotect_pkey() */
const isCodeAlone = ({ read, write, exec, path }: Mapping): boolean => exec && !read && !write && path !== "[vsyscall]"

/** What a thread may not do, two bits a key; undefined where the CPU has no keys. @param xstate in the standard layout */
function rightsOf(xstate: Uint8Array): number | undefined {
  const rights = hasProtectionKeys() ? xstateComponent(XFEATURE.PKRU) : undefined
  return rights && new DataView(xstate.buffer, xstate.byteOffset).getUint32(rights.offset, true)
}

/**
 * A thread that denies itself memory of key 0 (a sandbox): what a dump runs in it could not use memory either, and the frame by which it
 * goes back when stasis is killed could not be read.
 */
export function surveyRights(pid: number, { tid, xstate }: Pick<FrozenThread, "tid" | "xstate">): Refusal[] {
  const rights = rightsOf(xstate)
  if (rights === undefined || (rights & RIGHTS_OF_ALL) === 0) return []
  const what = `denying itself memory without a protection key (PKRU 0x${rights.toString(16)})`
  return [{ what, where: `thread ${tid} of task ${pid}`, remedy: "Dump again when its rights allow key 0" }]
}

/**
 * Whether a process shows that it has keys: an area with one, or a thread with other rights than every new program's. Of one that has
 * allocated keys without either only the first is found: `askKeys` asks for that alone.
 */
export function showsKeys(mappings: readonly MappingDetail[], xstates: readonly Uint8Array[]): boolean {
  if (!hasProtectionKeys()) return false
  const isUsual = (xstate: Uint8Array): boolean => (rightsOf(xstate) ?? DEFAULT_RIGHTS) === DEFAULT_RIGHTS
  return !xstates.every(isUsual) || mappings.some(({ counters }) => counters.protectionKey > 0)
}

/**
 * Appends the question for each key whether it is allocated, which changes nothing: of one that is not the kernel says so before it looks
 * for an area, and here is none.
 *
 * @param shown as `showsKeys` says; without it one question is enough
 * Kernel: mm/mprotect.c do_mprotect_pkey()
 */
export function askKeys(program: Program, shown: boolean): readonly Result[] {
  if (!hasProtectionKeys()) return []
  return Array.from({ length: shown ? LAST_KEY : 1 }, (_, before) =>
    program.callWith({ mayFail: true }, "pkey_mprotect", NEVER_MAPPED, PAGE_SIZE, PROT.NONE, before + 1),
  )
}

/** The keys of a process. Mirror: `restoreKeys` */
export function collectKeys(answers: Answers, questions: readonly Result[], mappings: readonly MappingDetail[]): Keys {
  let allocated = 0
  for (const [before, question] of questions.entries()) if (answers.of(question) === ENOMEM) allocated |= 1 << (before + 1)
  // To a program's own questions the kernel denies that key.
  const key = mappings.find((mapping) => isCodeAlone(mapping) && ((1 << keyOf(mapping)) & (allocated | 1)) === 0)
  return {
    ...(allocated ? { protection_keys: allocated } : {}),
    ...(key ? { execute_only_key: keyOf(key) } : {}),
  }
}

/** The kernel's own key as a bit; 0 = there is none. */
const codeBit = ({ execute_only_key }: Keys): number => (execute_only_key === undefined ? 0 : 1 << execute_only_key)

const keyOf = ({ counters }: MappingDetail): number => counters.protectionKey

/** The key of an area, to be kept; undefined where it is the one that such an area gets by itself. Mirror: `restoreAreaKeys` */
export const areaKey = (mapping: MappingDetail): number | undefined =>
  keyOf(mapping) > 0 || (isCodeAlone(mapping) && hasProtectionKeys()) ? keyOf(mapping) : undefined

const bits = (mask: number): number[] => Array.from({ length: LAST_KEY }, (_, before) => before + 1).filter((key) => mask & (1 << key))

/** An area of our extension with its key. */
interface KeyedArea {
  readonly start: bigint
  readonly end: bigint
  readonly protection_key?: number
}

/** Keys that must be there while areas get theirs: some may have been given back since. */
const needed = (keys: Keys, areas: readonly KeyedArea[]): number =>
  areas.reduce((mask, { protection_key = 0 }) => mask | (1 << protection_key), keys.protection_keys ?? 0) & ~1

/**
 * Whether a process can have its keys when it is cloned from one that has its own already. The key that the kernel took for memory of code
 * alone is the one that no call gives back: one who does not use it is left a key less.
 *
 * @param atBirth keys of the task that it is cloned from   Kernel: arch/x86/include/asm/pkeys.h mm_pkey_is_allocated()
 */
export function fitsBirth(own: Keys | undefined, atBirth: Keys | undefined): boolean {
  const taken = atBirth?.execute_only_key
  if (taken === undefined || own?.execute_only_key === taken) return true
  return own?.execute_only_key === undefined && !((own?.protection_keys ?? 0) & (1 << taken))
}

/**
 * Appends the allocation of the keys, before any area is made. The kernel gives the lowest one that is free.
 *
 * @param atBirth keys that the process is born with
 */
export function restoreKeys(keys: Keys, areas: readonly KeyedArea[], atBirth: Keys, program: Program): void {
  for (const key of bits(atBirth.protection_keys ?? 0)) program.call("pkey_free", key)
  const own = atBirth.execute_only_key ?? keys.execute_only_key
  const wanted = needed(keys, areas) | codeBit(keys)
  for (let key = 1; wanted >> key !== 0; key++) {
    if (key !== own) program.callWith({ about: `protection key ${key}`, returns: key }, "pkey_alloc", 0, 0)
    else if (atBirth.execute_only_key === undefined) {
      // It stays with the process when its first area goes.
      const area = program.call("mmap", 0, PAGE_SIZE, PROT.EXEC, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)
      program.call("munmap", area, PAGE_SIZE)
    }
  }
}

/** Appends the keys of areas, after all else that their memory needs, and gives back the keys that the process did not have any more. */
export function restoreAreaKeys(
  keys: Keys,
  areas: readonly KeyedArea[],
  vmas: readonly (Range & { readonly prot: number })[],
  program: Program,
): void {
  for (const { start, end, protection_key: key } of areas) {
    // [vvar] and [vvar_vclock] are one entry, which begins with the former.
    const prot = vmas.find((vma) => vma.start <= start && start < vma.end)?.prot
    if (key === undefined || prot === undefined || key === keys.execute_only_key) continue
    const about = `protection key ${key} of the area at 0x${start.toString(16)}`
    program.callWith({ about }, "pkey_mprotect", start, end - start, prot, key)
  }
  const kept = (keys.protection_keys ?? 0) | codeBit(keys)
  const made = needed(keys, areas) | kept
  for (let key = 1; made >> key !== 0; key++) if (!((1 << key) & kept)) program.call("pkey_free", key)
}
