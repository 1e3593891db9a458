import { SOF_TIMESTAMPING } from "../../../../ffi/abi/ip.ts"
import { IPPROTO, SO, SOCK, SOL_SOCKET, TCP } from "../../../../ffi/abi/socket.ts"
import { OPTION_MOST, optionSlot } from "../../../../ffi/stub/record.ts"
import { attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"
import type { stasis_socket_option } from "../../../../proto/gen/stasis_pb.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { askOption, askOptions, listOptions, type OptionList, optionIn } from "./ask.ts"
import { isPacket, isTcp, LEVELS, type Subject } from "./beyond-names.ts"
import { setOption } from "./options.ts"

/** Longest value, bytes: headers of IPv6 that are sent with each packet. */
const ROOM = 2048
/** What a segment may be told to have at most, and what a new socket says. Kernel: net/ipv4/tcp.c tcp_sock_set_maxseg() */
const [MAXSEG_LEAST, MAXSEG_MOST, MAXSEG_NEW] = [88, 32767, 536]
/** Where struct tcp_info has what segments have now; 0 when listening. Header: include/uapi/linux/tcp.h tcpi_snd_mss */
const [SEGMENT_AT, SEGMENT_END] = [16, 20]

const numberOf = (value: Uint8Array): number => (value.length < 4 ? 0 : new DataView(value.buffer, value.byteOffset).getInt32(0, true))

/** What a socket can be told: TCP numbers what is sent in connections only, and where no limit of segments was set it tells their size. */
function settable(fd: number, { level, name, value }: stasis_socket_option, subject: Subject): stasis_socket_option | undefined {
  const isStamping = level === SOL_SOCKET && (name === SO.TIMESTAMPING || name === SO.TIMESTAMPING_NEW)
  if (isStamping && isTcp(subject)) {
    const cut = value.slice()
    new DataView(cut.buffer).setInt32(0, numberOf(value) & ~(SOF_TIMESTAMPING.OPT_ID | SOF_TIMESTAMPING.OPT_ID_TCP), true)
    return { level, name, value: cut }
  }
  if (level !== IPPROTO.TCP || name !== TCP.MAXSEG) return { level, name, value }
  const bytes = numberOf(value)
  const now = numberOf(askOption(fd, IPPROTO.TCP, TCP.INFO, SEGMENT_END)?.slice(SEGMENT_AT) ?? new Uint8Array(0))
  return bytes >= MAXSEG_LEAST && bytes <= MAXSEG_MOST && bytes !== (now || MAXSEG_NEW) ? { level, name, value } : undefined
}

/** The options that a kind of socket has, and what they are in a new one. */
interface Usual {
  readonly names: readonly (readonly [level: number, name: number])[]
  readonly list: OptionList
  readonly slots: Buffer
  readonly options: readonly (stasis_socket_option | undefined)[]
}

/** @param at place among the names   @param slots of `askOptions` */
function optionAt(
  at: number,
  fd: number,
  { names }: Pick<Usual, "names">,
  slots: Buffer,
  subject: Subject,
): stasis_socket_option | undefined {
  const [level, name] = names[at] ?? [0, 0]
  const told = optionIn(slotAt(slots, at), fd, level, name)
  const value = told === "cut" ? askOption(fd, level, name, ROOM) : told
  return value && settable(fd, { level, name, value }, subject)
}

const slotAt = (slots: Buffer, at: number): Buffer => slots.subarray(at * optionSlot.size, (at + 1) * optionSlot.size)

/** Whether a value may be longer than its slot. */
const isCut = (slots: Buffer, at: number): boolean => slotAt(slots, at).readUInt32LE(optionSlot.fields.length[0]) >= OPTION_MOST

const kinds = new Map<string, Usual>()

/** What is usual for a kind of socket: asked of a new one. undefined when we may not make one. */
function usualOf(subject: Subject): Usual | undefined {
  const { family, type } = subject
  // A packet socket without a protocol hears nothing.
  const protocol = isPacket(subject) ? 0 : subject.protocol
  const key = `${family}:${type}:${protocol}:${subject.isFresh}`
  const known = kinds.get(key)
  if (known) return known
  const fd = attempt("socket", family, type | SOCK.CLOEXEC, protocol)
  if (isFailure(fd)) return undefined
  try {
    const names = LEVELS.filter(({ belongs }) => belongs(subject)).flatMap(({ level, names }) =>
      names.map((name) => [level, name] as const),
    )
    const list = listOptions(names)
    const slots = Buffer.from(askOptions(fd, list))
    const found = { names, list, slots, options: names.map((_, at) => optionAt(at, fd, { names }, slots, subject)) }
    kinds.set(key, found)
    return found
  } finally {
    syscall("close", fd)
  }
}

/** Options that CRIU's images have no field for, those that differ from a new socket's. Mirror: restoreBeyond */
export function collectBeyond(fd: number, subject: Subject): stasis_socket_option[] {
  const usual = usualOf(subject)
  if (!usual) return []
  const slots = askOptions(fd, usual.list)
  // Most sockets are as they were made.
  if (slots.equals(usual.slots)) return []
  const ours = Buffer.from(slots)
  return usual.names.flatMap((_, at) => {
    if (slotAt(ours, at).equals(slotAt(usual.slots, at)) && !isCut(ours, at)) return []
    const option = optionAt(at, fd, usual, ours, subject)
    const value = usual.options[at]?.value
    return !option || (value && Buffer.compare(value, option.value) === 0) ? [] : [option]
  })
}

/** Appends those options; only ones that `collectBeyond` knows, whatever an image says. */
export function restoreBeyond(options: readonly stasis_socket_option[], program: Program, fd: Argument, about: string): void {
  for (const { level, name, value } of options)
    if (LEVELS.some((one) => one.level === level && one.names.includes(name)))
      setOption(program, fd, level, name, value, `option ${level}:${name} of ${about}`)
}
