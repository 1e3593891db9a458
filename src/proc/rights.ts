import { readLinkIfAlive } from "./source.ts"
import { readStatus } from "./status.ts"

/** Link of the first user namespace. Kernel: include/linux/proc_ns.h PROC_USER_INIT_INO */
const FIRST_USER_NAMESPACE = "user:[4026531837]"

/** Whether this tool is in the machine's own user namespace: only there do capabilities count for what belongs to the machine. */
export function inFirstUserNamespace(): boolean {
  // A kernel without CONFIG_USER_NS has no such link, and no other namespace.
  const link = readLinkIfAlive("/proc/self/ns/user")
  return link === null || link === FIRST_USER_NAMESPACE
}

/**
 * Whether this tool is the first process of its PID namespace: others without a parent become its children, and all end with it. Man page:
 * pid_namespaces(7)
 */
export const isFirstProcess = (): boolean => process.pid === 1

/** Whether this tool has a capability in force, by its number; in a user namespace, for what belongs to that. Man page: capabilities(7) */
export const hasCapability = (capability: number): boolean => ((readStatus(process.pid).capEffective >> BigInt(capability)) & 1n) === 1n

/** Whether this tool has a capability for the whole machine. Kernel: kernel/capability.c capable() */
export const mayOnMachine = (capability: number): boolean => hasCapability(capability) && inFirstUserNamespace()
