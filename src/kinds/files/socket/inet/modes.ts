/** How packets are kept away from connections: CRIU's --network-lock, without iptables. */
export const NETWORK_LOCK = ["nftables", "skip"] as const
export type NetworkLock = (typeof NETWORK_LOCK)[number]
