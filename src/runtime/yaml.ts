import { readFileSync, statSync } from 'node:fs'
import type { Document, LineCounter, Pair } from 'yaml'
import { onDemand } from './on-demand.ts'

/** Many processes read no YAML, or another thread does it for them. */
const yaml = onDemand<typeof import('./yaml-itself.ts')>(new URL('./yaml-itself.ts', import.meta.url))

/** What a person wrote by hand has a few kilobytes. */
export const YAML_BYTES_MAX = 1024 * 1024
/** How often an anchor may be used: more is a bomb, not a configuration. */
export const ALIASES_MAX = 100
/** How deep mappings and lists may stand in one another: a walk through the document remembers the way, which grows with the square of it. */
export const DEPTH_MAX = 64

export interface YamlError {
  readonly message: string
  /** Where it begins in the text. */
  readonly at: number
}

/** Reads a file of YAML; throws an Error that says so where it is too large, and the system's where it cannot be read. */
export function readYamlFile(file: string): string {
  const { size } = statSync(file)
  if (size > YAML_BYTES_MAX) throw new Error(`the file has ${size} bytes; a configuration may have ${YAML_BYTES_MAX}`)
  return readFileSync(file, 'utf8')
}

/** Parses YAML; `errors` is empty where it is YAML, with no key twice in one mapping. */
export function parseYaml(text: string, lineCounter?: LineCounter): { document: Document.Parsed; errors: YamlError[] } {
  // The library's own look for keys that are there twice compares each with each: twenty thousand keys took five seconds.
  const document = yaml().parseDocument(text, { prettyErrors: false, uniqueKeys: false, ...(lineCounter && { lineCounter }) })
  // Of two mappings that end in one place the library says the same twice.
  const said = new Map(
    document.errors.map(({ code, message, pos: [at] }) => {
      // The library's own words are for whoever calls it.
      const text = code === 'MULTIPLE_DOCS' ? 'a second document begins here (---): each needs a file of its own' : message
      return [`${at} ${text}`, { message: text, at }]
    }),
  )
  const errors = [...said.values()]
  if (errors.length > 0) return { document, errors }
  const deep = tooDeep(document)
  return { document, errors: deep ? [deep] : repeatedKeys(document) }
}

/** The first place that is deeper than a person would write; looked for without recursion. */
function tooDeep(document: Document.Parsed): YamlError | undefined {
  const waiting: { node: unknown; depth: number }[] = [{ node: document.contents, depth: 1 }]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, depth } = next
    if (!yaml().isCollection(node)) continue
    if (depth > DEPTH_MAX) return { message: `nested more than ${DEPTH_MAX} deep`, at: node.range?.[0] ?? 0 }
    for (const item of node.items) {
      const children = yaml().isPair(item) ? [item.key, item.value] : [item]
      for (const child of children) waiting.push({ node: child, depth: depth + 1 })
    }
  }
  return undefined
}

function repeatedKeys(document: Document.Parsed): YamlError[] {
  const errors: YamlError[] = []
  yaml().visit(document, {
    Map: (_key, map) => {
      const seen = new Set<unknown>()
      for (const { key } of map.items as Pair[]) {
        if (!yaml().isScalar(key)) continue
        if (seen.has(key.value)) errors.push({ message: 'Map keys must be unique', at: key.range?.[0] ?? 0 })
        seen.add(key.value)
      }
    },
  })
  return errors
}
