/** How packets are kept away from connections: CRIU's --network-lock, without iptables. The first is the usual one. */
export const NETWORK_LOCK = ["nftables", "skip"] as const

export type NetworkLock = (typeof NETWORK_LOCK)[number]

/** What a command without options does with connections: it refuses them. */
export const REFUSED = { tcpEstablished: false, tcpClose: false, skipInFlight: false } as const
