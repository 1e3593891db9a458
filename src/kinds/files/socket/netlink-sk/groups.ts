/** Memberships as the kernel lists them, 32 a word; none for what is no list. Man page: netlink(7), NETLINK_LIST_MEMBERSHIPS */
export function groupWords(list: Uint8Array | undefined): number[] {
  if (!list) return []
  const view = new DataView(list.buffer, list.byteOffset, list.byteLength)
  return Array.from({ length: Math.floor(list.length / 4) }, (_, index) => view.getUint32(index * 4, true))
}

/** Numbers of the groups in words: the lowest bit of the first one is group 1. */
export const numbersOf = (words: readonly number[]): number[] =>
  words.flatMap((word, index) =>
    Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) => ((word >>> bit) & 1 ? [index * 32 + bit + 1] : [])),
  )
