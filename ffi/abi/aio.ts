import { layout } from "../layout.ts"

/** Head of the ring that completions are put into, at the start of its mapping. In the kernel's own source alone. */
export const aioRing = layout("struct aio_ring", "fs/aio.c", 32, {
  id: [0, "u32"], //   place in the process's table: the kernel looks the ring up by it
  nr: [4, "u32"], //   events that the ring has room for
  head: [8, "u32"], // first event that nobody has taken
  tail: [12, "u32"],
  magic: [16, "u32"],
  compat_features: [20, "u32"],
  incompat_features: [24, "u32"],
  header_length: [28, "u32"], // bytes
})
export const AIO_RING_MAGIC = 0xa10a10a1

/** A completed request. */
export const ioEvent = layout("struct io_event", "include/uapi/linux/aio_abi.h", 32, {
  data: [0, "u64"],
  obj: [8, "u64"],
  res: [16, "i64"],
  res2: [24, "i64"],
})

/** A request. */
export const iocb = layout("struct iocb", "include/uapi/linux/aio_abi.h", 64, {
  aio_lio_opcode: [16, "u16"],
  aio_fildes: [20, "u32"],
  aio_buf: [24, "u64"],
  aio_nbytes: [32, "u64"],
})
export const IOCB_CMD_PREAD = 0
