import type { AnySchema, Field } from "../../proto/schema.ts"
import { valuesOf } from "../../proto/schema.ts"
import { safeText } from "./show-table.ts"
import {
  ACTION_SIGNAL_NAMES,
  AUXV_NAMES,
  LIMITS,
  MADVICE,
  mapWords,
  openWords,
  PAGEMAP,
  protWords,
  SIGACTION,
  STATES,
  signalName,
  signalWords,
  VMA_STATUS,
  wordsOf,
} from "./show-words.ts"

type Form = (value: number | bigint) => string
const hex: Form = (value) => `0x${value.toString(16)}`
const octal: Form = (value) => `0${value.toString(8)}`
const position: Form = (value) => (BigInt(value) === 2n ** 64n - 1n ? "-1 (do not seek)" : String(value))
const limit: Form = (value) => (BigInt(value) === 2n ** 64n - 1n ? "unlimited" : String(value))
const signals: Form = (value) => `${hex(value)} (${signalWords(BigInt(value))})`
const flagged =
  (words: (value: number) => string): Form =>
  (value) =>
    `${hex(value)} (${words(Number(value))})`
/** Kernel form of a device number: major << 20 | minor. */
const device: Form = (value) => `${Number(value) >>> 20}:${Number(value) & 0xfffff}`

const OPENED = [
  "reg_file",
  "eventfd_file",
  "eventpoll_file",
  "pipe",
  "memfd_file",
  "signalfd",
  "timerfd",
  "tty_file",
  "inotify_file",
  "fanotify_file",
  "unix_sk",
  "inet_sk",
  "netlink_sk",
  "packet_sock",
  "pidfd",
  "bpfmap_file",
  "ns_file",
]

/** How single fields are shown; a field that is not here goes by `formOf`. */
const FORMS: Readonly<Record<string, Form>> = {
  "vma_entry.prot": flagged(protWords),
  "vma_entry.flags": flagged(mapWords),
  "vma_entry.status": flagged((value) => wordsOf(value, VMA_STATUS).join(" ")),
  "vma_entry.madv": flagged((value) => wordsOf(value, MADVICE).join(" ")),
  "vma_entry.fdflags": flagged(openWords),
  "vma_entry.pgoff": hex,
  "pagemap_entry.flags": flagged((value) => wordsOf(value, PAGEMAP).join(" ")),
  "sa_entry.flags": flagged((value) => wordsOf(value >>> 0, SIGACTION).join(" ") || "none"),
  "sa_entry.mask": signals,
  "task_core_entry.blk_sigset": signals,
  "thread_core_entry.blk_sigset": signals,
  "signalfd_entry.sigmask": signals,
  "task_core_entry.task_state": (value) => `${value} (${STATES[Number(value)] ?? "unknown"})`,
  "task_core_entry.stop_signo": (value) => `${value} (${signalName(Number(value))})`,
  "reg_file_entry.pos": position,
  "rlimit_entry.cur": limit,
  "rlimit_entry.max": limit,
  "fs_entry.umask": octal,
  "fdinfo_entry.flags": (value) => `${value}${Number(value) & 1 ? " (cloexec)" : ""}`,
  "mnt_entry.root_dev": device,
  "eventpoll_tfd_entry.dev": device,
  "inotify_wd_entry.s_dev": device,
  "fanotify_mark_entry.s_dev": device,
  ...Object.fromEntries(OPENED.map((name) => [`${name}_entry.flags`, flagged(openWords)])),
}

/** Names of fields that are addresses, masks or bit sets wherever they occur. */
const HEX =
  /^(mm_(?!saved)\w+|start|end|vaddr|\w*_(pointer|rla|addr|base|ptr|mask|flags|bv|space|upper|zmm|state|reg|cs|ip|area)|signature|sigaction|restorer|ss_sp|flags|events|data|madv|seals|hugetlb_flag|tls|cap_\w+|capability|build_id|handle|frozen_ip|mxcsr)$/
const OCTAL = /^(mode|dir_mode)$/
const REGISTERS = /^user_\w+_(regs|gpregs|fpregs|xsave|fpsimd_context|d_ext|cet)_entry$|^pac_\w+_keys$/

function formOf(schema: AnySchema, field: Field): Form {
  const form = FORMS[`${schema.name}.${field.name}`]
  if (form) return form
  if (OCTAL.test(field.name) && !schema.name.startsWith("macvlan")) return octal
  return HEX.test(field.name) || REGISTERS.test(schema.name) ? hex : String
}

/** Printable bytes as text, others as \xNN. */
const printable = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("")

/** Bytes for people: their number, the first 64 in hexadecimal and as text. */
export function bytesText(bytes: Uint8Array): string {
  const first = bytes.subarray(0, 64)
  return `${bytes.length} bytes ${first.toHex()}${bytes.length > 64 ? "..." : ""} "${printable(first)}"`
}

