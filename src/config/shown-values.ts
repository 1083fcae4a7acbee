import { durationText, isDurationPattern, isSizePattern, sizeText } from '../runtime/units.ts'
import type { ConfigDocument } from './document.ts'

type Path = readonly (string | number)[]

/** One value that holds, and where it comes from. */
export interface ShownValue {
  readonly path: string
  /** As a person would write it; `***` in place of what nobody is to see. */
  readonly value: string
  /** `default`, `profile NAME`, or FILE:LINE:COLUMN. */
  readonly origin: string
}

/** What belongs to nobody's screen: what stands under such a key, and all that stands under such a mapping. */
const SECRET_KEYS = /^(password|token|secret|api_?key|authorization|headers|environment)$/i
const HIDDEN = '***'
/** What a URL may carry beside its host: a login, and for what others call from outside, its path. */
const LOGIN = /^([a-z][a-z0-9+.-]*:\/\/)[^/\s]+@/i
const QUERY = /\?.*$/
const PATH_OF_HOOK = /^(https?:\/\/[^/\s]+).*$/i

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema | readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly pattern?: string
}

/** Every value of a configuration, in the order in which it has them. `profiled`: the name of the profile, by path, that some of them come from. */
export function shownValues(
  config: object,
  document: ConfigDocument,
  schema: unknown,
  profiled: ReadonlyMap<string, string> = new Map(),
): ShownValue[] {
  const shown: ShownValue[] = []
  const walk = (value: unknown, path: Path, under: JsonSchema | undefined) => {
    if (value === undefined) return
    if (
      typeof value === 'object' &&
      value !== null &&
      (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0)
    ) {
      for (const [key, each] of Object.entries(value)) {
        const part = Array.isArray(value) ? Number(key) : key
        walk(each, [...path, part], under && below(under, part))
      }
      return
    }
    const name = path.join('.')
    const profile = profiled.get(name)
    const origin = document.has(path) ? placeOf(document, path) : profile === undefined ? 'default' : `profile ${profile}`
    shown.push({ path: name, value: withoutSecrets(path, textOf(value, under)), origin })
  }
  walk(config, [], schema as JsonSchema)
  return shown
}

function placeOf(document: ConfigDocument, path: Path): string {
  const { file, line, column } = document.issue(path, '')
  return `${file}:${line}:${column}`
}

function textOf(value: unknown, schema: JsonSchema | undefined): string {
  if (typeof value === 'number' && schema) {
    if (hasPattern(schema, isDurationPattern)) return durationText(value)
    if (hasPattern(schema, isSizePattern)) return sizeText(value)
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function withoutSecrets(path: Path, text: string): string {
  if (path.some(part => SECRET_KEYS.test(String(part)))) return HIDDEN
  const withoutLogin = text.replace(LOGIN, `$1${HIDDEN}@`)
  if (path.includes('webhook') && PATH_OF_HOOK.test(text)) return withoutLogin.replace(PATH_OF_HOOK, `$1/${HIDDEN}`)
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? withoutLogin.replace(QUERY, `?${HIDDEN}`) : withoutLogin
}

function branches(schema: JsonSchema): readonly JsonSchema[] {
  return [schema, ...[schema.anyOf, schema.allOf, schema.oneOf].flatMap(each => (each ?? []).flatMap(branches))]
}

function below(schema: JsonSchema, part: string | number): JsonSchema | undefined {
  for (const branch of branches(schema)) {
    const { properties, additionalProperties, items } = branch
    if (typeof part === 'number' && items) return Array.isArray(items) ? items[part] : (items as JsonSchema)
    const own = properties?.[part]
    if (own) return own
    if (typeof additionalProperties === 'object') return additionalProperties
  }
  return undefined
}

function hasPattern(schema: JsonSchema, isIt: (pattern: string) => boolean): boolean {
  return branches(schema).some(({ pattern }) => pattern !== undefined && isIt(pattern))
}
