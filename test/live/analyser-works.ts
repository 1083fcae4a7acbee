import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CoreProcess } from '../../src/cli/core-process.ts'
import { controlPath } from '../../src/cli/state-paths.ts'
import { control } from '../../src/console/control-client.ts'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import type { Log } from '../../src/log/log.ts'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { HeadraceProcess } from '../support/headrace-process.ts'
import type { KafkaCluster } from '../support/kafka/cluster.ts'
import { readRecords, writeRecords } from '../support/log-writer.ts'
import { SeededRandom } from '../support/random.ts'
import { until } from '../support/until.ts'

type Status = Awaited<ReturnType<CoreProcess['status']>>

const TOPIC = 'presses'
const SOURCES = Array.from({ length: 8 }, (_, index) => ({ gateway: 'plant-b', source: `press-${index}` }))
const RECORD_EVERY_MS = 100
const WINDOW_MS = 1_000
export const SHARDS = 8
export const LIMIT_MS = 60_000
/** A takeover waits six seconds for a sign of life, and there are several. */
export const TEST_LIMIT_MS = 300_000
/** The clock closes no window: which records it holds is then for the records alone to say. */
const PIPELINE = `pipeline: ${TOPIC}
analysers:
  each-second: { sources: [press-*], every: 1s, patience: 10d, values: { n: records(), total: sum(bar), top: max(bar) }, stream: { name: press-1s } }
  high: { sources: [press-*], when: bar > 90, alert: { command: [./receive.sh] } }
`

interface Written {
  readonly timeMs: number
  readonly value: { readonly bar: number }
}

/** Cores that share a log, what is written into it, and what has to come out of it. */
export class Works {
  readonly folder: string
  readonly log: Log
  readonly cores: ReadonlyMap<string, HeadraceProcess>
  readonly #written = new Map<string, Written[]>()
  readonly #random: SeededRandom
  readonly #startMs = Math.floor(Date.now() / WINDOW_MS) * WINDOW_MS - 3_600_000

  private constructor(log: Log, logOptions: (folder: string) => string, names: readonly string[], folder: string, seed: number) {
    this.log = log
    this.folder = folder
    this.#random = new SeededRandom(seed)
    writeFileSync(join(folder, 'p.yaml'), PIPELINE)
    writeFileSync(join(folder, 'receive.sh'), '#!/bin/sh\necho "$HEADRACE_ALERT_KEY" >> keys\n', { mode: 0o755 })
    this.cores = new Map(
      names.map(name => {
        const config = join(folder, `${name}.yaml`)
        const text = `name: ${name}\nstate: ${join(folder, name)}\nlog: ${logOptions(folder)}\npipelines: [p.yaml]\n`
        writeFileSync(config, text)
        const args = ['core', '--config', config]
        return [name, new HeadraceProcess({ name, args, logPath: join(folder, `${name}.log`) })]
      }),
    )
  }

  static async onSqlite(seed: number): Promise<Works> {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-works-'))
    const path = join(folder, 'log.db')
    const log = await openSqliteLog({ path, clock: systemClock })
    return new Works(log, () => `{ sqlite: { path: ${path} } }`, ['core-a'], folder, seed)
  }

  static async onKafka(kafka: KafkaCluster, seed: number): Promise<Works> {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-works-'))
    const log = await openKafkaLog({ brokers: kafka.addresses, client_id: 'test' }, { clock: systemClock, log: silentLogger })
    const options = `{ kafka: { brokers: ${JSON.stringify(kafka.addresses)} } }`
    return new Works(log, () => options, ['core-a', 'core-b'], folder, seed)
  }

  status(name: string): Promise<Status | undefined> {
    return control<Status>(controlPath(join(this.folder, name), 'core'), 'status').catch(() => undefined)
  }

  async shards(): Promise<Record<string, readonly number[]>> {
    const entries = await Promise.all(
      [...this.cores.keys()].map(async name => [name, (await this.status(name))?.analyser_shards ?? []]),
    )
    return Object.fromEntries(entries)
  }