/** A siginfo_t: include/uapi/asm-generic/siginfo.h puts number, errno and code first. */
function siginfoText(bytes: Uint8Array): string {
  if (bytes.length < 12) return bytesText(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return `${signalName(view.getInt32(0, true))} code ${view.getInt32(8, true)}, ${bytesText(bytes)}`
}

/** One value of a field that holds no message. */
function scalarText(schema: AnySchema, field: Field, value: unknown): string {
  if (field.type === "enum" && typeof value === "number") return `${field.values[value] ?? value}`
  if (typeof value === "number" || typeof value === "bigint") return formOf(schema, field)(value)
  if (value instanceof Uint8Array) return field.name === "siginfo" ? siginfoText(value) : bytesText(value)
  return typeof value === "string" ? safeText(JSON.stringify(value)) : String(value)
}

/** What the items of a list stand for, where their position says it. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  "task_core_entry.sigactions": ACTION_SIGNAL_NAMES,
  "task_rlimits_entry.rlimits": LIMITS,
}

const auxvLines = (words: readonly bigint[], indent: string): string[] =>
  Array.from({ length: Math.ceil(words.length / 2) }, (_, pair) => {
    const [key = 0n, value = 0n] = words.slice(pair * 2, pair * 2 + 2)
    return `${indent}${(AUXV_NAMES[String(key)] ?? String(key)).padEnd(18)} ${hex(value)}`
  })

function flatText(schema: AnySchema, message: object): string {
  const values = valuesOf(message)
  const parts = schema.fields
    .filter(({ name }) => values[name] !== undefined)
    .map((field) => `${field.name} ${scalarText(schema, field, values[field.name])}`)
  return parts.join(", ") || "{}"
}

function listLines(schema: AnySchema, field: Field, items: readonly unknown[], indent: string): string[] {
  if (field.name === "mm_saved_auxv") return [`${indent}${field.name}`, ...auxvLines(items as bigint[], `${indent}  `)]
  if (field.type !== "message")
    return [`${indent}${field.name} [${items.length}] ${items.map((item) => scalarText(schema, field, item)).join(" ")}`]
  const labels = LABELS[`${schema.name}.${field.name}`]
  const labelOf = (at: number): string => labels?.[at] ?? String(at)
  const inner = field.message()
  const head = `${indent}${field.name} [${items.length}]`
  if (isFlat(inner)) return [head, ...flatLines(inner, items as object[], labelOf, `${indent}  `)]
  return [head, ...items.flatMap((item, at) => [`${indent}  ${labelOf(at)}`, ...messageLines(inner, item as object, `${indent}    `)])]
}

/** Whether a message fits one line: it holds no messages and no lists. */
export const isFlat = (schema: AnySchema): boolean => schema.fields.every(({ type, label }) => type !== "message" && label !== "repeated")

/** Messages that fit one line each; neighbours that are alike share one, as "SIGHUP-SIGUSR1". */
export function flatLines(schema: AnySchema, messages: readonly object[], labelOf: (at: number) => string, indent: string): string[] {
  const groups: { from: number; to: number; text: string }[] = []
  for (const [at, message] of messages.entries()) {
    const text = flatText(schema, message)
    const last = groups.at(-1)
    if (last?.text === text) last.to = at
    else groups.push({ from: at, to: at, text })
  }
  const labels = groups.map(({ from, to }) => (from === to ? labelOf(from) : `${labelOf(from)}-${labelOf(to)}`))
  const width = Math.max(0, ...labels.map(({ length }) => length))
  return groups.map(({ text }, at) => `${indent}${labels[at]?.padEnd(width)} ${text}`)
}

/** A message as lines: every field that is set, its name as in the format. */
export function messageLines(schema: AnySchema, message: object, indent: string): string[] {
  const values = valuesOf(message)
  const present = schema.fields.filter(({ name }) => values[name] !== undefined)
  const width = Math.max(
    0,
    ...present.filter(({ type, label }) => type !== "message" && label !== "repeated").map(({ name }) => name.length),
  )
  return present.flatMap((field) => {
    const value = values[field.name]
    if (Array.isArray(value)) return value.length > 0 ? listLines(schema, field, value, indent) : []
    if (field.type !== "message") return [`${indent}${field.name.padEnd(width)} ${scalarText(schema, field, value)}`]
    const inner = field.message()
    if (isFlat(inner) && inner.fields.length < 12) return [`${indent}${field.name} ${flatText(inner, value as object)}`]
    return [`${indent}${field.name}`, ...messageLines(inner, value as object, `${indent}  `)]
  })
}
