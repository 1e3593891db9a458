import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { CAP, capData, capHeader, LINUX_CAPABILITY_VERSION_3, SECBIT_NO_SETUID_FIXUP } from "../../ffi/abi/caps.ts"
import { FAN, FAN_MARK, IN, INOTIFY_IOC_SETNEXTWD, inotifyEvent } from "../../ffi/abi/notify.ts"
import * as prctl from "../../ffi/abi/prctl.ts"
import { ROBUST_LIST_HEAD_SIZE, rlimit64 } from "../../ffi/abi/resource.ts"
import { IOPRIO_WHO_PROCESS, MEMBARRIER, PRIO_PROCESS, SCHED, SCHED_FLAG, SCHED_RESET_ON_FORK, schedAttr } from "../../ffi/abi/sched.ts"
import {
  CLOCK,
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_THREAD_CPUTIME_ID,
  CPUCLOCK,
  ITIMER,
  itimerspec,
  itimerval,
  SIGEV,
  sigevent,
  TFD_IOC_SET_TICKS,
  TFD_TIMER,
} from "../../ffi/abi/timer.ts"
import type { Fields, Layout } from "../../ffi/layout.ts"
import { compiler } from "../harness/compile.ts"
import { scratch } from "../harness/folders.ts"

/** Names that these objects hold, with the prefix that the headers give them. */
const named = (prefix: string, values: Readonly<Record<string, number>>, renamed: Readonly<Record<string, string>> = {}) =>
  Object.entries(values).map(([name, value]) => [renamed[name] ?? `${prefix}${name}`, value] as const)

