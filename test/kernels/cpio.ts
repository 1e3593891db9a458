/** One member of an archive. */
export interface Member {
  /** Without a slash in front. */
  readonly name: string
  /** Kind and permissions, as in st_mode. */
  readonly mode: number
  readonly bytes?: Uint8Array
}

const HEADER = 110
const word = (value: number): string => value.toString(16).padStart(8, "0")
const padded = (bytes: number): number => Math.ceil(bytes / 4) * 4

/** An initramfs: members as the kernel unpacks them. Format: Documentation/driver-api/early-userspace/buffer-format.rst, "newc" */
export function cpio(members: readonly Member[]): Uint8Array {
  const all = [...members, { name: "TRAILER!!!", mode: 0 }]
  const parts = all.flatMap(({ name, mode, bytes = new Uint8Array() }: Member, index) => {
    const [inode, links, size, names] = [index + 1, 1, bytes.length, name.length + 1]
    const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, names, 0].map(word).join("")
    const head = Buffer.alloc(padded(HEADER + names))
    head.write(`070701${fields}${name}`)
    const body = Buffer.alloc(padded(size))
    body.set(bytes)
    return [head, body]
  })
  return Buffer.concat(parts)
}
