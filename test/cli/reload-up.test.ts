import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { until } from '../support/until.ts'
import { Up, type UpStatus } from './up-process.ts'

const RISING = 'rising: { generator: { records_per_second: 50 }, decode: json }'
const JOB = (name: string, file: string, more = '') =>
  `${name}: { input: raw, run: [sh, -c, "cat >> ${file}"], ${more} sources: [${name}] }`

let up: Up
afterEach(() => up.end())

function pipeline(parts: { sources: readonly string[]; jobs: readonly string[]; analysers?: readonly string[] }): string {
  const block = (name: string, lines: readonly string[]) =>
    lines.length > 0 ? `${name}:\n${lines.map(line => `  ${line}\n`).join('')}` : ''
  return `pipeline: plant\ndurability: 10ms\n${block('sources', parts.sources)}${block('batch', parts.jobs)}${block('analysers', parts.analysers ?? [])}`
}

/** Asked on the sockets themselves: a process for each question would take most of the time. */
async function status(): Promise<UpStatus> {
  const ask = <Answer>(role: 'edge' | 'core') => control<Answer>(controlPath(up.state, role), 'status', {})
  return { edge: await ask<UpStatus['edge']>('edge'), core: await ask<UpStatus['core']>('core') }
}

const change = (text: string) => writeFileSync(join(up.folder, 'p.yaml'), text)
const GEN = (name: string, count: number) => `${name}: { generator: { records_per_second: 0, count: ${count} } }`

test('up takes changed files over: sources, jobs and analysers, on both sides, and what did not change goes on', async () => {
  const kept = [GEN('kept', 10), RISING]
  up = new Up(pipeline({ sources: [...kept, GEN('gone', 20)], jobs: [JOB('kept', 'kept.out'), JOB('gone', 'gone.out')] }))
  await up.start()
  const seen = async (name: string, count: number) =>
    (await status()).edge.sources.some(({ source, settled }) => source === name && settled >= count)
  await until('the first are there', async () => (await seen('kept', 10)) && (await seen('gone', 20)))

  const high = 'high: { sources: [rising], when: "n > 3", alert: { command: [sh, -c, "cat >> alerts"] } }'
  const near = 'near: { on: gateway, sources: [rising], when: "n > 3", alert: { command: [sh, -c, "cat >> alerts-near"] } }'
  const after = {
    sources: [...kept, GEN('late', 7)],
    jobs: [JOB('kept', 'kept.out'), JOB('late', 'late.out')],
    analysers: [high, near],
  }
  change(pipeline(after))
  await until('the new source has come', () => seen('late', 7))
  const jobs = async () => (await status()).core.jobs.map(({ job }) => job)
  await until('the jobs are others', async () => (await jobs()).join() === 'plant.kept,plant.late')
  await until('the analyser watches', async () => (await status()).core.analysers[0]?.sources === 1)
  await until('it has said so', () => up.exists('alerts'))
  await until('so has the one on the gateway', () => up.exists('alerts-near'))
  for (const job of ['kept', 'late']) expect(await up.run('batch', 'run', job)).toMatchObject({ code: 0 })
  expect(up.read('late.out').split('\n').length - 1).toBe(7)
  const { edge } = await status()
  expect(edge.sources.find(({ source }) => source === 'gone')).toMatchObject({ state: 'removed', settled: 20 })

  // A bad file: refused as a whole, said with its place, and what runs goes on.
  change(pipeline(after).replace('input: raw', 'inpt: raw'))
  await until('the alarm', async () =>
    (await status()).edge.alarms.some(alarm => JSON.stringify(alarm).includes('unknown key \\"inpt\\" in kept')),
  )
  expect(await jobs()).toEqual(['plant.kept', 'plant.late'])
  // Its lines come to the file a moment after the alarm, on a busy machine.
  await until('the log says so', async () => up.read('up.log').includes('is refused'))
  change(pipeline({ ...after, jobs: [JOB('kept', 'other.out')] }))
  process.kill(up.process.pid ?? 0, 'SIGHUP')
  await until('it is right again', async () => (await status()).edge.alarms.length === 0)
  expect(await jobs()).toEqual(['plant.kept'])
})