const CONSTANTS: readonly (readonly [string, number])[] = [
  ...named("PR_", prctl.PR),
  ...named("PR_FUTEX_HASH_", prctl.PR_FUTEX_HASH),
  ...named("PR_CAP_AMBIENT_", prctl.PR_CAP_AMBIENT),
  ...named("ARCH_", process.arch === "x64" ? prctl.ARCH : {}),
  ...named("SCHED_", SCHED),
  ...named("SCHED_FLAG_", SCHED_FLAG),
  ...named("MEMBARRIER_CMD_", MEMBARRIER),
  ...named("ITIMER_", ITIMER),
  ...named("SIGEV_", SIGEV),
  ...named("CLOCK_", CLOCK),
  ...named("TFD_TIMER_", TFD_TIMER),
  ["TFD_IOC_SET_TICKS", TFD_IOC_SET_TICKS],
  ...named("CAP_", CAP),
  ...named("IN_", IN),
  ...named("FAN_", FAN),
  ...named("FAN_MARK_", FAN_MARK),
  ["INOTIFY_IOC_SETNEXTWD", INOTIFY_IOC_SETNEXTWD],
  ["PR_SPEC_PRCTL", prctl.PR_SPEC_PRCTL],
  ["PR_SPEC_ENABLE", prctl.PR_SPEC_ENABLE],
  ["PR_SPEC_L1D_FLUSH + 1", prctl.SPECULATION_COUNT],
  ["PR_TSC_ENABLE", prctl.PR_TSC_ENABLE],
  ["PR_MCE_KILL_CLEAR", prctl.PR_MCE_KILL_CLEAR],
  ["PR_MCE_KILL_SET", prctl.PR_MCE_KILL_SET],
  ["PR_MCE_KILL_DEFAULT", prctl.PR_MCE_KILL_DEFAULT],
  ["PR_SCHED_CORE_GET", prctl.PR_SCHED_CORE_GET],
  ["PR_SCHED_CORE_SCOPE_THREAD", prctl.PR_SCHED_CORE_SCOPE_THREAD],
  ["PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG", prctl.PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG],
  ...(process.arch === "x64" ? ([["LDT_ENTRY_SIZE", prctl.LDT_ENTRY_SIZE]] as const) : []),
  ["SCHED_RESET_ON_FORK", SCHED_RESET_ON_FORK],
  ["IOPRIO_WHO_PROCESS", IOPRIO_WHO_PROCESS],
  ["PRIO_PROCESS", PRIO_PROCESS],
  ...named("CPUCLOCK_", CPUCLOCK),
  ["CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID],
  ["CLOCK_MONOTONIC", CLOCK_MONOTONIC],
  ["CLOCK_BOOTTIME", CLOCK_BOOTTIME],
  ["_LINUX_CAPABILITY_VERSION_3", LINUX_CAPABILITY_VERSION_3],
  ["SECBIT_NO_SETUID_FIXUP", SECBIT_NO_SETUID_FIXUP],
  ["sizeof(struct robust_list_head)", ROBUST_LIST_HEAD_SIZE],
]

/** Layouts, the C type that each is, and members whose C name differs. */
const LAYOUTS: readonly (readonly [Layout<Fields>, string, Readonly<Record<string, string>>])[] = [
  [schedAttr, "struct sched_attr", {}],
  [itimerval, "struct itimerval", halves("usec", "tv")],
  [itimerspec, "struct itimerspec", halves("nsec", "tv")],
  [sigevent, "struct sigevent", { sigev_notify_thread_id: "_sigev_un._tid" }],
  [capHeader, "struct __user_cap_header_struct", {}],
  [capData, "struct __user_cap_data_struct", {}],
  [rlimit64, "struct rlimit64", {}],
  [inotifyEvent, "struct inotify_event", {}],
]

function halves(fraction: string, prefix: string): Record<string, string> {
  const rows = ["interval", "value"].flatMap((part) =>
    ["sec", fraction].map((unit) => [`it_${part}_${unit}`, `it_${part}.${prefix}_${unit}`]),
  )
  return Object.fromEntries(rows)
}

const SOURCE = `
#include <stddef.h>
#include <stdio.h>
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/fanotify.h>
#include <linux/futex.h>
#include <linux/inotify.h>
#include <linux/ioprio.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/securebits.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/timerfd.h>
#define CONSTANT(index, value) printf("%d %lld\\n", index, (long long)(value));
int main(void) {`

test.skipIf(!compiler())("ABI of process attributes: constants and layouts are the C compiler's", () => {
  // Macros that these headers are too old for are left out; enumerators cannot be asked for, so they count as known.
  const enumerators = /^(?:MEMBARRIER|IOPRIO|sizeof|PR_SPEC_L1D)/
  const expected: [string, number][] = []
  const lines = CONSTANTS.map(([name, value]) => {
    expected.push([name, value])
    const line = `CONSTANT(${expected.length - 1}, ${name})`
    const macro = name.split(" ")[0]!
    return enumerators.test(name) ? (name === "MEMBARRIER_CMD_GET_REGISTRATIONS" ? "" : line) : `#ifdef ${macro}\n${line}\n#endif`
  })
  for (const [{ size, fields }, type, renamed] of LAYOUTS) {
    expected.push([`sizeof ${type}`, size])
    lines.push(`CONSTANT(${expected.length - 1}, sizeof(${type}))`)
    for (const [field, [offset]] of Object.entries(fields)) {
      expected.push([`${type}.${field}`, offset])
      lines.push(`CONSTANT(${expected.length - 1}, offsetof(${type}, ${renamed[field] ?? field}))`)
    }
  }
  const folder = scratch("abi")
  const source = join(folder, "abi.c")
  writeFileSync(source, `${SOURCE}\n${lines.join("\n")}\n}\n`)
  const built = Bun.spawnSync([compiler() ?? "cc", "-o", join(folder, "abi"), source])
  expect(built.stderr.toString()).toBe("")
  const answers = Bun.spawnSync([join(folder, "abi")])
    .stdout.toString()
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number))
  expect(answers.length).toBeGreaterThan(80)
  for (const [index = 0, value] of answers) expect([expected[index]![0], value]).toEqual([...expected[index]!])
})
