import { SECCOMP_RET } from "../../../ffi/abi/seccomp.ts"

/** One instruction: code, operand, jumps. Header: include/uapi/linux/bpf_common.h */
export type Instruction = readonly [code: number, k: number, jt?: number, jf?: number]

export const LOAD_NUMBER: Instruction = [0x20, 0]
/** Loads the low half of an argument. */
export const loadArgument = (index: number): Instruction => [0x20, 16 + 8 * index]
export const answer = (k: number): Instruction => [0x06, k]
export const errno = (number: number): Instruction => answer(SECCOMP_RET.ERRNO + number)
/** Answers `error` to one call, lets all others through. */
export const refusing = (number: number, error: number): Uint8Array =>
  assemble([LOAD_NUMBER, [0x15, number, 0, 1], errno(error), answer(SECCOMP_RET.ALLOW)])

/** Instructions as struct sock_filter array. */
export function assemble(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * instructions.length)
  const view = new DataView(bytes.buffer)
  for (const [at, [code, k, jt = 0, jf = 0]] of instructions.entries()) {
    view.setUint16(8 * at, code, true)
    view.setUint8(8 * at + 2, jt)
    view.setUint8(8 * at + 3, jf)
    view.setUint32(8 * at + 4, k >>> 0, true)
  }
  return bytes
}

/** Numbers from 0 to below `bound`, the same with every run. */
export function dice(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

const WORDS = [0, 1, 2, 5, 31, 0xff, 0x7fffffff, 0x80000000, 0xffffffff]

/** A filter that the kernel takes: every kind of instruction, jumps that stay inside, answers of ERRNO and ALLOW. */
export function randomFilter(roll: (bound: number) => number): Uint8Array {
  const word = (): number => WORDS[roll(WORDS.length)] ?? 0
  // Scratch words are written before any is read, as the kernel demands.
  const code: Instruction[] = [LOAD_NUMBER, [0x02, 0], [0x02, 1], [0x01, word()], [0x03, 2]]
  const body = 5 + roll(30)
  const bodies: readonly (() => Instruction)[] = [
    () => [0x20, [0, 4, 16, 20, 24, 28, 40, 44, 60][roll(9)] ?? 0],
    () => [0x00, word()],
    () => [0x01, word()],
    () => [0x80, 0],
    () => [0x81, 0],
    () => [0x60, roll(3)],
    () => [0x61, roll(3)],
    () => [0x02, roll(3)],
    () => [0x03, roll(3)],
    () => [0x07, 0],
    () => [0x87, 0],
    () => [0x84, 0],
    () => [[0x04, 0x14, 0x24, 0x44, 0x54, 0xa4][roll(6)] ?? 4, word()],
    () => [[0x0c, 0x1c, 0x2c, 0x3c, 0x4c, 0x5c, 0xac][roll(7)] ?? 0x0c, 0],
    () => [0x34, 1 + roll(9)],
    () => [[0x64, 0x74][roll(2)] ?? 0x64, roll(32)],
  ]
  for (let at = 0; at < body; at++) {
    const left = body - at
    const jump = roll(3) === 0
    if (jump) code.push([[0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d][roll(8)] ?? 0x15, word(), roll(left), roll(left)])
    else code.push(bodies[roll(bodies.length)]?.() ?? LOAD_NUMBER)
  }
  // The answer tells what the accumulator was: its low bits choose one.
  code.push([0x54, 7], [0x15, 3, 0, 1], errno(3), [0x25, 4, 0, 1], answer(SECCOMP_RET.ALLOW), errno(1 + roll(30)))
  return assemble(code)
}
