/** Runs one batch job over a whole topic, into `cat > file`, in a process of its own whose CPU and memory are measured. Prints JSON. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKafkaLog } from '../../src/log/kafka/kafka-log.ts'
import { BatchJob } from '../../src/reader/batch/job.ts'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { peakRssMib } from './process-figures.ts'

const [bootstrap = '', topic = '', round = ''] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'headrace-bench-batch-'))
const log = await openKafkaLog({ brokers: bootstrap.split(','), client_id: 'bench' }, { clock: systemClock, log: silentLogger })
const ledger = new Ledger(join(folder, 'readers.db'))
try {
  const job = new BatchJob(
    {
      // A job of its own each time: a new ledger would go on from where the group of the last one stands.
      name: `bench.load-${round}`,
      topic,
      options: batchJobOptions.parse({ run: ['sh', '-c', 'cat > out'] }),
      folder,
      declared: [],
      shapeOf: () => ({ json: true, columns: [] }),
    },
    {
      ...{ log, ledger, clock: systemClock, random: Math.random, logger: silentLogger, alarms: new Alarms(systemClock) },
      ...{ core: 'core', runsDir: join(folder, 'runs') },
    },
  )
  await job.positions()
  const before = process.cpuUsage()
  const from = performance.now()
  const result = await job.run(new AbortController().signal)
  const seconds = (performance.now() - from) / 1_000
  if (result.outcome !== 'done') throw new Error(`the run did not end well: ${JSON.stringify(result)}`)
  const { user, system } = process.cpuUsage(before)
  const { records } = result.run
  process.stdout.write(JSON.stringify({ records, seconds, cpuSeconds: (user + system) / 1e6, peakMib: peakRssMib(process.pid) }))
} finally {
  ledger.close()
  await log.close()
  rmSync(folder, { recursive: true, force: true })
}
