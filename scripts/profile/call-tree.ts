import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
  A .cpuprofile as V8 writes it (Chrome DevTools protocol, "Profiler.Profile"):
    nodes       {id, callFrame: {functionName, url, lineNumber}, children: [id]}[], the first is the root
    samples     ids of the nodes that ran
    timeDeltas  microseconds before each sample
*/
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** A function on a stack, and what it and all it called took, µs. */
export interface Call {
  readonly name: string
  readonly where: string
  totalUs: number
  selfUs: number
  readonly children: Map<string, Call>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What a thread does while it has nothing to do. */
const AT_REST = new Set(['(idle)', '(program)'])

/** Reads a profile as one tree of calls in which equal stacks are one. Time at rest is left out. */
export function readCallTree(path: string): Call {
  const profile = JSON.parse(readFileSync(path, 'utf8')) as CpuProfile
  const selfUs = new Map<number, number>()
  for (const [at, id] of profile.samples.entries())
    selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, profile.timeDeltas[at] ?? 0))
  const nodes = new Map(profile.nodes.map(node => [node.id, node]))
  const merge = (into: Call, id: number): number => {
    const node = nodes.get(id)
    if (!node || AT_REST.has(node.callFrame.functionName)) return 0
    const { functionName, url, lineNumber } = node.callFrame
    const name = functionName || '(anonymous)'
    const where = url === '' ? '' : `${placeOf(url)}:${lineNumber + 1}`
    const key = `${name} ${where}`
    const call = into.children.get(key) ?? newCall(name, where)
    into.children.set(key, call)
    const own = selfUs.get(id) ?? 0
    let total = own
    for (const child of node.children ?? []) total += merge(call, child)
    call.selfUs += own
    call.totalUs += total
    return total
  }
  const root = newCall('all', '')
  for (const child of profile.nodes[0]?.children ?? []) root.totalUs += merge(root, child)
  return root
}

function newCall(name: string, where: string): Call {
  return { name, where, totalUs: 0, selfUs: 0, children: new Map() }
}

function placeOf(url: string): string {
  return url.startsWith('file://') ? relative(ROOT, fileURLToPath(url)) : url
}

/** What functions took themselves, summed over all stacks, the most first. */
export function selfTimes(root: Call): { readonly name: string; readonly where: string; readonly us: number }[] {
  const found = new Map<string, { name: string; where: string; us: number }>()
  const walk = (call: Call) => {
    const key = `${call.name} ${call.where}`
    const entry = found.get(key) ?? { name: call.name, where: call.where, us: 0 }
    entry.us += call.selfUs
    found.set(key, entry)
    for (const child of call.children.values()) walk(child)
  }
  walk(root)
  return [...found.values()].filter(({ us }) => us > 0).sort((a, b) => b.us - a.us)
}
