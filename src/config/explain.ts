import { z } from 'zod'
import { hideSecrets } from '../runtime/hide-secrets.ts'
import { NAME_RULE } from '../runtime/names.ts'
import { nearest } from '../runtime/nearest.ts'

/** What zod says of a union that says nothing of its own. */
const ZOD_UNION_MESSAGE = 'Invalid input'

/** Keys under which a person may have written a secret, though a file was asked for. */
const MAY_BE_SECRET = /pass|secret|token|bearer|headers|credential/i

/** A key that this branch does not know speaks more against it than a value that is wrong. */
const UNKNOWN_KEY = 3
/** What somebody wrote is not of this branch's type at all. */
const WHOLLY_WRONG = 10

export interface Explained {
  readonly path: readonly PropertyKey[]
  readonly message: string
  /** Whether it is the key that is wrong, not its value. */
  readonly atKey: boolean
  /** Of a text: which of its characters is meant. */
  readonly offset?: number
}

/** Says what zod found in the words of the file: names of keys, nearest valid key, of a union only the branch that was meant. */
export function explain(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, value: unknown): Explained[] {
  return issues
    .flatMap(issue => explainOne(issue, schema, value, []))
    .map(each => ({ ...each, message: hideSecrets(each.message) }))
}

function explainOne(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, above: readonly PropertyKey[]): Explained[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path, value, issue.keys)
    // The place in a list says nothing that the line does not.
    const where = path.findLast(each => typeof each === 'string')
    return issue.keys.map(key => unknownKey([...path, key], where, known))
  }
  if (issue.code === 'invalid_union') {
    const own = valueAt(value, issue.path)
    if (own === undefined) return [missing(path)]
    if (issue.message !== ZOD_UNION_MESSAGE && (typeof own !== 'object' || own === null)) {
      return [{ path, message: `${String(path.at(-1))} ${issue.message}, not ${JSON.stringify(own)}`, atKey: false }]
    }
    const union = schemaAt(schema, issue.path, value)
    if (issue.message !== ZOD_UNION_MESSAGE && union instanceof z.ZodUnion && saysNoBranch(union, own)) {
      const known = branchKeys(union).flat()
      const misspelt = Object.keys(own).filter(key => !known.includes(key) && nearest(key, known) !== undefined)
      if (misspelt.length === 0) return [{ path, message: `${String(path.at(-1))} ${issue.message}`, atKey: false }]
      return misspelt.map(key => unknownKey([...path, key], String(path.at(-1)), known))
    }
    const values = listedValues(issue.errors)
    if (values) return explainOne({ ...issue, code: 'invalid_value', values }, schema, value, above)
    const branch = likeliest(issue.errors)
    if (branch)
      return branch.flatMap(inner => explainOne(inner, branchOf(schema, issue, branch, value), valueAt(value, issue.path), path))
  }
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
    return [
      {
        path,
        message: `"${String(path.at(-1))}" ${NAME_RULE}`,
        atKey: true,
      },
    ]
  }
  const last = path.at(-1)
  if (issue.code === 'invalid_type' && valueAt(value, issue.path) === undefined) return [missing(path)]
  const name = typeof last === 'string' ? `${last} ` : ''
  const offset = issue.code === 'custom' ? issue.params?.['offset'] : undefined
  const message = `${name}${sentence(issue, valueAt(value, issue.path), path)}`
  return [{ path, message, atKey: false, ...(typeof offset === 'number' && { offset }) }]
}

/** The values of a union that is nothing but a list of them. */
function listedValues(branches: readonly (readonly z.core.$ZodIssue[])[]): z.core.util.Primitive[] | undefined {
  const own = branches.map(branch => (branch.length === 1 && branch[0]?.path.length === 0 ? branch[0] : undefined))
  return own.every(issue => issue?.code === 'invalid_value') ? own.flatMap(issue => issue.values) : undefined
}

function unknownKey(path: readonly PropertyKey[], where: string | undefined, known: readonly string[]): Explained {
  const key = String(path.at(-1))
  const meant = nearest(key, known)
  const hint = meant === undefined ? (known.length > 0 ? `; known here: ${known.join(', ')}` : '') : `; did you mean "${meant}"?`
  return { path, message: `unknown key "${key}"${where === undefined ? '' : ` in ${where}`}${hint}`, atKey: true }
}

function missing(path: readonly PropertyKey[]): Explained {
  return { path: path.slice(0, -1), message: `"${String(path.at(-1))}" is missing`, atKey: path.length > 1 }
}

/** A value as an error repeats it; what may be a secret, or hold one, is only named. */
function shown(value: unknown, path: readonly PropertyKey[]): string {
  const text = JSON.stringify(value) ?? 'nothing'
  if (![...path, text].some(each => MAY_BE_SECRET.test(String(each)))) return text
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a mapping' : `a ${typeof value}`
}

