import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { runAnalyserTest } from '../../src/cli/analyser-test.ts'
import { analyserDefinitions } from '../../src/cli/analysers.ts'
import { jsonSchemas, loadPipelines, loadTestFile } from '../../src/config/load.ts'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'

const FOLDER = fileURLToPath(new URL('../../pipelines/', import.meta.url))
const files = readdirSync(FOLDER)
const tests = files.filter(file => file.endsWith('.test.yaml'))
const examples = files.filter(file => file.endsWith('.yaml') && !tests.includes(file))

test('there are examples of four trades at least', () => {
  expect(examples.length).toBeGreaterThanOrEqual(4)
})

test.each(examples)('%s can be loaded, and has sources', file => {
  const [pipeline] = loadPipelines([FOLDER + file])
  expect(Object.keys(pipeline?.config.sources ?? {}).length).toBeGreaterThan(0)
})

describe.each(tests)('%s', file => {
  const { pipeline: of, tests: own } = loadTestFile(FOLDER + file)
  const [pipeline] = loadPipelines([of])
  if (!pipeline) throw new Error(`${of} gave no pipeline`)
  const definitions = analyserDefinitions([pipeline], new Map(), 'anywhere')

  test.each(Object.entries(own))('%s', (_name, what) => {
    expect(runAnalyserTest(what, pipeline, definitions).difference).toBeUndefined()
  })

  test('an alert that is not expected fails each of them', () => {
    for (const what of Object.values(own)) {
      const silent = { ...what, alerts: [], streams: Object.fromEntries(Object.keys(what.streams).map(name => [name, []])) }
      const { difference } = runAnalyserTest(silent, pipeline, definitions)
      const expects = what.alerts.length + Object.keys(what.streams).length
      expect(difference === undefined).toBe(expects === 0)
    }
  })
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
