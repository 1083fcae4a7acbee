import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AlertJson, SilenceJson } from '../../src/cli/alert-calls.ts'
import type { CoreProcess } from '../../src/cli/core-process.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { writeRecords } from '../support/log-writer.ts'
import { until } from '../support/until.ts'

type Status = Awaited<ReturnType<CoreProcess['status']>>

const TOPIC = 'presses'
const SHARDS = 8
const LIMIT_MS = 60_000
const NAMES = ['core-a', 'core-b', 'core-c'] as const
type Name = (typeof NAMES)[number]
const SOURCES = Array.from({ length: 12 }, (_, index) => ({ gateway: 'plant-b', source: `press-${index}` }))

let folder: string
let kafka: KafkaCluster
let log: Log
let cores: Readonly<Record<Name, HeadraceProcess>>
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-alerts-'))
  kafka = await KafkaCluster.start()
  log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'test' }, { clock: systemClock, log: silentLogger })
  writeFileSync(
    join(folder, 'p.yaml'),
    `pipeline: ${TOPIC}\nanalysers:\n  high: { sources: [press-*], when: bar > 90, alert: { command: [./tell.sh] } }\n`,
  )
  writeFileSync(join(folder, 'tell.sh'), '#!/bin/sh\necho "$HEADRACE_ALERT_KEY" >> told\n', { mode: 0o755 })
  const made = NAMES.map(name => {
    const config = join(folder, `${name}.yaml`)
    const options = `{ kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }`
    writeFileSync(config, `name: ${name}\nstate: ${join(folder, name)}\nlog: ${options}\npipelines: [p.yaml]\n`)
    return [name, new HeadraceProcess({ name, args: ['core', '--config', config], logPath: join(folder, `${name}.log`) })]
  })
  cores = Object.fromEntries(made) as Record<Name, HeadraceProcess>
  for (const name of NAMES) cores[name].start()
})
afterAll(async () => {
  for (const name of NAMES) await cores?.[name].end()
  await log?.close()
  await kafka?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
})

const ask = <Found>(name: Name, call: string, args: object = {}) =>
  control<Found>(controlPath(join(folder, name), 'core'), call, args)
const told = () => (existsSync(join(folder, 'told')) ? readFileSync(join(folder, 'told'), 'utf8').trim().split('\n') : [])

let timeMs = Date.now()
async function write(bar: number): Promise<void> {
  timeMs += 1_000
  for (const source of SOURCES) await writeRecords(log, source, TOPIC, [{ timeMs, value: { bar } }])
}

/** Waits until cores keep all the shards, and each of these some. */
const shared = (names: readonly Name[]) =>
  until(
    `${names.join(', ')} share the analysers`,
    async () => {
      const status = await Promise.all(names.map(name => ask<Status>(name, 'status').catch(() => undefined)))
      const counts = status.map(each => each?.analyser_shards.length ?? 0)
      return counts.reduce((a, b) => a + b, 0) === SHARDS && counts.every(count => count > 0)
    },
    LIMIT_MS,
  )

async function alertsOf(name: Name): Promise<string[]> {
  const found = await ask<AlertJson[]>(name, 'alerts')
  return found.map(({ key, stands, acknowledged }) => `${key} ${stands} ${acknowledged?.by ?? '-'}`).sort()
}

test('three cores on one Kafka have the same alerts; what one silences all hold back; a core that was killed learns what it missed', async () => {
  await shared(NAMES)
  await write(95)
  await until('each alert is told', () => new Set(told()).size === SOURCES.length, LIMIT_MS)
  for (const name of NAMES)
    await until(
      `${name} knows all of them`,
      async () => (await alertsOf(name)).filter(each => each.includes(' true ')).length === SOURCES.length,
      LIMIT_MS,
    )

  const silence = await ask<SilenceJson>('core-a', 'alerts.silence', { for_ms: 3_600_000, by: 'anna', reason: 'bearing' })
  for (const name of NAMES)
    await until(`${name} knows the silence`, async () => (await ask<unknown[]>(name, 'alerts.silences')).length === 1, LIMIT_MS)
  await cores['core-c'].kill9()
  await shared(['core-a', 'core-b'])
  await write(10)
  const [standing] = await ask<AlertJson[]>('core-b', 'alerts')
  await ask('core-b', 'alerts.acknowledge', { key: standing?.key, by: 'bert', note: 'seen' })
  const cleared = async (name: Name) =>
    (await alertsOf(name)).filter(each => each.includes(':cleared ')).length === SOURCES.length
  for (const name of ['core-a', 'core-b'] as const) await until(`${name} knows that all are over`, () => cleared(name), LIMIT_MS)
  expect(told().filter(key => key.endsWith(':cleared'))).toEqual([])

  cores['core-c'].start()
  await until('core-c knows as well', () => cleared('core-c').catch(() => false), LIMIT_MS)
  await until(
    'all say the same',
    async () => new Set(await Promise.all(NAMES.map(async name => (await alertsOf(name)).join('\n')))).size === 1,
    LIMIT_MS,
  )
  expect((await alertsOf('core-c')).filter(each => each.endsWith(' bert'))).toHaveLength(1)
  expect((await alertsOf('core-c')).filter(each => each.includes(' true '))).toEqual([])

  // Ended where it was not begun.
  const [known] = await ask<SilenceJson[]>('core-c', 'alerts.silences')
  expect(known).toMatchObject({ by: silence.by, reason: silence.reason, until: silence.until })
  await ask('core-c', 'alerts.unsilence', { id: known?.id })
  await until('what is over is told', () => new Set(told().filter(key => key.endsWith(':cleared'))).size > 0, LIMIT_MS)
}, 300_000)
