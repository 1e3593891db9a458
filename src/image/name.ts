import { catalog, type Kind } from "./catalog.ts"

/** What stands in a file name: a number for %u and %x, a word for %s, nothing for images that a set has once. */
export type ImageId = number | bigint | string | undefined

/** File name of an image. */
export function fileName(kind: Kind, id?: ImageId): string {
  const pattern: string = catalog[kind].file
  const form = /%[uxs]/.exec(pattern)?.[0]
  if (!form !== (id === undefined)) throw new Error(`Unreachable: ${pattern} with the id ${id}`)
  if (!form || id === undefined) return pattern
  return pattern.replace(form, form === "%x" ? id.toString(16) : String(id))
}

/** An image by its file name. Numbers that %u and %x stand for are bigint: a shmid may have 64 bits. */
export interface ImageName {
  readonly kind: Kind
  readonly id: bigint | string | undefined
}

const ID = { "%u": "(0|[1-9][0-9]*)", "%x": "(0|[1-9a-f][0-9a-f]*)", "%s": "(dump|restore)" } as const
const kinds = Object.keys(catalog) as Kind[]
let patterns: readonly (readonly [Kind, RegExp, string])[] | undefined

/** Which image has this file name; undefined for a name that is no image's. */
export function imageOf(name: string): ImageName | undefined {
  patterns ??= kinds.map((kind) => {
    const { file } = catalog[kind]
    const escaped = file.replaceAll(".", "\\.").replace(/%[uxs]/, (form) => ID[form as keyof typeof ID])
    return [kind, new RegExp(`^${escaped}$`), file] as const
  })
  for (const [kind, pattern, file] of patterns) {
    const match = pattern.exec(name)
    if (!match) continue
    const id = match[1]
    if (id === undefined || file.includes("%s")) return { kind, id }
    return { kind, id: BigInt(file.includes("%x") ? `0x${id}` : id) }
  }
  return undefined
}
