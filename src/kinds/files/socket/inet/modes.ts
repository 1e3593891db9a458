/** How packets are kept away from connections: CRIU's --network-lock, without iptables. */
export const NETWORK_LOCK = ["nftables", "skip"] as const

/** What a command without options does with connections: it refuses them. */
export const REFUSED = { tcpEstablished: false, tcpClose: false, skipInFlight: false } as const
export type NetworkLock = (typeof NETWORK_LOCK)[number]
