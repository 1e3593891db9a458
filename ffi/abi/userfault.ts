import { layout } from "../layout.ts"

/** Argument of UFFDIO_API. `features` 0 asks for all that the kernel has. Header: include/uapi/linux/userfaultfd.h */
export const uffdioApi = layout("struct uffdio_api", "include/uapi/linux/userfaultfd.h", 24, {
  api: [0, "u64"],
  features: [8, "u64"],
  ioctls: [16, "u64"],
})
export const UFFD_API = 0xaan
/** _IOWR(0xaa, 0x3f, struct uffdio_api) */
export const UFFDIO_API = 0xc018aa3f
/** Features that the tracking of changed pages or a lazy restore would want. WP_UNPOPULATED since Linux 6.4, WP_ASYNC since 6.7. */
export const UFFD_FEATURE = {
  EVENT_FORK: 1n << 1n,
  EVENT_REMAP: 1n << 2n,
  EVENT_REMOVE: 1n << 3n,
  EVENT_UNMAP: 1n << 6n,
  WP_UNPOPULATED: 1n << 13n,
  WP_ASYNC: 1n << 15n,
} as const
