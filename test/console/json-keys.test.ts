import { expect, test } from 'vitest'
import { z } from 'zod'
import { openApi } from '../../src/console/openapi.ts'

const documentSchema = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string(), responses: z.unknown() }))),
})

/** Keys that a schema names, and those of the schemas in it. */
function keysOf(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(keysOf)
  if (typeof schema !== 'object' || schema === null) return []
  const named = 'properties' in schema ? Object.keys(schema.properties as object) : []
  return [...named, ...Object.values(schema).flatMap(keysOf)]
}

test('runs and losses were answered with keys such as startedMs, where everything else has some such as time_ms', () => {
  const { paths } = documentSchema.parse(openApi('1.0.0', ['core', 'edge'], 'headrace'))
  const operations = Object.values(paths).flatMap(methods => Object.values(methods))
  const answers = operations.map(({ operationId, responses }) => ({ operationId, keys: keysOf(responses) }))
  expect(answers.flatMap(({ keys }) => keys).length).toBeGreaterThan(100)
  const odd = answers.flatMap(({ operationId, keys }) =>
    keys.filter(key => /[A-Z]/.test(key)).map(key => `${operationId}: ${key}`),
  )
  expect(odd).toEqual([])
})
