import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { jsonSchemas, loadPipelines } from '../../src/config/load.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'

const FOLDER = fileURLToPath(new URL('../../pipelines/', import.meta.url))
const examples = readdirSync(FOLDER).filter(file => file.endsWith('.yaml'))

test('there are examples of four trades at least', () => {
  expect(examples.length).toBeGreaterThanOrEqual(4)
})

test.each(examples)('%s can be loaded, and has sources', file => {
  const [pipeline] = loadPipelines([FOLDER + file])
  expect(Object.keys(pipeline?.config.sources ?? {}).length).toBeGreaterThan(0)
})

test('the JSON Schema knows every kind of source, says what it is, and can be printed', () => {
  const text = JSON.stringify(jsonSchemas().pipeline)
  for (const { kind, options } of SOURCE_KINDS) {
    expect(text).toContain(`"${kind}"`)
    expect(options).toBeDefined()
  }
  expect(text).toContain('description')
  expect(Object.keys(jsonSchemas())).toEqual(['pipeline', 'edge', 'core'])
})
