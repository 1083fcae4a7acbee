/**
 * `npm run bench`: every figure of docs/performance.md, beside what it is compared with, in the same run, in turn.
 *   -- --quick            about two minutes
 *   -- --only ROW …       these rows; `--list` names them
 *   -- --rounds COUNT     rounds that count
 *   -- --out FOLDER       bench.json and bench.html (./bench-results unless said)
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { messageOf } from '../../src/runtime/errors.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { renderPage } from './page.ts'
import { type BenchReport, describeMachine, loadNow, machineText, rowText } from './report.ts'
import type { BenchContext, Row, RowResult } from './row.ts'
import { fair } from './rows/fair.ts'
import { idle } from './rows/idle.ts'
import { latency } from './rows/latency.ts'
import { payloads } from './rows/payloads.ts'
import { reader } from './rows/reader.ts'
import { rsyslog } from './rows/rsyslog.ts'
import { store } from './rows/store.ts'
import { telegraf } from './rows/telegraf.ts'

const ROWS: readonly Row[] = [store, latency, fair, reader, payloads, idle, rsyslog, telegraf]
const ROUNDS = { quick: 1, full: 5 }
const BROKER_HEAP_MB = 1_024

interface Options {
  readonly quick?: true
  readonly only?: readonly string[]
  readonly rounds?: string
  readonly out: string
  readonly list?: true
}

async function bench(options: Options): Promise<void> {
  if (options.list) {
    process.stdout.write(ROWS.map(({ name, title }) => `${name.padEnd(10)} ${title}\n`).join(''))
    return
  }
  const quick = options.quick === true
  const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-run-'))
  const kafka = await KafkaCluster.start({ heapMb: BROKER_HEAP_MB })
  const rounds = Number(options.rounds ?? (quick ? ROUNDS.quick : ROUNDS.full))
  const context: BenchContext = { kafka, folder, quick, rounds, say: text => process.stdout.write(`  ${text}\n`) }
  const report = { machine: describeMachine(), from: new Date().toISOString(), quick }
  process.stdout.write(`${machineText(report.machine)}\n`)
  const rows: RowResult[] = []
  try {
    for (const row of ROWS) {
      if (options.only && !options.only.includes(row.name)) continue
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
  process.stdout.write(`\n${row.name} …\n`)
  const result = { row: row.name, title: row.title }
  try {
    const measured = await row.measure(context)
    return { ...result, ...measured, load: [before, loadNow()] }
  } catch (cause) {
    // The other rows are worth having all the same.
    process.exitCode = 1
    return { ...result, figures: [], failed: messageOf(cause), load: [before, loadNow()] }
  }
}

function keep(report: BenchReport, out: string): void {
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'bench.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(join(out, 'bench.html'), renderPage(report))
  process.stdout.write(`\n${join(out, 'bench.html')}\n`)
}

await new Command('npm run bench --')
  .option('--quick', 'fewer records and rounds')
  .addOption(new Option('--only <rows...>', 'these rows').choices(ROWS.map(({ name }) => name)))
  .option('--rounds <count>', 'rounds that count')
  .option('--out <folder>', 'where bench.json and bench.html go', 'bench-results')
  .option('--list', 'names the rows')
  .action(bench)
  .parseAsync()
