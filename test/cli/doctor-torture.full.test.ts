import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { RunReport } from '../../src/doctor/report.ts'
import { headrace } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'

let folder: string
let kafka: KafkaCluster
const path = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-torture-'))
  kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
})

afterAll(async () => {
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
})

function coreFile(): string {
  const brokers = JSON.stringify(inject('kafkaBootstrap').split(','))
  writeFileSync(
    path('torture.yaml'),
    `state: core-state\nlog: { kafka: { brokers: ${brokers} } }\ningress: { listen: "amqp://127.0.0.1:1" }\n`,
  )
  return path('torture.yaml')
}

describe('headrace doctor --torture', () => {
  test('leaves a report in which everything holds, and neither topic nor folder', async () => {
    mkdirSync(path('core-state'))
    const out = path('report')
    const args = ['--config', coreFile(), '--for', '20s', '--seed', '1', '--yes', '--out', out]
    const run = await headrace(['doctor', '--torture', ...args], { limitMs: 170_000 })
    expect(run.stderr).toBe('')
    expect(run.code).toBe(0)
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as RunReport
    expect(report.judgements.map(({ verdict }) => verdict)).toEqual(['holds'])
    expect(report.faults.length).toBeGreaterThan(0)
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Everything holds')
    expect(readdirSync(path('core-state'))).toEqual([])
    const list = ['--bootstrap-server', kafka.bootstrap, '--list']
    expect((await kafka.tool('org.apache.kafka.tools.TopicCommand', list)).stdout).not.toContain('headrace-torture')
  }, 180_000)

  const PIPELINE = 'pipeline: cold-store\ndurability: 1s\nsources: { meter: { generator: {} } }\n'
  const EDGE =
    'gateway: gw-1\nstate: STATE\nuplink: { url: "amqp://127.0.0.1:1" }\nbuffer: { quota: 8MiB, rewind: 1MiB }\npipelines: [pipeline.yaml]\n'

  test.each(['edge.yaml', 'pipeline.yaml'])(
    'tries the disk of %s with a log of its own, and leaves nothing there',
    async file => {
      const state = path(`state-of-${file}`)
      mkdirSync(state)
      writeFileSync(path('pipeline.yaml'), PIPELINE)
      writeFileSync(path('edge.yaml'), EDGE.replace('STATE', state))
      const out = path(`report-of-${file}`)
      const args = ['--config', path(file), '--state', state, '--for', '20s', '--seed', '2', '--yes', '--out', out]
      const run = await headrace(['doctor', '--torture', ...args], { limitMs: 170_000 })
      expect([run.code, run.stderr]).toEqual([0, ''])
      const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as RunReport
      expect(report.judgements.map(({ verdict }) => verdict)).toEqual(['holds'])
      expect(report.facts).toMatchObject({ log: 'SQLite' })
      expect(readdirSync(state)).toEqual([])
    },
    180_000,
  )
})
