import { describe, expect, test } from "bun:test"
import { parseStatus } from "../../src/proc/status.ts"

const STATUS = `Name:	a\\nb\\\\c) (d 
Umask:	0027
State:	t (tracing stop)
Tgid:	4242
Ngid:	0
Pid:	4243
PPid:	1
TracerPid:	77
Uid:	1000	1001	1002	1003
Gid:	100	101	102	4294967294
FDSize:	64
Groups:	4 24 27 
NStgid:	4242	12	1
NSpid:	4243	13	2
NSpgid:	4242	12	1
NSsid:	4000	0	0
Kthread:	0
VmSize:	    3060 kB
VmLck:	      16 kB
VmRSS:	    1696 kB
RssAnon:	     112 kB
RssFile:	    1584 kB
RssShmem:	       0 kB
VmSwap:	       8 kB
THP_enabled:	0
Threads:	9
SigQ:	2/18446744073709551615
SigPnd:	0000000000000001
ShdPnd:	8000000000000000
SigBlk:	fffffffe7ffbfeff
SigIgn:	0000000000001000
SigCgt:	0000000180004202
CapInh:	0000000000000000
CapPrm:	000001ffffffffff
CapEff:	000001fffeffffff
CapBnd:	000001fffeffffff
CapAmb:	0000000000000400
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	3
Speculation_Store_Bypass:	thread vulnerable
SpeculationIndirectBranch:	conditional enabled
Cpus_allowed:	f,00000003
Cpus_allowed_list:	0-1,32-35
Mems_allowed:	00000000,00000001
Mems_allowed_list:	0
x86_Thread_features:	shstk wrss 
x86_Thread_features_locked:	shstk 
voluntary_ctxt_switches:	150
nonvoluntary_ctxt_switches:	545
`

describe("parseStatus", () => {
  const status = parseStatus(STATUS)

  test("undoes the escapes of the name and keeps its blanks", () => {
    expect(status.name).toBe("a\nb\\c) (d ")
  })

  test("reads IDs, groups and namespaces", () => {
    expect(status).toMatchObject({ tgid: 4242, pid: 4243, ppid: 1, tracerPid: 77, umask: 0o027, state: "t", threads: 9 })
    expect(status.uid).toEqual({ real: 1000, effective: 1001, saved: 1002, filesystem: 1003 })
    expect(status.gid.filesystem).toBe(4294967294)
    expect(status.groups).toEqual([4, 24, 27])
    expect(status.nsPid).toEqual([4243, 13, 2])
  })

  test("reads signal and capability sets whole", () => {
    expect(status).toMatchObject({
      sigPending: 1n,
      sharedPending: 1n << 63n,
      sigBlocked: 0xfffffffe7ffbfeffn,
      sigIgnored: 0x1000n,
      sigCaught: 0x180004202n,
    })
    expect(status).toMatchObject({ capPermitted: 0x1ffffffffffn, capAmbient: 0x400n, noNewPrivs: true, seccomp: 2 })
  })

  test("reads shadow stack words and memory", () => {
    expect(status.threadFeatures).toEqual(["shstk", "wrss"])
    expect(status).toMatchObject({ vmSize: 3060, vmLocked: 16 })
  })

  test("answers null or nothing for what an older kernel or a zombie does not print", () => {
    const zombie = parseStatus("Name:\tz\nState:\tZ (zombie)\nPid:\t7\nGroups:\t \nSigQ:\t0/10\n")
    expect(zombie).toMatchObject({ umask: null, seccomp: null, vmSize: 0, groups: [], threadFeatures: [] })
  })
})
