// Made from proto/netdev.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { macvlan_link_entrySchema, type macvlan_link_entry } from "./macvlan_pb.ts"
import { sit_entrySchema, type sit_entry } from "./sit_pb.ts"
import { sysctl_entrySchema, type sysctl_entry } from "./sysctl_pb.ts"
import { tun_link_entrySchema, type tun_link_entry } from "./tun_pb.ts"

/** Kind of network device. */
export enum nd_type {
  LOOPBACK = 1,
  VETH = 2,
  TUN = 3,
  EXTLINK = 4,
  VENET = 5,
  BRIDGE = 6,
  MACVLAN = 7,
  SIT = 8,
}

/** netdev-%u.img, one entry per device. */
export interface net_device_entry {
  type: nd_type
  ifindex: number
  mtu: number
  flags: number
  name: string
  tun?: tun_link_entry
  address?: Uint8Array
  conf: number[]
  conf4: sysctl_entry[]
  conf6: sysctl_entry[]
  macvlan?: macvlan_link_entry
  peer_ifindex?: number
  peer_nsid?: number
  master?: number
  sit?: sit_entry
}
export const net_device_entrySchema: Schema<net_device_entry> = schema("net_device_entry", () => [
  { number: 1, name: "type", type: "enum", label: "required", values: nd_type },
  { number: 2, name: "ifindex", type: "uint32", label: "required" },
  { number: 3, name: "mtu", type: "uint32", label: "required" },
  { number: 4, name: "flags", type: "uint32", label: "required" },
  { number: 5, name: "name", type: "string", label: "required" },
  { number: 6, name: "tun", type: "message", label: "optional", message: () => tun_link_entrySchema },
  { number: 7, name: "address", type: "bytes", label: "optional" },
  { number: 8, name: "conf", type: "int32", label: "repeated" },
  { number: 9, name: "conf4", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 10, name: "conf6", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 11, name: "macvlan", type: "message", label: "optional", message: () => macvlan_link_entrySchema },
  { number: 12, name: "peer_ifindex", type: "uint32", label: "optional" },
  { number: 13, name: "peer_nsid", type: "uint32", label: "optional" },
  { number: 14, name: "master", type: "uint32", label: "optional" },
  { number: 15, name: "sit", type: "message", label: "optional", message: () => sit_entrySchema },
])

/** How one namespace numbers another. */
export interface netns_id {
  target_ns_id: number
  netnsid_value: number
}
export const netns_idSchema: Schema<netns_id> = schema("netns_id", () => [
  { number: 1, name: "target_ns_id", type: "uint32", label: "required" },
  { number: 2, name: "netnsid_value", type: "int32", label: "required" },
])

/** netns-%u.img, one entry. Arrays are positional. */
export interface netns_entry {
  def_conf: number[]
  all_conf: number[]
  def_conf4: sysctl_entry[]
  all_conf4: sysctl_entry[]
  def_conf6: sysctl_entry[]
  all_conf6: sysctl_entry[]
  nsids: netns_id[]
  ext_key?: string
  unix_conf: sysctl_entry[]
  ipv4_sysctl: sysctl_entry[]
}
export const netns_entrySchema: Schema<netns_entry> = schema("netns_entry", () => [
  { number: 1, name: "def_conf", type: "int32", label: "repeated" },
  { number: 2, name: "all_conf", type: "int32", label: "repeated" },
  { number: 3, name: "def_conf4", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 4, name: "all_conf4", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 5, name: "def_conf6", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 6, name: "all_conf6", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 7, name: "nsids", type: "message", label: "repeated", message: () => netns_idSchema },
  { number: 8, name: "ext_key", type: "string", label: "optional" },
  { number: 9, name: "unix_conf", type: "message", label: "repeated", message: () => sysctl_entrySchema },
  { number: 10, name: "ipv4_sysctl", type: "message", label: "repeated", message: () => sysctl_entrySchema },
])
