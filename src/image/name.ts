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

/** What the forms stand for. */
const ID = { "%u": /^(?:0|[1-9][0-9]*)$/, "%x": /^(?:0|[1-9a-f][0-9a-f]*)$/, "%s": /^(?:dump|restore)$/ } as const
const FORMS = Object.keys(ID) as (keyof typeof ID)[]
/** Where an id stands: behind the last hyphen, up to a dot. */
const WITH_ID = /^(.*-)([0-9a-z]+)(\..*)?$/

let byFile: ReadonlyMap<string, Kind> | undefined

/** Which image has this file name; undefined for a name that is no image's. */
export function imageOf(name: string): ImageName | undefined {
  byFile ??= new Map((Object.keys(catalog) as Kind[]).map((kind) => [catalog[kind].file, kind]))
  const plain = name.includes("%") ? undefined : byFile.get(name)
  if (plain) return { kind: plain, id: undefined }
  const [, before, id = "", behind = ""] = WITH_ID.exec(name) ?? []
  if (before === undefined) return undefined
  for (const form of FORMS) {
    const kind = byFile.get(`${before}${form}${behind}`)
    if (kind && ID[form].test(id)) return { kind, id: form === "%s" ? id : BigInt(form === "%x" ? `0x${id}` : id) }
  }
  return undefined
}
