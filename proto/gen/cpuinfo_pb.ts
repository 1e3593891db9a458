// Made from proto/cpuinfo.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** CPU maker, CPUID leaf 0. */
export enum cpuinfo_x86_entry_vendor {
  UNKNOWN = 0,
  INTEL = 1,
  AMD = 2,
}

/** CPUID of an x86 host. */
export interface cpuinfo_x86_entry {
  vendor_id: cpuinfo_x86_entry_vendor
  cpu_family: number
  model: number
  stepping: number
  capability_ver: number
  capability: number[]
  model_id?: string
  xfeatures_mask?: bigint
  xsave_size?: number
  xsave_size_max?: number
}
export const cpuinfo_x86_entrySchema: Schema<cpuinfo_x86_entry> = schema("cpuinfo_x86_entry", () => [
  { number: 1, name: "vendor_id", type: "enum", label: "required", values: cpuinfo_x86_entry_vendor },
  { number: 2, name: "cpu_family", type: "uint32", label: "required" },
  { number: 3, name: "model", type: "uint32", label: "required" },
  { number: 4, name: "stepping", type: "uint32", label: "required" },
  { number: 5, name: "capability_ver", type: "uint32", label: "required" },
  { number: 6, name: "capability", type: "uint32", label: "repeated" },
  { number: 7, name: "model_id", type: "string", label: "optional" },
  { number: 8, name: "xfeatures_mask", type: "uint64", label: "optional" },
  { number: 9, name: "xsave_size", type: "uint32", label: "optional" },
  { number: 10, name: "xsave_size_max", type: "uint32", label: "optional" },
])

/** Byte order of the dumping host. */
export enum cpuinfo_ppc64_entry_endianness {
  BIGENDIAN = 0,
  LITTLEENDIAN = 1,
}

/** Auxiliary-vector capabilities of a POWER host. */
export interface cpuinfo_ppc64_entry {
  endian: cpuinfo_ppc64_entry_endianness
  hwcap: bigint[]
}
export const cpuinfo_ppc64_entrySchema: Schema<cpuinfo_ppc64_entry> = schema("cpuinfo_ppc64_entry", () => [
  { number: 1, name: "endian", type: "enum", label: "required", values: cpuinfo_ppc64_entry_endianness },
  { number: 2, name: "hwcap", type: "uint64", label: "repeated" },
])

/** Auxiliary-vector capabilities of an s390x host. */
export interface cpuinfo_s390_entry {
  hwcap: bigint[]
}
export const cpuinfo_s390_entrySchema: Schema<cpuinfo_s390_entry> = schema("cpuinfo_s390_entry", () => [
  { number: 2, name: "hwcap", type: "uint64", label: "repeated" },
])

/** cpuinfo.img, one entry. */
export interface cpuinfo_entry {
  x86_entry: cpuinfo_x86_entry[]
  ppc64_entry: cpuinfo_ppc64_entry[]
  s390_entry: cpuinfo_s390_entry[]
}
export const cpuinfo_entrySchema: Schema<cpuinfo_entry> = schema("cpuinfo_entry", () => [
  { number: 1, name: "x86_entry", type: "message", label: "repeated", message: () => cpuinfo_x86_entrySchema },
  { number: 2, name: "ppc64_entry", type: "message", label: "repeated", message: () => cpuinfo_ppc64_entrySchema },
  { number: 3, name: "s390_entry", type: "message", label: "repeated", message: () => cpuinfo_s390_entrySchema },
])
