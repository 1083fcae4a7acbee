import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z as zod } from 'zod'
import * as itself from '../../src/runtime/zod-itself.ts'
import { z as onDemand } from '../../src/runtime/zod-on-demand.ts'

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url))

/** A schema with a bit of everything, made of either. */
function schemaOf(z: typeof zod) {
  const name = z.string().regex(/^[a-z]+$/, 'is no name')
  const part = z.strictObject({ size: z.int().min(1).default(3).describe('How large.'), at: z.iso.datetime().optional() })
  return z.strictObject({
    name,
    number: z
      .string()
      .regex(/^\d+$/)
      .transform(Number)
      .refine(value => value < 100, 'is too large'),
    part: part.prefault({}),
    parts: z.record(name, part).default({}),
    kind: z.union([z.literal('a'), z.strictObject({ b: z.array(part).max(2) })]),
    told: z.discriminatedUnion('ask', [
      z.object({ ask: z.literal('x'), flag: z.boolean().optional().catch(undefined) }),
      z.object({ ask: z.literal('y'), text: z.string().nullable() }),
    ]),
    odd: z
      .unknown()
      .superRefine((value, context) => {
        if (value === 'odd') context.addIssue({ code: 'custom', message: 'is odd' })
      })
      .optional(),
  })
}

const RIGHT = { name: 'abc', number: '42', kind: { b: [{}, { size: 7 }] }, told: { ask: 'x', flag: 'no flag' }, parts: { p: {} } }

describe('a schema that is made when it is used', () => {
  test.each([
    RIGHT,
    { ...RIGHT, kind: 'a', told: { ask: 'y', text: null }, part: { at: '2026-01-01T00:00:00Z' } },
    { ...RIGHT, name: 'ABC', number: '420', odd: 'odd', kinds: 1 },
    { ...RIGHT, kind: { b: [{ size: 0 }, {}, {}] }, told: { ask: 'z' }, parts: { P: {} } },
    null,
  ])('says the same of %j', value => {
    const [own, other] = [schemaOf(zod).safeParse(value), schemaOf(onDemand).safeParse(value)]
    expect(other.data).toEqual(own.data)
    expect(other.error?.issues).toEqual(own.error?.issues)
  })

  test('is described alike', () => {
    const described = (z: typeof zod) => z.toJSONSchema(schemaOf(z), { io: 'input', unrepresentable: 'any' })
    expect(described(onDemand)).toEqual(described(zod))
  })

  test('takes others into it also after it was used', () => {
    const described = (z: typeof zod) => {
      const base = z.strictObject({ a: z.string() })
      base.parse({ a: 'used' })
      return z.toJSONSchema(base.extend({ b: z.int().default(3), c: z.array(z.string()).optional() }), { io: 'input' })
    }
    expect(described(onDemand)).toEqual(described(zod))
  })

  test('is of the class that it is of', () => {
    expect(schemaOf(onDemand)).toBeInstanceOf(itself.ZodObject)
    expect(onDemand.union([onDemand.string(), onDemand.number()]) instanceof onDemand.ZodUnion).toBe(true)
    expect(Object.keys(schemaOf(onDemand).shape)).toEqual(Object.keys(schemaOf(zod).shape))
  })

  test('can be made of all that the program takes of zod', () => {
    const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
    const texts = files
      .map(file => readFileSync(join(SOURCES, file), 'utf8'))
      .filter(text => /^import \{ z \} from 'zod'/m.test(text))
    const used = new Set(texts.flatMap(text => [...text.matchAll(/\bz\s*\.([a-zA-Z0-9]+)/g)].map(([, name]) => name ?? '')))
    const types = ['output', 'ZodType', 'core', 'input', 'infer']
    expect([...used].filter(name => !types.includes(name) && !(name in itself))).toEqual([])
  })
})