function sentence(issue: z.core.$ZodIssue, value: unknown, path: readonly PropertyKey[]): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
        return `has to be text, not ${shown(value, path)}: write it in quotes`
      return `has to be ${article(issue.expected)}, not ${shown(value, path)}`
    case 'invalid_value': {
      const allowed = issue.values.map(String)
      if (typeof value !== 'string' && issue.values.includes(String(value)))
        return `has to be text: write ${JSON.stringify(String(value))}, in quotes`
      const meant = typeof value === 'string' ? nearest(value, allowed) : undefined
      return `has to be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`
    }
    case 'too_small':
      if (issue.origin === 'array') return `needs at least ${issue.minimum}`
      return `has to be at least ${issue.minimum}${issue.origin === 'string' ? ' long' : ''}`
    case 'too_big':
      return `may be at most ${issue.maximum}${issue.origin === 'array' || issue.origin === 'string' ? ' long' : ''}`
    case 'invalid_format':
      if (issue.format === 'url') return `has to be an address such as http://host/path, not ${shown(value, path)}`
      if (issue.format === 'starts_with' && 'prefix' in issue) return `has to begin with ${JSON.stringify(issue.prefix)}`
      return issue.message
    default:
      return issue.message
  }
}

function article(expected: string): string {
  if (expected === 'record' || expected === 'object') return 'a mapping of keys to values'
  if (expected === 'int') return 'a whole number'
  if (expected === 'array') return 'a list, such as [a, b]'
  return /^[aeiou]/.test(expected) ? `an ${expected}` : `a ${expected}`
}

/** The branch of a union with the fewest complaints, unknown keys first: what somebody wrote resembles what was meant. */
function likeliest(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  const weight = (issue: z.core.$ZodIssue) => {
    if (issue.code === 'unrecognized_keys') return UNKNOWN_KEY * issue.keys.length
    // What is only refined was of the right type.
    return issue.path.length > 0 || issue.code === 'custom' ? 1 : WHOLLY_WRONG
  }
  const badness = (branch: readonly z.core.$ZodIssue[]) => branch.reduce((sum, issue) => sum + weight(issue), 0)
  return [...branches].sort((a, b) => badness(a) - badness(b))[0]
}

/** The keys of each branch of a union that is a mapping. */
function branchKeys(union: z.ZodUnion): string[][] {
  const branches = union.options.map(option => unwrap(option as z.ZodType))
  return branches.flatMap(branch => (branch instanceof z.ZodObject ? [Object.keys(branch.shape)] : []))
}

/** Whether a mapping has none of the keys by which the branches differ: nobody can tell which was meant. */
function saysNoBranch(union: z.ZodUnion, own: unknown): own is object {
  if (typeof own !== 'object' || own === null) return false
  const all = branchKeys(union)
  const telling = all.flat().filter(key => !all.every(keys => keys.includes(key)))
  return telling.length > 0 && !Object.keys(own).some(key => telling.includes(key))
}

function branchOf(
  schema: z.ZodType,
  issue: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>,
  branch: unknown,
  value: unknown,
): z.ZodType {
  const union = schemaAt(schema, issue.path, value)
  const index = (issue.errors as readonly unknown[]).indexOf(branch)
  return union instanceof z.ZodUnion ? ((union.options[index] as z.ZodType | undefined) ?? schema) : schema
}

/** Keys that may stand at a path where these may not. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown, without: readonly string[]): string[] {
  const at = schemaAt(schema, path, value)
  const found = at instanceof z.ZodUnion ? branchFor(at, valueAt(value, path), without) : at
  return found instanceof z.ZodObject ? Object.keys(found.shape) : []
}

function schemaAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): z.ZodType | undefined {
  let at: z.ZodType | undefined = unwrap(schema)
  let here = value
  for (const key of path) {
    if (at instanceof z.ZodUnion) at = branchFor(at, here)
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(key)] as z.ZodType | undefined)
    else if (at instanceof z.ZodRecord) at = unwrap(at.valueType as z.ZodType)
    else if (at instanceof z.ZodArray) at = unwrap(at.element as z.ZodType)
    else return undefined
    here = valueAt(here, [key])
  }
  return at
}

/** The branch of a union that knows a key of the value, and none of `without`. */
function branchFor(union: z.ZodUnion, value: unknown, without: readonly string[] = []): z.ZodType | undefined {
  return unwrap(union.options.find(option => accepts(option as z.ZodType, value, without)) as z.ZodType | undefined)
}

function accepts(option: z.ZodType, value: unknown, without: readonly string[]): boolean {
  const plain = unwrap(option)
  return (
    plain instanceof z.ZodObject &&
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).some(key => key in plain.shape) &&
    !without.some(key => key in plain.shape)
  )
}

function unwrap(schema: z.ZodType | undefined): z.ZodType | undefined {
  let at = schema
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault || at instanceof z.ZodNullable)
      at = at.unwrap() as z.ZodType
    else if (at instanceof z.ZodPipe) at = at.in as z.ZodType
    else return at
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Record<PropertyKey, unknown>)[key]
  }
  return at
}
