import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { replay } from '../../src/cli/replay.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { writeRecords } from '../support/log-writer.ts'

const START_MS = Date.parse('2026-03-01T00:00:00Z')
const SECOND_MS = 1_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-replay-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Written {
  readonly source: { readonly gateway: string; readonly source: string }
  readonly topic?: string
  /** Seconds at which it said something. */
  readonly seconds: readonly number[]
}

const each = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)
const pump = (source: string) => ({ gateway: 'plant-a', source })

/** What a replay of the first so many seconds says: alerts as `second analyser source state`, records of streams as they are. */
async function replayed(analysers: string, written: readonly Written[], seconds: number) {
  const file = join(folder, 'plant.yaml')
  writeFileSync(file, `pipeline: plant\nanalysers:\n${analysers}`)
  mkdirSync(join(folder, 'core'))
  const log = await openSqliteLog({ path: join(folder, 'core', 'log.db'), clock: systemClock })
  for (const { source, topic = 'plant', seconds: at } of written) {
    const records = at.map(second => ({ timeMs: START_MS + second * SECOND_MS, value: { bar: 1 } }))
    await writeRecords(log, source, topic, records)
  }
  await log.close()
  const alerts: string[] = []
  const records: object[] = []
  await replay({
    file,
    log: { options: { sqlite: {} }, stateDir: join(folder, 'core'), name: 'core' },
    from: START_MS,
    to: START_MS + seconds * SECOND_MS,
    say(_line, json) {
      const { alert, value } = json as {
        alert?: { analyser: string; source: string; state: string; time_ms: number }
        value?: { n: number }
      }
      if (alert) alerts.push([(alert.time_ms - START_MS) / SECOND_MS, alert.analyser, alert.source, alert.state].join(' '))
      if (value) records.push(value)
    },
  })
  return { alerts, records }
}

test('a silence that a record ended is said in a replay: of the only source that was read it was not', async () => {
  const { alerts } = await replayed('  quiet: { silence: 10s }\n', [{ source: pump('one'), seconds: [0, 1, 30, 31] }], 35)
  expect(alerts).toEqual(['11 quiet one raised', '30 quiet one cleared'])
})

test('sources that spoke at the same time are replayed side by side: one was taken for silent while the batch of another was read', async () => {
  const written = ['one', 'two', 'three'].map(name => ({ source: pump(name), seconds: each(0, 60) }))
  expect((await replayed('  quiet: { silence: 10s }\n', written, 60)).alerts).toEqual([])
})

test('sources of several gateways are counted together in a replay as they were when they came', async () => {
  const analyser = '  all: { per: all, every: 10s, values: { n: records() }, stream: { name: all } }\n'
  const written = ['one', 'two', 'three'].map(name => ({ source: pump(name), seconds: each(0, 60) }))
  const { records } = await replayed(analyser, written, 60)
  expect(records.map(value => (value as { n: number }).n)).toEqual([30, 30, 30, 30, 30])
})

test('a derived stream that lies in the log is not read beside what the replay makes of it: each of its records counted twice', async () => {
  const analysers = `  minute: { every: 10s, values: { n: records() }, stream: { name: minute } }
  hour: { sources: [analysers/minute], every: 60s, when: records() > 6, for: 0s }
`
  const derived = { gateway: 'analysers', source: 'minute' }
  // As they are written while they come: a batch at a time.
  const written = each(0, 13).flatMap(part => [
    { source: pump('one'), seconds: each(part * 10, part * 10 + 10) },
    { source: derived, seconds: [part * 10 + 10] },
  ])
  expect((await replayed(analysers, written, 130)).alerts).toEqual([])
})

test('a replay of analysers that watch nothing in the log is the wrong input: it said that there were no alerts', async () => {
  const written = [{ source: pump('one'), seconds: [0, 1] }]
  const none = replayed('  quiet: { sources: [pmup-*], silence: 10s }\n', written, 20)
  await expect(none).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('has no source that') })
})
