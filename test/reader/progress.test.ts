import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withProgress } from '../../src/cli/progress-bar.ts'
import { ControlServer } from '../../src/console/control-server.ts'
import { Progress } from '../../src/reader/batch/progress.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { until } from '../support/until.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-progress-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A core whose run is as far as the test says, and what is written while it goes on. */
async function watched(isTTY: boolean, during: (go: (records: number) => void, written: () => string) => Promise<void>) {
  let progress: object | null = null
  const path = join(folder, 'control.sock')
  const server = new ControlServer(path, { 'batch.progress': async () => progress }, silentLogger)
  await server.start()
  let text = ''
  const write = (more: string) => {
    text += more
  }
  const work = Promise.withResolvers<string>()
  const shown = withProgress(path, 'load', work.promise, { isTTY, write }, 1)
  await during(
    records => {
      progress = { records, total: 2_000_000, records_per_second: 412_345 }
    },
    () => text,
  )
  work.resolve('done')
  expect(await shown).toBe('done')
  await server.stop()
  return text
}

test('where nobody watches a terminal, plain lines say how far a run is: nothing is drawn, moved or cleared', async () => {
  const text = await watched(false, async (go, written) => {
    go(500_000)
    await until('it is a quarter', () => written().includes('25 %'))
    go(2_000_000)
    await until('it is all', () => written().includes('100 %'))
  })
  const lines = new Set(text.split('\n'))
  expect([...lines]).toEqual([
    '25 %, 500,000 of 2,000,000 records, 412,345/s',
    '100 %, 2,000,000 of 2,000,000 records, 412,345/s',
    '',
  ])
})

test('on a terminal a bar is drawn over itself, and is gone at the end', async () => {
  const text = await watched(true, async (go, written) => {
    go(1_000_000)
    await until('the bar is there', () => written().includes('50 %'))
  })
  expect(text.startsWith(`\r[${'#'.repeat(15)}${'.'.repeat(15)}] 50 %, 1,000,000 of`)).toBe(true)
  expect(text).not.toContain('\n')
  expect(text.endsWith('\r\u001b[K')).toBe(true)
})

test("the core's own log has a line every ten seconds, and none of a short run", async () => {
  const clock = new SimulatedClock()
  const said: string[] = []
  const logger: Logger = { ...silentLogger, info: (_facts, text) => void said.push(text) }
  const range = { source: 'g/a', topic: 'plant', partition: 0, from: 100, to: 1_100 }
  const progress = new Progress('0123456789abcdef', [range], { clock, logger })
  progress.add(250)
  expect(said).toEqual([])
  await clock.pass(10_000)
  progress.add(250)
  progress.add(1)
  expect(said).toEqual(['500 of 1000 records (50 %)'])
})