  /** Waits until cores have all the shards, `fair` of them each at least. */
  shared(fair: number): Promise<unknown> {
    return until(
      `all shards are kept, ${fair} by each at least`,
      async () => {
        const counts = Object.values(await this.shards()).map(each => each.length)
        return counts.reduce((a, b) => a + b, 0) === SHARDS && counts.every(count => count >= fair)
      },
      LIMIT_MS,
    )
  }

  /** So many records more of each source. */
  async write(count: number): Promise<void> {
    for (const source of SOURCES) {
      const before = this.#written.get(source.source) ?? []
      const fresh = Array.from({ length: count }, (_, index) => ({
        timeMs: this.#startMs + (before.length + index) * RECORD_EVERY_MS,
        value: { bar: this.#random.between(0, 100) },
      }))
      await writeRecords(this.log, source, TOPIC, fresh)
      this.#written.set(source.source, [...before, ...fresh])
    }
  }

  /** Every window of every source that a later record has closed. */
  expectedWindows(): object[] {
    return [...this.#written].flatMap(([source, records]) => {
      const windows = [...Map.groupBy(records, ({ timeMs }) => Math.floor(timeMs / WINDOW_MS) * WINDOW_MS)]
      return windows.slice(0, -1).map(([from_ms, inside]) => {
        const bars = inside.map(({ value }) => value.bar)
        const total = bars.reduce((a, b) => a + b, 0)
        return { gateway: 'plant-b', source, from_ms, to_ms: from_ms + WINDOW_MS, n: bars.length, total, top: Math.max(...bars) }
      })
    })
  }

  /** Keys of the alerts that have to be told: raised and cleared in turn. */
  expectedKeys(): string[] {
    return [...this.#written].flatMap(([source, records]) => {
      let isRaised = false
      return records.flatMap(({ timeMs, value }) => {
        const isHigh = value.bar > 90
        if (isHigh === isRaised) return []
        isRaised = isHigh
        return [`${TOPIC}.high:plant-b/${source}:${timeMs}:${isHigh ? 'raised' : 'cleared'}`]
      })
    })
  }

  async derived(): Promise<{ sequence: number; header: string; value: { source: string; from_ms: number } }[]> {
    const records = await readRecords(this.log, { gateway: 'analysers', source: 'press-1s' })
    return records.map(({ sequence, headers, value }) => ({
      sequence,
      header: headers.find(({ key }) => key === 'seq')?.value.toString() ?? '',
      value: JSON.parse(value?.toString() ?? 'null'),
    }))
  }

  /** How many there are, without reading them. */
  async derivedCount(): Promise<number> {
    const claim = await this.log.claimOf({ gateway: 'analysers', source: 'press-1s' })
    return claim ? (await this.log.end(claim)).next : 0
  }

  keys(): string[] {
    try {
      return readFileSync(join(this.folder, 'keys'), 'utf8').trim().split('\n')
    } catch {
      return []
    }
  }

  /** Waits until all is there, and looks that it is there once and in order. */
  async verify(): Promise<void> {
    const expected = this.expectedWindows()
    await until(`${expected.length} windows are derived`, async () => (await this.derivedCount()) >= expected.length, LIMIT_MS)
    const keys = new Set(this.expectedKeys())
    await until(`${keys.size} alerts are told`, () => new Set(this.keys()).size >= keys.size, LIMIT_MS)
    const derived = await this.derived()
    expect(derived.map(({ sequence, header }) => `${sequence} ${header}`)).toEqual(derived.map((_, index) => `${index} ${index}`))
    for (const { source } of SOURCES) {
      const own = derived.map(({ value }) => value).filter(value => value.source === source)
      expect(own).toEqual(expected.filter(value => (value as { source: string }).source === source))
    }
    expect(new Set(this.keys())).toEqual(keys)
  }

  async end(): Promise<void> {
    for (const core of this.cores.values()) await core.end()
    await this.log.close()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
