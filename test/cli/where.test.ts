import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { Up } from './up-process.ts'

let up: Up

beforeAll(async () => {
  const batch = 'batch: { keep: { input: ndjson, run: [cat] } }'
  up = new Up(`pipeline: plant\nsources: { a: { generator: { records_per_second: 100, count: 200 } } }\n${batch}\n`)
  await up.start()
  await until('all records are settled', async () => (await up.status()).edge.sources.every(({ settled }) => settled === 200))
})
afterAll(() => up.end())

interface Where {
  readonly gateway: readonly { readonly place: string }[]
  readonly log: readonly {
    readonly place: string
    readonly seq: number | null
    readonly jobs: readonly { job: string; state: string }[]
  }[]
}

test('where finds a reading in the log, and the run that took it', async () => {
  const before = await up.json<Where>('where', 'a', '150')
  expect(before.gateway[0]?.place).toBe('settled')
  expect(before.log[0]).toMatchObject({ place: 'in the log', seq: 150, partition: 0 })
  expect((await up.run('batch', 'run', 'keep')).code).toBe(0)
  const after = await up.json<Where>('where', 'plant-a-1/a', '150')
  expect(after.log[0]?.jobs).toMatchObject([{ job: 'plant.keep', state: 'done' }])
  expect((await up.run('where', 'a', '150')).stdout).toMatch(/in plant\[0\] at offset 150\n +plant\.keep: run \S+, done/)
})

test('where of a glob finds what it fits on the gateway as well', async () => {
  const found = await up.json<Where>('where', 'plant-a-1/?', '150')
  expect({ gateway: found.gateway.length, log: found.log.length }).toEqual({ gateway: 1, log: 1 })
})

test('where by time gives the first reading that is not older; a number that is not there yet is ahead', async () => {
  expect((await up.json<Where>('where', 'a', '2020-01-01T00:00:00Z')).log[0]).toMatchObject({ place: 'in the log', seq: 0 })
  expect((await up.json<Where>('where', 'a', '2999-01-01T00:00:00Z')).log[0]).toMatchObject({ place: 'ahead', seq: null })
  expect((await up.json<Where>('where', 'a', '200')).log[0]).toMatchObject({ place: 'ahead', seq: 200 })
})

test('where of nothing that is, and of no number, is wrong input', async () => {
  expect((await up.run('where', 'nobody', '1')).code).toBe(2)
  expect((await up.run('where', 'a', 'soon')).code).toBe(2)
  // The 2nd of March, and a time of whoever's zone this is.
  expect((await up.run('where', 'a', '2026-02-30')).code).toBe(2)
  expect((await up.run('where', 'a', '2026-02-03 08:00')).code).toBe(2)
  expect((await up.run('where', 'a', '2026-02-03T08:00:00')).code).toBe(2)
})

test('status --metrics gives both processes to Prometheus', async () => {
  const { stdout } = await up.run('status', '--metrics')
  expect(stdout).toContain('headrace_source_settled_sequence{source="a"} 200\n')
  expect(stdout).toContain('headrace_link_up{gateway="plant-a-1"} 1\n')
  expect(stdout).toContain('headrace_partition_next_offset{source="plant-a-1/a",topic="plant",partition="0"} 200\n')
})

test('top shows what flows, and says where nothing runs', async () => {
  const { code, stdout } = await up.run('top', '--times', '2')
  expect(code).toBe(0)
  expect(stdout.match(/read\/s/g)).toHaveLength(2)
  const none = await headrace(['top', '--state', join(up.folder, 'none')])
  expect(none.code).toBe(1)
  expect(none.stderr).toContain('nothing is running')
})
