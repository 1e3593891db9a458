import { CAP } from "../../../ffi/abi/caps.ts"
import { AF, SO, SOCK, SOL_SOCKET } from "../../../ffi/abi/socket.ts"
import { existsSync, readFileSync } from "../../../ffi/fs.ts"
import { syscall } from "../../../ffi/syscall.ts"
import { askNumber } from "../../kinds/files/socket/ask.ts"
import { readPacketSockets } from "../../kinds/files/socket/packet-sk/table.ts"
import { readUnixSockets } from "../../kinds/files/socket/unix/sockets.ts"
import { hasCapability } from "../../proc/rights.ts"
import { USED } from "./capabilities.ts"
import type { Feature, Found } from "./feature.ts"

function capabilities(): Found {
  const missing = USED.filter((name) => !hasCapability(CAP[name]))
  if (missing.length === 0) return { present: true, detail: `all ${USED.length} that are used` }
  return { present: false, detail: `missing: ${missing.map((name) => `CAP_${name}`).join(", ")}` }
}

/** 0 no restriction, 1 descendants only, 2 with CAP_SYS_PTRACE only, 3 nobody. Documentation/admin-guide/LSM/Yama.rst */
function yama(): Found {
  const path = "/proc/sys/kernel/yama/ptrace_scope"
  if (!existsSync(path)) return { present: true, detail: "Yama is not built in" }
  const scope = Number(readFileSync(path, "utf8"))
  return { present: scope === 0 || (scope < 3 && hasCapability(CAP.SYS_PTRACE)), detail: `${path} is ${scope}` }
}

const file = (path: string): Found => ({ present: existsSync(path), detail: `${path} ${existsSync(path) ? "exists" : "does not exist"}` })

function bufferLocks(): Found {
  const socket = syscall("socket", AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0)
  try {
    const present = askNumber(socket, SOL_SOCKET, SO.BUF_LOCK) !== undefined
    return { present, detail: `SO_BUF_LOCK ${present ? "answers" : "is unknown"}` }
  } finally {
    syscall("close", socket)
  }
}

/** The user that runs stasis, and how this kernel was built. */
export const hostFeatures: readonly Feature[] = [
  {
    name: "checkpoint_restore",
    need: "required",
    lost: "any restore: run as root, or with CAP_CHECKPOINT_RESTORE",
    probe: () => {
      const name = (["CHECKPOINT_RESTORE", "SYS_ADMIN"] as const).find((one) => hasCapability(CAP[one]))
      return { present: name !== undefined, detail: name ? `CAP_${name}` : "neither CAP_CHECKPOINT_RESTORE nor CAP_SYS_ADMIN" }
    },
  },
  { name: "capabilities", need: "better", lost: "what is told with its name below, where you stand", probe: capabilities },
  { name: "yama_scope", need: "required", lost: "any dump: no process but our own children may be traced", probe: yama },
  {
    name: "proc_timers",
    need: "required",
    lost: "POSIX timers: which ones a process has (CONFIG_CHECKPOINT_RESTORE)",
    probe: () => file("/proc/self/timers"),
  },
  {
    name: "proc_children",
    need: "better",
    lost: "speed: children of a process are looked for among all processes (CONFIG_PROC_CHILDREN)",
    probe: () => file(`/proc/self/task/${process.pid}/children`),
  },
  {
    name: "unix_sockets",
    need: "special",
    lost: "unix sockets: which there are, and who is connected to whom (CONFIG_UNIX_DIAG)",
    probe: () => {
      readUnixSockets()
      return { present: true, detail: "sock_diag" }
    },
  },
  {
    name: "packet_sockets",
    need: "special",
    lost: "packet sockets: rings, memberships and fanout of each (CONFIG_PACKET_DIAG)",
    probe: () => {
      readPacketSockets()
      return { present: true, detail: "sock_diag" }
    },
  },
  { name: "socket_buf_lock", need: "special", lost: "whether a socket's buffers were set by hand (Linux 5.14)", probe: bufferLocks },
  {
    name: "time_namespace",
    need: "special",
    lost: "clocks that go on where they were dumped, on another machine (CONFIG_TIME_NS)",
    probe: () => file("/proc/self/ns/time"),
  },
  {
    name: "cgroups",
    need: "special",
    lost: "cgroups: nobody is in any, and those of images cannot be made (CONFIG_CGROUPS)",
    probe: () => file("/proc/self/cgroup"),
  },
  {
    name: "user_namespaces",
    need: "special",
    lost: "restores by an ordinary user, inside a user namespace of their own (CONFIG_USER_NS)",
    probe: () => file("/proc/self/ns/user"),
  },
]
