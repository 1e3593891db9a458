import { MPOL, MPOL_F_ADDR } from "../../../../ffi/abi/mempolicy.ts"
import type { stasis_mempolicy_entry } from "../../../../proto/gen/stasis_pb.ts"
import type { Mapping } from "../../../proc/maps.ts"
import type { Answers, Data, Program, Result } from "../../../tracee/program.ts"
import { readNodes, trimmed } from "./nodes.ts"

/** Where the answers about one policy will be. */
export interface PolicyQuestion {
  readonly mode: Data
  readonly nodes: Data
  readonly answer: Result
}

/** Bytes of a node mask on this host: whole words. */
let maskSize: number | undefined
const nodesSize = (): number => {
  maskSize ??= Math.max(8, Math.ceil(trimmed(readNodes("possible")).length / 8) * 8)
  return maskSize
}

/** The kernel takes one bit less than it is told. Kernel: mm/mempolicy.c get_nodes(), copy_nodes_to_user() */
export const maxNode = (bytes: number): number => bytes * 8 + 1

function ask(program: Program, address: bigint, flags: number): PolicyQuestion {
  const size = nodesSize()
  const mode = program.room(4)
  const nodes = program.room(size)
  return { mode, nodes, answer: program.callWith({ mayFail: true }, "get_mempolicy", mode, nodes, maxNode(size), address, flags) }
}

/** Appends the question for a thread's own memory policy to its program. Without CONFIG_NUMA there is none. */
export const askThreadPolicy = (program: Program): PolicyQuestion => ask(program, 0n, 0)

/** Appends the questions for the policies of memory areas to the program of any thread. The kernel's own areas have none. */
export const askAreaPolicies = (program: Program, mappings: readonly Mapping[]): ReadonlyMap<bigint, PolicyQuestion> =>
  new Map(mappings.filter(({ path }) => !path.startsWith("[v")).map(({ start }) => [start, ask(program, start, MPOL_F_ADDR)]))

/**
 * One memory policy; undefined where nobody chose one. Mirror: ./restore.ts
 *
 * Lost: the home node (set_mempolicy_home_node), which no call and no file of the kernel tells.
 */
export function collectPolicy(answers: Answers, { mode, nodes, answer }: PolicyQuestion): stasis_mempolicy_entry | undefined {
  if (answers.of(answer) !== 0n) return undefined
  const bytes = answers.bytes(mode)
  const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  return value === MPOL.DEFAULT ? undefined : { mode: value, nodes: trimmed(answers.bytes(nodes)) }
}

/** The policies of areas by their start. */
export function collectAreaPolicies(
  answers: Answers,
  questions: ReadonlyMap<bigint, PolicyQuestion>,
): ReadonlyMap<bigint, stasis_mempolicy_entry> {
  const found = new Map<bigint, stasis_mempolicy_entry>()
  for (const [start, question] of questions) {
    const policy = collectPolicy(answers, question)
    if (policy) found.set(start, policy)
  }
  return found
}
