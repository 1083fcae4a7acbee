import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../hardware/simulators/free-port.ts'
import type { EdgeStatus } from '../../../src/cli/edge-status.ts'
import { openKafkaLog } from '../../../src/log/kafka/kafka-log.ts'
import { pause, systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { until } from '../../support/until.ts'
import { writePayloadFile } from '../payload.ts'
import { BenchProcess, coreConfig, edgeConfig } from '../processes.ts'
import type { BenchContext, Figure, Row } from '../row.ts'
import { percentile, type Seen, watchLog } from '../watch-log.ts'

const BACKLOG_SOURCES = 50
const RECORDS = { quick: 500_000, full: 4_000_000 }
const ALONE_MS = { quick: 3_000, full: 15_000 }
const LIVE_PER_SECOND = 200
const LIMIT_MS = 300_000
const LOOK_EVERY_MS = 100

/** What a drain does to others: to a source of the same gateway that is up to date, and to another gateway on the same core. */
export const fair: Row = {
  name: 'fair',
  title: 'While one gateway drains: the latency of another gateway, and of a live source beside the backlog',
  measure: async context => {
    const rounds: Round[] = []
    for (let round = 1; round <= (context.quick ? 1 : context.rounds); round++) rounds.push(await measureRound(context, round))
    const figure = (name: string, unit: string, pick: (round: Round) => number, aim?: Figure['aim']): Figure => ({
      ...{ name, unit, aim },
      values: rounds.map(pick),
    })
    const parts = [0.5, 0.99]
    return {
      figures: [
        ...parts.flatMap(part => {
          const unit = `ms, p${part * 100}`
          const aim = { better: 'below', value: 2 } as const
          return [
            figure('another gateway, alone', unit, ({ alone }) => percentile(alone, part)),
            figure('another gateway, during the drain', unit, ({ other }) => percentile(other, part)),
            figure(
              'another gateway',
              `× alone, p${part * 100}`,
              ({ alone, other }) => percentile(other, part) / percentile(alone, part),
              aim,
            ),
            figure('a live source beside the backlog', unit, ({ beside }) => percentile(beside, part)),
          ]
        }),
        figure('the drain meanwhile', 'records/s', ({ drainPerSecond }) => drainPerSecond),
      ],
    }
  },
}

interface Round {
  /** Latencies from the gateway's clock to a consumer of Kafka, ms. */
  readonly alone: readonly number[]
  readonly other: readonly number[]
  readonly beside: readonly number[]
  readonly drainPerSecond: number
}

async function measureRound({ kafka, folder, quick, say }: BenchContext, round: number): Promise<Round> {
  const own = mkdtempSync(join(folder, 'fair-'))
  const payloadFile = join(own, 'payload')
  writePayloadFile(payloadFile)
  const records = quick ? RECORDS.quick : RECORDS.full
  const each = records / BACKLOG_SOURCES
  const live = `  live: { generator: { records_per_second: ${LIVE_PER_SECOND} } }\n`
  const backlog = Array.from(
    { length: BACKLOG_SOURCES },
    (_, index) =>
      `  b-${index}: { generator: { records_per_second: 0, count: ${each}, seed: ${index}, payload_file: ${JSON.stringify(payloadFile)}, ahead: ${each} } }\n`,
  )
  const [ofBacklog, ofLive] = [join(own, 'backlog.yaml'), join(own, 'live.yaml')]
  writeFileSync(ofBacklog, `pipeline: fair-backlog-${round}\ndurability: 50ms\nsources:\n${backlog.join('')}${live}`)
  writeFileSync(ofLive, `pipeline: fair-live-${round}\ndurability: 50ms\nsources:\n${live}`)
  const port = await freePort()
  const core = new BenchProcess(own, { name: 'core', role: 'core', config: coreConfig(kafka.addresses, port) })
  const drains = new BenchProcess(own, { name: 'drains', role: 'edge', config: edgeConfig(`drains-${round}`, port, [ofBacklog]) })
  const other = new BenchProcess(own, { name: 'other', role: 'edge', config: edgeConfig(`other-${round}`, port, [ofLive]) })
  // A consumer for each: a broker answers what comes on one connection in turn, so that a fetch would wait for what the one before waits for.
  const open = () => openKafkaLog({ brokers: kafka.addresses, client_id: 'bench' }, { clock: systemClock, log: silentLogger })
  const logs = { other: await open(), drains: await open() }
  const watching = new AbortController()
  const watch = (name: keyof typeof logs) => {
    const found: Seen[] = []
    const options = { signal: watching.signal, seen: (seen: Seen) => found.push(seen) }
    void watchLog(logs[name], { gateway: `${name}-${round}`, source: 'live' }, options).catch(() => {})
    return found
  }
  try {
    await drains.start()
    await until('the backlog is stored', async () => backlogOf(await drains.status<EdgeStatus>()) >= records, LIMIT_MS)
    await drains.stop()
    await core.start()
    await other.start()
    const ofOther = watch('other')
    await until('the other gateway is heard', () => ofOther.length > LIVE_PER_SECOND, LIMIT_MS)
    ofOther.length = 0
    await pause(systemClock, quick ? ALONE_MS.quick : ALONE_MS.full)
    const alone = ofOther.splice(0).map(latencyOf)
    const startedMs = Date.now()
    const ofBeside = watch('drains')
    await drains.start()
    await until('the drain begins', async () => settledOf(await drains.status<EdgeStatus>()) > 0, LIMIT_MS)
    const fromMs = Date.now()
    while (settledOf(await drains.status<EdgeStatus>()) < records) {
      if (Date.now() - fromMs > LIMIT_MS) throw new Error('the drain does not end')
      await pause(systemClock, LOOK_EVERY_MS)
    }
    const endMs = Date.now()
    const within = ({ timeMs }: Seen) => timeMs >= fromMs && timeMs < endMs
    const drainPerSecond = records / ((endMs - fromMs) / 1_000)
    await pause(systemClock, 2_000)
    const result = {
      alone,
      drainPerSecond,
      other: ofOther.filter(within).map(latencyOf),
      // What it read before the core was there is old by right.
      beside: ofBeside.filter(seen => seen.timeMs > startedMs && within(seen)).map(latencyOf),
    }
    say(
      `drain ${Math.round(drainPerSecond)}/s; p50 of another gateway ${percentile(result.alone, 0.5).toFixed(0)} → ${percentile(result.other, 0.5).toFixed(0)} ms`,
    )
    return result
  } finally {
    watching.abort()
    for (const process of [drains, other, core]) await process.stop()
    for (const process of [drains, other, core]) await process.end()
    for (const log of Object.values(logs)) await log.close()
  }
}

const latencyOf = ({ atMs, timeMs }: Seen) => atMs - timeMs

function ofBacklogOnly(status: EdgeStatus | undefined): EdgeStatus['sources'] {
  return status?.sources.filter(({ source }) => source !== 'live') ?? []
}

function backlogOf(status: EdgeStatus | undefined): number {
  return ofBacklogOnly(status).reduce((sum, { buffered }) => sum + buffered.records, 0)
}

function settledOf(status: EdgeStatus | undefined): number {
  return ofBacklogOnly(status).reduce((sum, { settled }) => sum + settled, 0)
}
