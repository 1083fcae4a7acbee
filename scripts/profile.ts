/**
 * npm run profile [-- --out FOLDER] [--records COUNT]
 * Edge and core under the main cases, each thread as a flame graph, with the functions that took the most; and what this machine could do at best.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../src/cli/output.ts'
import { type RunOptions, runHeadrace } from '../test/bench/headrace-run.ts'
import { writePayloadFile } from '../test/bench/payload.ts'
import { describeMachine, loadNow, machineText } from '../test/bench/report.ts'
import { KafkaCluster } from '../test/support/kafka/cluster.ts'
import { readCallTree, selfTimes } from './profile/call-tree.ts'
import { flameGraph } from './profile/flame-graph.ts'
import { measureLimits } from './profile/limits.ts'

const CASES = ['through', 'drain'] as const
const SOURCES = 50
const FUNCTIONS_NAMED = 12
const BROKER_HEAP_MB = 1_024

const { values } = parseArgs({ options: { out: { type: 'string' }, records: { type: 'string' } } })
const out = values.out ?? 'profile-results'
const records = Math.ceil(Number(values.records ?? 2_000_000) / SOURCES) * SOURCES
const folder = mkdtempSync(join(tmpdir(), 'headrace-profile-'))
mkdirSync(out, { recursive: true })
const kafka = await KafkaCluster.start({ heapMb: BROKER_HEAP_MB })
try {
  const payloadFile = join(folder, 'payload')
  writePayloadFile(payloadFile)
  console.log(`${machineText(describeMachine())}; load ${loadNow().toFixed(1)}`)
  const limits = await measureLimits(folder)
  console.log(
    table(
      ['what this machine does at best', 'value', 'unit'],
      limits.map(({ name, value, unit }) => [name, value, unit]),
    ),
  )
  writeFileSync(join(out, 'limits.json'), `${JSON.stringify(limits, null, 2)}\n`)
  for (const shape of CASES) await profile(shape, payloadFile)
  console.log(`\nflame graphs: ${out}`)
} finally {
  await kafka.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function profile(shape: RunOptions['shape'], payloadFile: string): Promise<void> {
  const profileFolder = join(folder, shape)
  const common = { brokers: kafka.addresses, sources: SOURCES, records, payloadFile, shape }
  // A first run warms the broker.
  await runHeadrace({ ...common, topic: `warm-${shape}` })
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
}
