import { OTHER_AF } from "../../../ffi/abi/socket.ts"
import type { Found } from "./collecting.ts"

type Matches = (found: Pick<Found, "target">) => boolean

/** A kind of open file that a dump cannot keep yet. */
export interface RefusedFile {
  /** What it is; the link is added in messages. */
  readonly what: string
  readonly matches: Matches
  /** What the operator can do. */
  readonly remedy: string
}

/** A link that begins like this. Exact where a bracket or the name closes it. */
export const linksTo =
  (...targets: readonly string[]): Matches =>
  ({ target }) =>
    targets.some((start) => target.startsWith(start))

const FAMILIES: ReadonlyMap<number, string> = new Map(Object.entries(OTHER_AF).map(([name, number]) => [number, `AF_${name}`]))

/** What a refused file is: of a socket, its family too. */
export const refusedText = ({ what }: RefusedFile, { socket }: Pick<Found, "socket">): string =>
  socket ? `${what} of ${FAMILIES.get(socket.family) ?? `family ${socket.family}`}` : what

const refused = (what: string, matches: Matches, remedy: string): RefusedFile => ({ what, matches, remedy })

/**
 * Kinds of open files that are refused; the first row that matches is told, and the last one matches all. Names: anon_inode_getfd() of
 * each.
 */
export const refusedFiles: readonly RefusedFile[] = [
  refused("a socket", linksTo("socket:["), "Let the program close its connections before the dump"),
  // Nor can an idle one be kept: fdinfo shows heads, tails and registered files, and is the same whatever IORING_SETUP_* flags, eventfd,
  // restrictions or rings of buffers it has. Kernel: io_uring/fdinfo.c
  refused(
    "a submission ring, of which nobody can read what it was set up with and what is registered with it",
    linksTo("anon_inode:[io_uring]"),
    "Let the program close its ring before the dump, or keep it from using io_uring (UV_USE_IO_URING=0 for node, sysctl kernel.io_uring_disabled=2)",
  ),
  refused(
    "a page-fault handler",
    linksTo("anon_inode:[userfaultfd]"),
    "Let the program unregister its memory and close it before the dump, or start it without one (sysctl vm.unprivileged_userfaultfd=0)",
  ),
  refused(
    "a performance counter",
    linksTo("anon_inode:[perf_event]"),
    "Stop the profiler before the dump (perf record, or the program's own)",
  ),
  refused(
    "a BPF program",
    linksTo("anon_inode:bpf-prog"),
    "Let the program pin it and close it before the dump (bpftool prog pin), or unload it",
  ),
  refused(
    "the attachment of a BPF program",
    linksTo("anon_inode:bpf_link", "anon_inode:bpf-link", "anon_inode:bpf-raw-tracepoint"),
    "Let the program pin it and close it before the dump (bpftool link pin), or detach it",
  ),
  refused(
    "an iterator over objects of BPF",
    linksTo("anon_inode:bpf_iter"),
    "Let the program read it to its end and close it before the dump",
  ),
  refused("types of BPF", linksTo("anon_inode:btf"), "Let the program close it before the dump: what was loaded with it keeps it"),
  refused("a BPF object", linksTo("anon_inode:bpf", "anon_inode:[bpf"), "Let the program pin the object and close it before the dump"),
  refused("a seccomp listener", linksTo("anon_inode:seccomp"), "Dump the supervised program, not its supervisor"),
  refused("a security rule set", linksTo("anon_inode:[landlock-ruleset]"), "Let the program close it once it is enforced"),
  refused("a virtual machine", linksTo("anon_inode:kvm"), "Save the guest with the virtual machine's own tools"),
  refused(
    "a file system that is just being made or mounted",
    linksTo("anon_inode:[fscontext]"),
    "Dump again when the program has mounted it, or let it close it",
  ),
  refused(
    "a device that a driver passes through (VFIO, iommufd)",
    linksTo("anon_inode:[vfio", "anon_inode:vfio", "anon_inode:[iommufd]", "anon_inode:iommufd"),
    "Detach the device from the program before the dump",
  ),
  refused(
    "a buffer or fence of graphics",
    linksTo("/dmabuf:", "anon_inode:sync_file", "anon_inode:drm_syncobj", "anon_inode:i915"),
    "Let the program close its graphics before the dump",
  ),
  refused(
    "a request for lines of a GPIO chip",
    linksTo("anon_inode:gpio", "anon_inode:[gpio"),
    "Let the program release the lines before the dump",
  ),
  refused("secret memory (memfd_secret)", linksTo("/secretmem"), "Start the program without it (boot with secretmem.enable=0)"),
  refused("an object of the kernel", linksTo("anon_inode:"), "Let the program close it before the dump"),
  refused("a file of a kind that stasis does not know", () => true, "Let the program close it before the dump"),
]
