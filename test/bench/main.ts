/**
 * `npm run bench`: every figure of docs/performance.md, beside what it is compared with, in the same run, in turn. `--quick` takes about two minutes;
 * curves are measured where `--only` names them.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { renderPage } from './page.ts'
import { type BenchReport, describeMachine, loadNow, machineText, rowText } from './report.ts'
import type { BenchContext, Row, RowResult } from './row.ts'
import { curveBacklog } from './rows/curve-backlog.ts'
import { curveGateways } from './rows/curve-gateways.ts'
import { curvePartitions } from './rows/curve-partitions.ts'
import { curveSizes } from './rows/curve-sizes.ts'
import { curveSources } from './rows/curve-sources.ts'
import { fair } from './rows/fair.ts'
import { idle } from './rows/idle.ts'
import { latency } from './rows/latency.ts'
import { payloads } from './rows/payloads.ts'
import { reader } from './rows/reader.ts'
import { rsyslog } from './rows/rsyslog.ts'
import { serial } from './rows/serial.ts'
import { store } from './rows/store.ts'
import { telegraf } from './rows/telegraf.ts'

const CURVES: readonly Row[] = [curveSources, curveGateways, curveBacklog, curvePartitions, curveSizes]
const ROWS: readonly Row[] = [store, latency, serial, fair, reader, payloads, idle, rsyslog, telegraf, ...CURVES]
const ROUNDS = { quick: 1, full: 5 }
const BROKER_HEAP_MB = 1_024
/** One broker with ten thousand partitions: small indexes, and one file open for each. */
const MANY_PARTITIONS = { 'log.index.size.max.bytes': 65_536, 'log.cleaner.enable': 'false' }

interface Options {
  readonly quick?: true
  readonly only?: readonly string[]
  readonly rounds?: number
  readonly sizes?: readonly number[]
  readonly out: string
  readonly list?: true
}

async function bench(options: Options): Promise<void> {
  if (options.list) {
    const line = ({ name, title, isCurve }: Row) => `${name.padEnd(15)} ${title}${isCurve ? ' (only where named)' : ''}\n`
    process.stdout.write(ROWS.map(line).join(''))
    return
  }
  const chosen = ROWS.filter(({ name, isCurve }) => (options.only ? options.only.includes(name) : !isCurve))
  const quick = options.quick === true
  const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-run-'))
  const settings = chosen.some(({ isCurve }) => isCurve) ? MANY_PARTITIONS : {}
  const kafka = await KafkaCluster.start({ heapMb: BROKER_HEAP_MB, settings })
  const { sizes, rounds = quick ? ROUNDS.quick : ROUNDS.full } = options
  const context: BenchContext = { kafka, folder, quick, rounds, sizes, say: text => process.stdout.write(`  ${text}\n`) }
  const report = { machine: describeMachine(), from: new Date().toISOString(), quick }
  process.stdout.write(`${machineText(report.machine)}\n`)
  const rows: RowResult[] = []
  try {
    for (const row of chosen) {
      const result = await measure(row, context)
      rows.push(result)
      process.stdout.write(rowText(result, report.machine))
    }
  } finally {
    // What was measured before something went wrong is kept too.
    if (rows.length > 0) keep({ ...report, to: new Date().toISOString(), rows }, options.out)
    await kafka.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(row: Row, context: BenchContext): Promise<RowResult> {
  const before = loadNow()
  const fromMs = performance.now()
  process.stdout.write(`\n${row.name} …\n`)
  const ended = (): Pick<RowResult, 'row' | 'title' | 'load' | 'seconds'> => ({
    ...{ row: row.name, title: row.title, load: [before, loadNow()] },
    seconds: (performance.now() - fromMs) / 1_000,
  })
  try {
    const measured = await row.measure(context)
    return { ...measured, ...ended() }
  } catch (cause) {
    // The other rows are worth having all the same.
    process.exitCode = 1
    return { figures: [], failed: messageOf(cause), ...ended() }
  }
}

function keep(report: BenchReport, out: string): void {
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(join(out, 'bench.html'), renderPage(report))
  process.stdout.write(`\n${join(out, 'bench.html')}\n`)
}

const size = wholeNumber(1)
await bench(
  readArguments<Options>(
    new Command('npm run bench --')
      .description('Measures Headrace beside what it is compared with.')
      .option('--quick', 'fewer records and rounds: about two minutes')
      .addOption(new Option('--only <rows...>', 'these rows').choices(ROWS.map(({ name }) => name)))
      .option('--rounds <count>', 'rounds that count', wholeNumber(1))
      .addOption(
        new Option('--sizes <counts...>', 'sizes of the curves, instead of their own').argParser<number[]>((text, before) => [
          ...(before ?? []),
          size(text),
        ]),
      )
      .option('--out <folder>', 'where bench.json and bench.html go', 'bench-results')
      .option('--list', 'names the rows'),
  ),
)
