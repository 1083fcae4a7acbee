import { jsonSchemas } from '../../src/config/load.ts'
import { isDurationPattern, isSizePattern } from '../../src/runtime/units.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'
import { profileNames } from '../../src/source/modbus-profile.ts'
import { serialProfileNames } from '../../src/source/serial-profile.ts'

/** Of a JSON Schema what is needed here. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** Numbers that only say "any": a 53-bit number's borders. */
const ANY = Number.MAX_SAFE_INTEGER

export function referencePage(): string {
  const { pipeline, edge, core } = jsonSchemas() as Record<'pipeline' | 'edge' | 'core', Schema>
  const kinds = SOURCE_KINDS.map(({ kind, summary }) => `| [\`${kind}\`](#sourcesnamekind-${kind}) | ${summary} |`)
  return `${[
    '# Reference',
    'Every option, made from the schemas that check them. Durations are written `50ms`, `1s`, `5m`, `2h`, `7d`; sizes `64KiB`, `10MB`, `2GiB`. Relative paths are meant from where the file lies.',
    'Editors complete these files with `headrace validate --schema` (`--schema edge`, `--schema core`).',
    '## A pipeline file',
    'The kinds of source:',
    `| kind | |\n| --- | --- |\n${kinds.join('\n')}`,
    ...sections(pipeline, ''),
    `Device profiles for \`modbus\`: ${listOf(profileNames())}. For \`serial\`: ${listOf(serialProfileNames())}.`,
    '## edge.yaml',
    ...sections(edge, ''),
    '## core.yaml',
    ...sections(core, ''),
  ].join('\n\n')}\n`
}

/** The table of a mapping, then those of the mappings in it. */
function sections(schema: Schema, path: string): string[] {
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0) return []
  const rows = properties.map(([name, option]) => {
    const needed = schema.required?.includes(name) && option.default === undefined ? '**needed**' : ''
    const fallback = option.default === undefined ? needed : `\`${JSON.stringify(option.default)}\``
    return `| \`${name}\` | ${typeOf(option)} | ${fallback} | ${cell(option.description ?? '')} |`
  })
  const table = ['| option | | unless set | |', '| --- | --- | --- | --- |', ...rows].join('\n')
  const inner = properties.flatMap(([name, option]) => innerSections(option, path === '' ? name : `${path}.${name}`))
  const notes = SOURCE_KINDS.find(({ kind }) => path === `sources.<name>.kind: ${kind}`)?.notes
  return [...(path === '' ? [] : [`### \`${path}\``]), table, ...(notes === undefined ? [] : [notes]), ...inner]
}

function innerSections(option: Schema, path: string): string[] {
  const isKind = path.startsWith('sources.<name>.') && SOURCE_KINDS.some(({ kind }) => path === `sources.<name>.${kind}`)
  const title = isKind ? `sources.<name>.kind: ${path.split('.').at(-1)}` : path
  if (option.properties) return sections(option, title)
  if (typeof option.additionalProperties === 'object') return innerSections(option.additionalProperties, `${path}.<name>`)
  // The elements of a list, such as steps.
  if (option.items) return innerSections(option.items, `${path}[]`)
  const mappings = (option.anyOf ?? []).filter(each => each.properties)
  if (mappings.length === 1 && mappings[0]) return sections(mappings[0], title)
  return mappings.flatMap((each, index) => sections(each, `${title} (${index + 1})`))
}

function typeOf(schema: Schema): string {
  const { anyOf } = schema
  if (anyOf?.some(({ pattern = '' }) => isDurationPattern(pattern))) return 'duration'
  if (anyOf?.some(({ pattern = '' }) => isSizePattern(pattern))) return 'size'
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum) return schema.enum.map(each => `\`${each}\``).join(', ')
  if (schema.type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`
  if (schema.type === 'object') return 'mapping'
  if (schema.type === 'integer' || schema.type === 'number')
    return `${schema.type === 'integer' ? 'whole number' : 'number'}${bounds(schema)}`
  return schema.type === 'string' ? 'text' : (schema.type ?? 'anything')
}

function bounds({ minimum, maximum }: Schema): string {
  const low = minimum !== undefined && minimum > -ANY ? minimum : undefined
  const high = maximum !== undefined && maximum < ANY ? maximum : undefined
  if (low === undefined && high === undefined) return ''
  return high === undefined ? `, ≥ ${low}` : low === undefined ? `, ≤ ${high}` : `, ${low} to ${high}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function listOf(names: readonly string[]): string {
  return names.map(name => `\`${name}\``).join(', ')
}
