/**
 * `npm start`: the whole pipeline on this machine. Simulated devices on pseudo terminals and a Modbus TCP port, the edge agent, a link over
 * loopback, a core on the embedded log, a batch job and an analyser. `--for 20s` ends it by itself.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { type AllInOne, startAll } from '../src/cli/all-in-one.ts'
import { EXIT, print, report } from '../src/cli/output.ts'
import { pause, systemClock } from '../src/runtime/clock.ts'
import { createLogger } from '../src/runtime/logger.ts'
import { duration, readArguments } from './arguments.ts'
import { Figures } from './demo/figures.ts'
import { type Plant, startPlant } from './demo/plant.ts'
import { createScreen, type Screen } from './demo/screen.ts'
import { allArrived, type Summary, summaryText } from './demo/summary.ts'

const GATEWAY = 'demo'
const REFRESH_MS = 500
/** How long the end waits for what was read to arrive. */
const DRAIN_LIMIT_MS = 2_000
const DRAIN_LOOK_EVERY_MS = 50

interface Tally {
  runs: number
  recordsInRuns: number
  alerts: number
}

async function demo(options: { for?: number; state: string }): Promise<number> {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort())
  const state = resolve(options.state)
  mkdirSync(state, { recursive: true })
  const plant = await startPlant(state)
  const screen = createScreen(process.stdout)
  const tally: Tally = { runs: 0, recordsInRuns: 0, alerts: 0 }
  try {
    const all = await start(plant, state, screen, tally)
    try {
      const before = await endsOf(all)
      print(introduction(plant, all, state, before, options.for))
      await watch(all, screen, stopping.signal, options.for)
      screen.end()
      const summary = { ...(await finish(all, before, tally)), interrupted: stopping.signal.aborted }
      print(summaryText(summary))
      print(`Files: ${state}`)
      return allArrived(summary) ? EXIT.done : EXIT.failed
    } finally {
      await all.stop()
    }
  } finally {
    await plant.stop()
  }
}

function start(plant: Plant, state: string, screen: Screen, tally: Tally): Promise<AllInOne> {
  return startAll({
    files: [plant.pipelinePath],
    state,
    gateway: GATEWAY,
    console: '127.0.0.1:0',
    log: createLogger('info', join(state, 'headrace.log')),
    events: {
      onRun(job, result) {
        if (result.outcome === 'empty') return
        const { id, records, ranges } = result.run
        if (result.outcome === 'failed') return screen.event(`batch ${job} run ${id} failed: ${result.error}`, 'alert')
        tally.runs++
        tally.recordsInRuns += records
        screen.event(`batch ${job}: ${records} records from ${ranges.length} sources → batches/${id}.ndjson`, 'plain')
      },
      onAlert(alert) {
        if (alert.state === 'raised') tally.alerts++
        screen.event(
          `alert ${alert.analyser} ${alert.state} for ${alert.source?.source ?? 'all sources'}: ${alert.message}`,
          'alert',
        )
      },
    },
  })
}

function introduction(
  plant: Plant,
  all: AllInOne,
  state: string,
  before: ReadonlyMap<string, number>,
  forMs: number | undefined,
): string {
  const devices = plant.devices.map(({ source, what, path }) => `  ${source.padEnd(12)}${what.padEnd(12)}${path}`)
  const kept = [...before.values()].reduce((sum, next) => sum + next, 0)
  return [
    'Headrace: devices → edge agent → AMQP → log → batch job and analyser',
    '',
    ...devices,
    `  core        AMQP 1.0    ${all.url}`,
    `  files       ${state}: plant.yaml, core/log.db, batches/, alerts.ndjson, headrace.log`,
    kept > 0 ? `  going on after ${kept} records of earlier starts` : '  a first start: the log is empty',
    '',
    `See it flow: ${all.consoleUrl}`,
    forMs === undefined ? 'Ctrl-C ends it.' : `Ends by itself after ${forMs / 1_000} s.`,
    '',
  ].join('\n')
}

/** Next offset in the log, by source. */
async function endsOf(all: AllInOne): Promise<Map<string, number>> {
  const { sources } = await all.core.status()
  const own = sources.filter(({ source }) => source.startsWith(`${GATEWAY}/`))
  return new Map(own.map(({ source, next }) => [source.slice(GATEWAY.length + 1), next ?? 0]))
}

async function watch(all: AllInOne, screen: Screen, signal: AbortSignal, forMs: number | undefined): Promise<void> {
  const figures = new Figures()
  const fromMs = systemClock.monotonicMs()
  while (!signal.aborted) {
    const nowMs = systemClock.monotonicMs()
    if (forMs !== undefined && nowMs - fromMs >= forMs) return
    screen.figures(nowMs, figures.take(nowMs, all.edge.status(), await endsOf(all)))
    await pause(systemClock, REFRESH_MS, signal).catch(() => {})
  }
}

/** Reads nothing more, waits for what was read to arrive, and compares. */
async function finish(all: AllInOne, before: ReadonlyMap<string, number>, tally: Tally): Promise<Omit<Summary, 'interrupted'>> {
  await all.edge.stopReading()
  const untilMs = systemClock.monotonicMs() + DRAIN_LIMIT_MS
  while (all.edge.status().sources.some(({ buffered }) => buffered.records > 0) && systemClock.monotonicMs() < untilMs) {
    await pause(systemClock, DRAIN_LOOK_EVERY_MS)
  }
  const after = await endsOf(all)
  const sources = all.edge.status().sources.map(({ source, read, dropped }) => ({
    source,
    read,
    arrived: (after.get(source) ?? 0) - (before.get(source) ?? 0),
    droppedByBuffer: dropped,
  }))
  return { sources, ...tally }
}

const options = readArguments<{ for?: number; state: string }>(
  new Command('npm start --')
    .description('Runs the whole pipeline on this machine with simulated devices.')
    .option('--for <duration>', 'end by itself after this time, such as 20s', duration())
    .option('--state <directory>', 'where everything is kept', '.headrace/demo'),
)
process.exitCode = await demo(options).catch(report)
