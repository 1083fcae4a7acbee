import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { jsonSchemas, loadPipelines } from '../../src/config/load.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'

const FOLDER = fileURLToPath(new URL('../../pipelines/', import.meta.url))
const EXAMPLES = readdirSync(FOLDER).filter(file => file.endsWith('.yaml') && !file.endsWith('.test.yaml'))

interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly required?: readonly string[]
  readonly pattern?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: value => typeof value === 'string',
  number: value => typeof value === 'number',
  integer: value => Number.isInteger(value),
  boolean: value => typeof value === 'boolean',
  array: value => Array.isArray(value),
  object: value => typeof value === 'object' && value !== null && !Array.isArray(value),
}

/** As much of JSON Schema as an editor uses to underline a mistake. */
function accepts(schema: Schema, value: unknown): boolean {
  if (schema.anyOf) return schema.anyOf.some(each => accepts(each, value))
  if (schema.const !== undefined && schema.const !== value) return false
  if (schema.enum && !schema.enum.includes(value)) return false
  if (schema.type !== undefined && !TYPES[schema.type]?.(value)) return false
  if (typeof value === 'string') return schema.pattern === undefined || new RegExp(schema.pattern).test(value)
  if (typeof value === 'number') return value >= (schema.minimum ?? value) && value <= (schema.maximum ?? value)
  if (Array.isArray(value)) return value.every(each => accepts(schema.items ?? {}, each))
  if (typeof value !== 'object' || value === null) return true
  if (!(schema.required ?? []).every(key => key in value)) return false
  return Object.entries(value).every(([key, each]) => {
    const own = schema.properties?.[key]
    if (own) return accepts(own, each)
    const { additionalProperties: others } = schema
    return typeof others === 'object' ? accepts(others, each) : others !== false
  })
}

const pipelineSchema = JSON.parse(JSON.stringify(jsonSchemas().pipeline)) as Schema

test.each(EXAMPLES)('the schema and the program both accept %s', file => {
  expect(accepts(pipelineSchema, parse(readFileSync(FOLDER + file, 'utf8')))).toBe(true)
  expect(loadPipelines([FOLDER + file])).toHaveLength(1)
})

test('no two examples have the same name', () => {
  const names = EXAMPLES.flatMap(file => loadPipelines([FOLDER + file]).map(({ config }) => config.pipeline))
  expect(new Set(names).size).toBe(EXAMPLES.length)
})

test.each([
  ['a misspelt key', { pipeline: 'p', suorces: {} }],
  ['no name', { sources: {} }],
  ['a wrong name', { pipeline: 'Plant One' }],
  ['a duration without a unit', { pipeline: 'p', durability: 50 }],
  ['a misspelt option', { pipeline: 'p', sources: { a: { serial: { path: '/dev/ttyS0', buad: 9600 } } } }],
  ['a speed that no port has', { pipeline: 'p', sources: { a: { serial: { path: '/dev/ttyS0', baud: 7 } } } }],
  ['an unknown kind', { pipeline: 'p', sources: { a: { opcua: {} } } }],
  ['an unknown decoder', { pipeline: 'p', sources: { a: { generator: {}, decode: 'xml' } } }],
  ['a job without a command', { pipeline: 'p', batch: { load: { schedule: '0 2 * * *' } } }],
])('the schema underlines %s', (_what, value) => {
  expect(accepts(pipelineSchema, value)).toBe(false)
})

test('the schema explains every kind of source in its own words', () => {
  const sources = pipelineSchema.properties?.['sources']?.additionalProperties as {
    properties: Record<string, { description?: string }>
  }
  for (const { kind, summary } of SOURCE_KINDS) expect(sources.properties[kind]?.description).toBe(summary)
})

test('what is left out has the default that the schema names, as a person would write it', () => {
  expect(pipelineSchema.properties?.['durability']).toMatchObject({ default: '50ms' })
  const edge = jsonSchemas().edge as { properties: { buffer: { properties: Record<string, unknown> } } }
  expect(edge.properties.buffer.properties).toMatchObject({ quota: { default: '1GiB' }, rewind: { default: '64MiB' } })
})
