/**
 * Who traces a process, and what to do about it: another run of this tool is soon done.
 *
 * @param name of the tracer, undefined when it cannot be seen   @param own this tool's
 */
export function aboutTracer(tracer: number, name: string | undefined, own: string): [found: string, next: string] {
  const found = `it is traced by process ${tracer}${name === undefined ? "" : ` ("${name}")`}`
  return [found, name === own ? `Wait for that run of ${own}, then try again` : `Detach the debugger ${tracer}, then try again`]
}
