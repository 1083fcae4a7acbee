import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import type { AlertJson, SilenceJson } from '../../src/cli/alert-calls.ts'
import type { AnalyserStatus } from '../../src/reader/realtime/analyser-status.ts'
import { consoleUrlOf } from '../browser/console-page.ts'
import { until } from '../support/until.ts'
import { Up } from './up-process.ts'

const PIPELINE = `pipeline: plant
sources: { a: { generator: { records_per_second: 50 } } }
analysers:
  busy: { sources: [a], every: 200ms, when: "count(n) > 0", alert: { command: [./tell.sh] } }
  slow: { sources: [a], every: 200ms, when: "count(n) > 0", for: 4s, alert: { command: [./tell.sh] } }
`

let up: Up
afterEach(() => up?.end())

const told = (analyser: string) =>
  up.exists('told')
    ? up
        .read('told')
        .split('\n')
        .filter(line => line.includes(`"analyser":"${analyser}"`)).length
    : 0

test('alerts are acknowledged and silenced by command, over a kill -9, as the API says as well', async () => {
  up = new Up(PIPELINE, { 'tell.sh': 'cat >> told' })
  await up.start()
  const silence = await up.json<SilenceJson>('alerts', 'silence', '--for', '1h', '--analyser', 'slow', '--reason', 'is mended')
  await until('the other analyser is told of', () => told('busy') === 1)
  const both = await until('both stand', async () => {
    const found = await up.json<AlertJson[]>('alerts', 'list', '--standing')
    return found.length === 2 && found
  })
  expect(both.map(({ analyser, silenced_by }) => [analyser, silenced_by]).sort()).toEqual([
    ['busy', null],
    ['slow', silence.id],
  ])
  const busy = both.find(({ analyser }) => analyser === 'busy')?.key ?? ''
  expect((await up.run('alerts', 'acknowledge', busy, '--note', 'on my way')).stdout).toContain('takes care of it')
  expect((await up.run('alerts', 'acknowledge', 'nothing')).code).toBe(2)

  const mistaken = await up.run('alerts', 'silence', '--for', '1h', '--analyser', 'bussy')
  expect([mistaken.code, mistaken.stderr]).toEqual([0, '1 of 2 alerts that stand are silenced now.\n'])

  await up.process.kill9()
  await up.start()
  const listed = await up.json<AlertJson[]>('alerts', 'list')
  expect(listed.find(({ key }) => key === busy)?.acknowledged?.note).toBe('on my way')
  expect(await up.json('alerts', 'silences')).toEqual(await (await fetch(`${consoleUrlOf(up)}/api/core/silences`)).json())
  expect(listed).toEqual(await (await fetch(`${consoleUrlOf(up)}/api/core/alerts`)).json())
  expect(told('slow')).toBe(0)
  const { analysers } = (await up.json<{ core: { analysers: AnalyserStatus[] } }>('status')).core
  expect(analysers.find(({ analyser }) => analyser === 'busy')?.last_alert).toBe(listed.find(({ key }) => key === busy)?.time)

  await up.run('alerts', 'unsilence', String(silence.id))
  await until('what still stands is told now', () => told('slow') === 1)
  expect(existsSync(`${up.state}/core/alerts.db`)).toBe(true)
}, 120_000)
