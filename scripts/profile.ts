/**
 * `npm run profile`: edge and core under the main cases, each thread as a flame graph, with the functions that took the most; what this machine could do at
 * best, and how near each figure of the same run comes to that.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { table } from '../src/cli/output.ts'
import { type HeadraceRun, type RunOptions, runHeadrace } from '../test/bench/headrace-run.ts'
import { LatencyPlant } from '../test/bench/latency-plant.ts'
import { PAYLOAD_KINDS, type PayloadKind, writePayloadFile } from '../test/bench/payload.ts'
import { describeMachine, loadNow, machineText, short } from '../test/bench/report.ts'
import { percentile } from '../test/bench/watch-log.ts'
import { KafkaCluster } from '../test/support/kafka/cluster.ts'
import { readArguments, wholeNumber } from './arguments.ts'
import { readCallTree, selfTimes } from './profile/call-tree.ts'
import { flameGraph } from './profile/flame-graph.ts'
import { type Limit, measureLimits } from './profile/limits.ts'
import { sharesOf } from './profile/shares.ts'

const SOURCES = 50
const FUNCTIONS_NAMED = 12
const BROKER_HEAP_MB = 1_024
const LATENCY = { perSecond: 200, forMs: 5_000, warmUpMs: 3_000 }

const values = readArguments<{ out: string; records: number; payload: PayloadKind }>(
  new Command('npm run profile --')
    .description('Flame graphs of edge and core, and how near each figure comes to what the machine does at best.')
    .option('--out <folder>', 'where the flame graphs go', 'profile-results')
    .option('--records <count>', 'records of each run', wholeNumber(1), 2_000_000)
    .addOption(new Option('--payload <kind>', 'what the records are').choices(PAYLOAD_KINDS).default('meter')),
)
const { out } = values
const records = Math.ceil(values.records / SOURCES) * SOURCES
const folder = mkdtempSync(join(tmpdir(), 'headrace-profile-'))
mkdirSync(out, { recursive: true })
const kafka = await KafkaCluster.start({ heapMb: BROKER_HEAP_MB })
try {
  const payloadFile = join(folder, 'payload')
  const recordBytes = writePayloadFile(payloadFile, values.payload)
  console.log(`${machineText(describeMachine())}; load ${loadNow().toFixed(1)}`)
  const limits = await measureLimits(folder)
  console.log(limitsText(limits))
  writeFileSync(join(out, 'limits.json'), `${JSON.stringify(limits, null, 2)}\n`)
  const through = await profile('through', payloadFile)
  const drain = await profile('drain', payloadFile)
  const shares = sharesOf(limits, { through, drain, recordBytes, latencyMs: await latency() })
  writeFileSync(join(out, 'shares.json'), `${JSON.stringify(shares, null, 2)}\n`)
  const rows = shares.map(({ figure, unit, reached, limit, share, why }) => {
    return [figure, short(reached), short(limit), unit, `${(100 * share).toFixed(0)} %`, why]
  })
  console.log(`\n${table(['figure', 'reached', 'limit', 'unit', 'share', 'the limit is'], rows)}`)
  console.log(`\nflame graphs: ${out}`)
} finally {
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
}

function limitsText(limits: readonly Limit[]): string {
  const rows = limits.map(({ name, value, unit }) => [name, value >= 10 ? value.toFixed(0) : value.toPrecision(3), unit])
  return table(['what this machine does at best', 'value', 'unit'], rows)
}

async function latency(): Promise<number> {
  const context = { kafka, folder, quick: true, rounds: 1, say: () => {} }
  const plant = await LatencyPlant.start(context, { name: 'profile-latency', durability: '0ms' })
  try {
    const { kafkaMs } = await plant.measure(LATENCY)
    return percentile(kafkaMs, 0.5)
  } finally {
    await plant.stop()
  }
}

/** Gives what a run without the profiler reached; it comes first, and warms the broker. */
async function profile(shape: RunOptions['shape'], payloadFile: string): Promise<HeadraceRun> {
  const profileFolder = join(folder, shape)
  const common = { brokers: kafka.addresses, sources: SOURCES, records, payloadFile, shape }
  const reached = await runHeadrace({ ...common, topic: `warm-${shape}` })
  await runHeadrace({ ...common, topic: `profile-${shape}`, profileFolder })
  for (const role of ['edge', 'core']) {
    const files = readdirSync(join(profileFolder, role)).sort()
    for (const [thread, file] of files.entries()) {
      const name = `${shape}-${role}-${thread === 0 ? 'main' : `thread-${thread}`}`
      const root = readCallTree(join(profileFolder, role, file))
      const unit = { name: 's per million records', perSecond: 1e6 / records }
      writeFileSync(join(out, `${name}.svg`), flameGraph(`${name}: ${(root.totalUs / 1e6).toFixed(1)} s`, root, unit))
      const rows = selfTimes(root)
        .slice(0, FUNCTIONS_NAMED)
        .map(each => [
          ((each.us / 1e6) * unit.perSecond).toFixed(3),
          `${((100 * each.us) / root.totalUs).toFixed(1)} %`,
          each.name,
          each.where,
        ])
      console.log(`\n${name}\n${table(['s per million', 'share', 'function', 'where'], rows)}`)
    }
  }
  return reached
}
