import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { driveAnalyser } from '../../src/analyser/define-analyser.ts'
import { loadAnalyserModules } from '../../src/cli/analyser-modules.ts'
import { runAnalyserTest } from '../../src/cli/analyser-test.ts'
import { analyserDefinitions } from '../../src/cli/analysers.ts'
import type { AnalyserTest } from '../../src/config/analyser-tests.ts'
import { type LoadedPipeline, loadPipelines } from '../../src/config/load.ts'

const PAGE = readFileSync(new URL('../../docs/realtime.md', import.meta.url), 'utf8')
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text)
const MODULE =
  blocks('ts')[0]?.replace(
    "'headrace/analyser'",
    JSON.stringify(new URL('../../src/analyser/define-analyser.ts', import.meta.url).pathname),
  ) ?? ''

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-page-'))
  writeFileSync(join(folder, 'strokes.ts'), MODULE)
})
afterAll(() => rmSync(folder, { recursive: true }))

async function loaded(
  text: string,
): Promise<{ pipeline: LoadedPipeline; run(what: AnalyserTest): readonly string[] | undefined }> {
  const file = join(folder, 'recipe.yaml')
  writeFileSync(file, text)
  const [pipeline] = loadPipelines([file])
  if (!pipeline) throw new Error('no pipeline')
  const definitions = analyserDefinitions([pipeline], await loadAnalyserModules([pipeline]), 'anywhere')
  return { pipeline, run: what => runAnalyserTest(what, pipeline, definitions).difference }
}

describe('docs/realtime.md', () => {
  test('has recipes of all that it speaks of', () => {
    expect(blocks('yaml').length).toBeGreaterThanOrEqual(5)
  })

  test.each(blocks('yaml').map(text => [/^analysers:\n {2}([a-z-]+)/m.exec(text)?.[1] ?? '?', text]))(
    '%s does what its tests say',
    async (_name, text) => {
      const { pipeline, run } = await loaded(text)
      const tests = Object.entries(pipeline.config.tests)
      expect(tests.length).toBeGreaterThan(0)
      for (const [name, what] of tests) expect(run(what), name).toBeUndefined()
    },
  )

  test('a recipe that expects what is not said fails, and says what differs', async () => {
    const text = (blocks('yaml')[0] ?? '').replace('at: 5m, values', 'at: 4m, values')
    const { pipeline, run } = await loaded(text)
    expect(run(Object.values(pipeline.config.tests)[0] as AnalyserTest)).toEqual([
      'alerts:',
      '  - 240s oil-too-hot gateway/compressor-1 raised {"avg(oil_c)":95}',
      '  + 300s oil-too-hot gateway/compressor-1 raised {"avg(oil_c)":95}',
      '    540s oil-too-hot gateway/compressor-1 cleared {}',
    ])
  })

  test('its module can be driven without a server, and a restart takes nothing from it', async () => {
    const { default: strokes } = await import(join(folder, 'strokes.ts'))
    const driver = driveAnalyser(strokes)
      .record(1_000, { bar: 120 })
      .restart()
      .record(2_000, { bar: 3 })
      .restart()
      .advance(70_000)
    expect(driver.said.alerts).toMatchObject([{ timeMs: 62_000, state: 'raised' }])
    expect(driver.said.records).toEqual([{ timeMs: 2_000, value: { strokes: 1 } }])
    expect(driver.state()).toEqual({ strokes: 1, pressed: false })
  })
})
