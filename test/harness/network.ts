/** A network namespace of its own, joined with ours; undefined when this machine has no ip(8), or may not. */
export function otherNetwork(): (Disposable & { readonly name: string; readonly ours: string }) | undefined {
  const name = `stasis-${process.pid}`
  const [subnet, ours] = [`10.213.${process.pid % 250}`, `10.213.${process.pid % 250}.1`]
  const ip = (...args: string[]): boolean => Bun.which("ip") !== null && Bun.spawnSync(["ip", ...args]).exitCode === 0
  const made =
    ip("netns", "add", name) &&
    ip("link", "add", `st${process.pid}`, "type", "veth", "peer", "name", "inside", "netns", name) &&
    ip("addr", "add", `${ours}/24`, "dev", `st${process.pid}`) &&
    ip("link", "set", `st${process.pid}`, "up") &&
    ip("-n", name, "addr", "add", `${subnet}.2/24`, "dev", "inside") &&
    ip("-n", name, "link", "set", "inside", "up")
  const remove = (): void => void ip("netns", "del", name)
  if (made) return { name, ours, [Symbol.dispose]: remove }
  remove()
  return undefined
}
